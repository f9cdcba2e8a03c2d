"""Near-duplicates and leaks: planted copies are found, unrelated photos are not, and scores without them are honest."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from lib.commands.search import show_evaluate
from lib.data.catalog import Catalog
from lib.errors import ArtifactError
from lib.measure import evaluation, leaks, scoreboard
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.progress import no_progress
from lib.retrieval import search
from lib.search import near_duplicates
from lib.search.evaluation import evaluate_metrics
from lib.search.near_duplicates import NearDuplicates
from lib.settings import Settings

PLANTED = 50


def altered(image: Image.Image, kind: int, rng: np.random.Generator) -> Image.Image:
    """A copy as people make them: smaller, cropped, or with another brightness."""
    width, height = image.size
    if kind == 0:
        scale = rng.uniform(0.4, 1)
        return image.resize((round(width * scale), round(height * scale)))
    if kind == 1:
        w, h = (round(side * share) for side, share in zip(image.size, rng.uniform(0.65, 0.92, 2), strict=True))
        left, top = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
        return image.crop((left, top, left + w, top + h))
    return ImageEnhance.Brightness(image).enhance(float(rng.choice([0.5, 0.6, 0.7, 1.3, 1.5, 1.7])))


def plant(photos: Path, folder: Path, per_class: int, copies: int, seed: int) -> set[frozenset[str]]:
    """Copy `per_class` photos of each class into `folder`, then plant altered copies of some: the pairs of ids."""
    rng = np.random.default_rng(seed)
    ids = []
    for source in sorted(path for path in photos.iterdir() if path.is_dir()):
        files = sorted(source.iterdir())
        (folder / source.name).mkdir(parents=True)
        for number in rng.choice(len(files), min(per_class, len(files)), replace=False):
            shutil.copy(files[number], folder / source.name)
            ids.append(f"{source.name}/{files[number].name}")
    pairs = set()
    for number, chosen in enumerate(rng.choice(len(ids), copies, replace=False)):
        original = folder / ids[chosen]
        copy = original.with_name(f"{original.stem}_planted.jpg")
        kind = number % 3
        quality = int(rng.integers(15, 60)) if kind == 0 else 90
        altered(Image.open(original).convert("RGB"), kind, rng).save(copy, quality=quality)
        pairs.add(frozenset({ids[chosen], copy.relative_to(folder).as_posix()}))
    return pairs


def pairs_of(near: NearDuplicates, catalog: Catalog) -> set[frozenset[str]]:
    return {frozenset({catalog.ids[a], catalog.ids[b]}) for a, b in near.rows.tolist()}


@pytest.mark.slow
def test_planted_copies_of_real_photos_are_found(photos: Path, tmp_path: Path) -> None:
    planted = plant(photos, tmp_path / "data", 200, PLANTED, seed=3)
    settings = Settings(data=tmp_path / "data", artifacts=tmp_path / "artifacts", weights="bundled", offline=True)
    pipeline.prepare(settings)
    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()
    near = leaks.find(opened, catalog)
    found = pairs_of(near, catalog)
    assert len(planted & found) >= 0.9 * PLANTED
    assert len(found - planted) <= 10
    # Before the copies were planted: the same photos and splits without them.
    loaded = search.load_space(opened, "resnet18")
    genuine = np.nonzero([not name.endswith("_planted.jpg") for name in catalog.ids])[0]
    query_rows, gallery_rows = (np.intersect1d(rows, genuine) for rows in evaluation.query_and_gallery_rows(catalog))
    before = evaluate_metrics(
        loaded.gallery,
        catalog.labels,
        metrics=["cosine"],
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        same_picture=catalog.hashes,
    )["cosine"]
    (row,) = evaluation.evaluate(opened, "resnet18", ["cosine"], near=near)
    clean, interval = row["without_leaks"], before.intervals["map"]
    assert clean is not None and clean["map"] is not None and interval is not None
    assert clean["leaks"] > 0
    assert interval[0] <= clean["map"] <= interval[1]


# -- on drawn pictures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaky(pictures: Path, quick_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The drawn pictures with cropped and darker copies of twenty of them."""
    root = tmp_path_factory.mktemp("leaky")
    plant(pictures, root / "data", 12, 20, seed=0)
    settings = Settings(data=root / "data", artifacts=root / "artifacts", weights=quick_weights, offline=True)
    pipeline.prepare(settings)
    return workspace.open_workspace(settings)


def test_leaks_are_the_pairs_across_test_and_the_other_splits(leaky: Workspace) -> None:
    catalog = leaky.catalog()
    near = leaks.find(leaky, catalog)
    splits = dict(zip(catalog.ids, catalog.frame["split"], strict=True))
    straddling = {pair for pair in pairs_of(near, catalog) if len({splits[name] == "test" for name in pair}) == 2}
    listed = leaks.leaks(near, catalog)
    assert {frozenset(leak["ids"]) for leak in listed} == straddling != set()
    assert all(leak["splits"] == [splits[name] for name in leak["ids"]] for leak in listed)
    values = [leak["correlation"] for leak in listed]
    assert values == sorted(values, reverse=True)


