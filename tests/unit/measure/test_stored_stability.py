"""The stored stability of maps: layouts are kept one by one, damage is made anew, traits and verdict say what it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lib.embed import layouts, map_stability
from lib.measure import stability_traits, stored_stability
from lib.prepare import workspace
from lib.progress import Reporter
from lib.settings import Settings
from tests.helpers.stability_records import measurement

SEEDS = (0,)


def test_a_measurement_continues_with_the_layouts_that_are_missing(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    stages: list[str] = []
    report = Reporter(lambda stage, _done, _total: stages.append(stage))
    assert stored_stability.load(opened, "resnet18", SEEDS) is None
    measured = stored_stability.measure(opened, "resnet18", report, SEEDS)
    runs = stored_stability.all_runs(SEEDS)
    assert [run.title for run in runs] == [
        "UMAP, seed 0", "t-SNE, seed 0", "PCA", "UMAP, seed 0, shuffled", "t-SNE, seed 0, shuffled", "PCA, shuffled",
    ]  # fmt: skip
    assert [stage.removeprefix("layouts: ") for stage in stages[:-1]] == [run.title for run in runs]
    files = [stored_stability.layout_file(opened, "resnet18", run) for run in runs]
    assert len(set(files)) == len(runs)
    written = [path.stat().st_mtime_ns for path in files]

    # Against the layouts and the vectors themselves.
    made = [(run, stored_stability.load_layout(opened, "resnet18", run)) for run in runs if not run.null]
    points = layouts.prepared(opened.vectors("resnet18").values, "cosine")
    expected = map_stability.stability(points, [(run, xy) for run, xy in made if xy is not None])
    assert (measured.stability == expected.points).all()
    facts = measured.facts
    assert facts["found"]["mean"] == pytest.approx(expected.points.mean(), abs=1e-6)
    low, high = facts["found"]["ci95"]
    assert low < facts["found"]["mean"] < high
    assert (facts["photos"], facts["total"], facts["runs"]) == (61, 61, 3)

    # Damaged and missing files are made anew, and nothing else.
    files[0].write_bytes(b"damaged")
    files[1].unlink()
    stored_stability.file(opened, "resnet18", SEEDS).write_bytes(b"damaged")
    assert stored_stability.load(opened, "resnet18", SEEDS) is None
    again = stored_stability.measure(opened, "resnet18", Reporter(), SEEDS)
    assert (again.stability == measured.stability).all()
    assert [path.stat().st_mtime_ns for path in files[2:]] == written[2:]
    loaded = stored_stability.load(opened, "resnet18", SEEDS)
    assert loaded is not None
    assert loaded.facts == again.facts
    assert (loaded.labels == again.labels).all()


def test_a_large_set_is_sampled_once_and_for_all() -> None:
    rows = stored_stability.sample_rows(4_064)
    assert len(rows) == stored_stability.SAMPLE == len(set(rows.tolist()))
    assert (np.diff(rows) > 0).all()
    assert (stored_stability.sample_rows(4_064) == rows).all()
    assert stored_stability.sample_rows(7).tolist() == list(range(7))


def test_traits_are_unknown_outside_the_sample() -> None:
    stability, cluster = stability_traits.stability_traits(10, measurement(8, 10, [3, 2]))
    assert np.isnan(stability.values).tolist() == [False] * 8 + [True] * 2
    assert "sample of 8" in stability.about
    assert (
        cluster.values.tolist() == ["cluster 1"] * 3 + ["cluster 2"] * 2 + [stability_traits.NO_CLUSTER] * 3 + [""] * 2
    )
    (only,) = stability_traits.stability_traits(8, measurement(8, 8, []))
    assert only.name == "stability"
    assert "sample" not in only.about


def test_the_verdict_has_its_figures_and_the_null_map() -> None:
    text = stored_stability.verdict(measurement(100, 400, [40]).facts).text
    for words in (
        "50 % [48, 52]",
        "shuffled features 20 %",
        "1 of 4 clusters on the maps is real",
        "100 of 400 photos",
    ):
        assert words in text
    assert "0 of 4 clusters on the maps are real" in stored_stability.verdict(measurement(100, 100, []).facts).text


def test_too_few_photos_are_refused(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    catalog = opened.catalog()

    class Small:
        def __getattr__(self, name: str) -> object:
            return getattr(opened, name)

        def catalog(self) -> object:
            return dataclasses.replace(catalog, frame=catalog.frame.head(12))

    with pytest.raises(stored_stability.QueryError, match="30 photos or more"):
        stored_stability.measure(Small(), "resnet18", Reporter(), SEEDS)  # type: ignore[arg-type]