def test_they_are_found_once_and_kept(leaky: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = leaky.catalog()
    first = leaks.find(leaky, catalog)
    monkeypatch.setattr(near_duplicates, "compute", lambda *_: pytest.fail("the near-duplicates were computed again"))
    again = leaks.find(leaky, catalog)
    assert again.record == first.record
    np.testing.assert_array_equal(again.rows, first.rows)


def test_groups_join_what_pairs_connect(leaky: Workspace) -> None:
    catalog = leaky.catalog()
    near = leaks.find(leaky, catalog)
    groups = near.groups(catalog)
    assert all(groups[a] == groups[b] for a, b in near.rows.tolist())
    neighbours: dict[int, set[int]] = {}
    for a, b in near.rows.tolist():
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    assert all((np.sum(groups == groups[row]) > 1) == (row in neighbours) for row in range(len(groups)))


def test_a_shared_split_leaves_no_leak_and_moves_nothing_else(leaky: Workspace) -> None:
    catalog = leaky.catalog()
    near = leaks.find(leaky, catalog)
    groups = near.groups(catalog)
    together = replace(catalog, frame=catalog.frame.assign(split=near_duplicates.shared_splits(catalog, groups)))
    assert leaks.leaks(near, together) == []
    alone = np.bincount(groups)[groups] == 1
    assert (together.frame["split"] == catalog.frame["split"])[alone].all()
    assert set(together.frame["split"]) <= {"train", "val", "test"}


def test_scores_without_leaks_are_those_without_the_copies(leaky: Workspace) -> None:
    """The reference ranks all queries with near-duplicates left out as copies are."""
    catalog = leaky.catalog()
    near = leaks.find(leaky, catalog)
    rows = evaluation.evaluate(leaky, "resnet18", ["cosine", "l1"], near=near)
    loaded = search.load_space(leaky, "resnet18")
    query_rows, gallery_rows = evaluation.query_and_gallery_rows(catalog)
    reference = evaluate_metrics(
        loaded.gallery,
        catalog.labels,
        metrics=["cosine", "l1"],
        query_rows=query_rows,
        gallery_rows=gallery_rows,
        same_picture=near.groups(catalog),
    )
    for row in rows:
        clean = row["without_leaks"]
        assert clean is not None
        assert clean["map"] == pytest.approx(reference[row["metric"]].means["map"])
        assert clean["precision"]["1"] == pytest.approx(reference[row["metric"]].means["p1"])
        assert clean["ci95"]["map"] == pytest.approx(reference[row["metric"]].intervals["map"])
        assert clean["leaks"] == len(
            {row for pair in near.rows[near.leaks(catalog)].tolist() for row in pair} & set(query_rows.tolist())
        )


def test_without_near_duplicates_the_scores_are_the_same(leaky: Workspace) -> None:
    catalog = leaky.catalog()
    near = replace(leaks.find(leaky, catalog), rows=np.zeros((0, 2), np.int64), correlation=np.zeros(0, np.float32))
    (row,) = evaluation.evaluate(leaky, "pixels", ["l2"], near=near)
    clean = row["without_leaks"]
    assert clean is not None
    assert (clean["leaks"], clean["map"], clean["queries"]) == (0, row["map"], row["queries"])


def test_a_damaged_record_is_named(leaky: Workspace) -> None:
    catalog = leaky.catalog()
    leaks.find(leaky, catalog)
    (file,) = (leaky.folder / near_duplicates.FOLDER).glob("*.json")
    kept = file.read_text()
    try:
        file.write_text('{"pairs": 3}')
        with pytest.raises(ArtifactError, match="cannot be read"):
            leaks.find(leaky, catalog)
        assert leaks.find_or_none(leaky, catalog) is None
        (row,) = evaluation.evaluate(leaky, "pixels", ["l2"])
        assert leaks.NOT_SEARCHED not in show_evaluate({"rows": [row]})
        assert leaks.NOT_SEARCHED in show_evaluate({"rows": [{**row, "without_leaks": None}]})
    finally:
        file.write_text(kept)


def test_the_scoreboard_keeps_both_scores(leaky: Workspace) -> None:
    catalog = leaky.catalog()
    measured = {each.space: each for each in scoreboard.measure_all(leaky, lambda _: no_progress)}
    kept = scoreboard.load(leaky, "resnet18", catalog)
    assert kept is not None
    (row,) = evaluation.evaluate(leaky, "resnet18", ["cosine"], near=leaks.find(leaky, catalog))
    clean = row["without_leaks"]
    assert clean is not None
    assert kept.facts["leaks"] == clean["leaks"] > 0
    for each in (measured["resnet18"], kept):
        assert each.scores["cosine"].means["map"] == pytest.approx(row["map"])
        assert each.without_leaks["cosine"].means["map"] == pytest.approx(clean["map"])
        assert each.without_leaks["cosine"].intervals["map"] == pytest.approx(clean["ci95"]["map"])


def test_scores_without_near_duplicates_that_cannot_be_found_say_so(
    leaky: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "find_or_none", lambda *_: None)
    (first, *_) = scoreboard.measure_all(leaky, lambda _: no_progress, again=True)
    assert (first.facts["leaks"], first.without_leaks) == (None, {})
    kept = scoreboard.load(leaky, first.space, leaky.catalog())
    assert kept is not None
    assert kept.without_leaks == {}
