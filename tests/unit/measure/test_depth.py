"""lib.measure.depth: every stage scored as the stored vectors are, probes and CKA by their formulas, stored once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lib.embed.stage_vectors import STAGES
from lib.errors import ArtifactError, QueryError
from lib.learn import linear_probe
from lib.measure import depth, depth_verdict, network_depth
from lib.measure.depth import Depth
from lib.measure.network_depth import MEAN_PRECISION, MEASURES, PIXELS, PRECISION, PROBE
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.progress import Reporter
from lib.retrieval import search
from lib.search import evaluation
from lib.search.cka import unbiased_linear_cka_interval
from lib.settings import Settings


@pytest.fixture(scope="module")
def own(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the prepared artifacts for this module."""
    artifacts = tmp_path_factory.mktemp("depth") / "artifacts"
    measured = shutil.ignore_patterns(*pipeline.OF_VECTORS)
    shutil.copytree(prepared.artifacts / "sets", artifacts / "sets", ignore=measured)
    return workspace.open_workspace(replace(prepared, artifacts=artifacts))


@pytest.fixture(scope="module")
def stages_seen() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(own: Workspace, stages_seen: list[str]) -> Depth:
    return depth.measure(own, Reporter(lambda stage, done, total: stages_seen.append(stage)))


def test_the_last_stage_is_the_stored_space(own: Workspace, found: Depth, stages_seen: list[str]) -> None:
    assert found.rows.tolist() == list(range(61))
    assert list(found.networks) == [PIXELS, "resnet18"]
    network = found.networks["resnet18"]
    assert network.stages == list(STAGES)
    assert [network.vectors[stage].shape[1] for stage in STAGES] == [64, 64, 128, 256, 512]
    np.testing.assert_allclose(network.vectors["layer4"], own.vectors("resnet18").values, atol=1e-4)
    assert any("ResNet18" in stage for stage in stages_seen)


@pytest.mark.parametrize(("name", "stage"), [("resnet18", "layer4"), (PIXELS, PIXELS)])
def test_scores_are_those_of_evaluate(own: Workspace, found: Depth, name: str, stage: str) -> None:
    catalog = own.catalog()
    queries, gallery = network_depth.query_and_gallery(catalog, found.rows)
    expected = evaluation.evaluate(
        search.load_space(own, name).gallery, catalog.labels, metric="cosine", query_rows=queries,
        gallery_rows=gallery, ks=(10,), same_picture=catalog.hashes,
    )  # fmt: skip
    for measure in (PRECISION, MEAN_PRECISION):
        value, interval = found.networks[name].value(stage, measure)
        assert value == pytest.approx(expected.means[measure], abs=1e-9)
        assert interval == pytest.approx(expected.intervals[measure], abs=1e-9)
        per_photo = found.networks[name].per_photo(stage, measure)
        assert per_photo.mean() == pytest.approx(value)


def test_probes_are_logistic_regressions_chosen_on_the_validation_photos(own: Workspace, found: Depth) -> None:
    catalog = own.catalog()
    labels, splits = (catalog.frame[column].to_numpy() for column in ("label", "split"))
    x = found.networks["resnet18"].vectors["layer2"]
    train, val, test = (splits == split for split in ("train", "val", "test"))
    scaler = StandardScaler().fit(x[train])
    models = [
        LogisticRegression(C=c, max_iter=2000).fit(scaler.transform(x[train]), labels[train])
        for c in linear_probe.STRENGTHS
    ]
    best = max(models, key=lambda model: model.score(scaler.transform(x[val]), labels[val]))
    accuracy, interval = found.networks["resnet18"].value("layer2", PROBE)
    assert accuracy == pytest.approx(best.score(scaler.transform(x[test]), labels[test]))
    assert interval is not None and interval[0] <= accuracy <= interval[1]
    assert found.networks[PIXELS].value(PIXELS, PROBE)[0] is not None


def test_a_probe_without_photos_of_two_classes_is_undefined() -> None:
    values, splits = np.ones((4, 3), dtype=np.float32), np.array(["train", "train", "val", "test"])
    assert network_depth._probe(values, np.array(["rose"] * 4), splits) is None
    assert network_depth._probe(values, np.array(["rose", "tulip"] * 2), np.array(["train"] * 4)) is None


def test_pixels_are_averaged_over_squares() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 128 * 128 * 3)).astype(np.uint8)
    averaged = network_depth._averaged(pixels).reshape(2, 32, 32, 3)
    square = pixels.reshape(2, 128, 128, 3)[1, 4:8, 8:12, 2]
    assert averaged[1, 1, 2, 2] == pytest.approx(square.mean() / 255, abs=1e-6)


def test_likeness_is_linear_cka(own: Workspace, found: Depth) -> None:
    assert found.items == [(PIXELS, PIXELS), *(("resnet18", stage) for stage in STAGES)]
    np.testing.assert_allclose(found.plain.diagonal(), 1, atol=1e-9)
    np.testing.assert_allclose(found.likeness, found.likeness.T)

    def plain(x: np.ndarray, y: np.ndarray) -> float:  # over pairs of photos, in float64
        centre = np.eye(len(x)) - 1 / len(x)
        k, m = (centre @ (z @ z.T) @ centre for z in (x.astype(np.float64), y.astype(np.float64)))
        return float((k * m).sum() / np.linalg.norm(k) / np.linalg.norm(m))

    vectors = found.networks["resnet18"].vectors
    assert found.plain[1, 5] == pytest.approx(plain(vectors["stem"], vectors["layer4"]), abs=1e-6)
    pixels = own.vectors(PIXELS).values
    assert found.plain[0, 3] == pytest.approx(plain(pixels, vectors["layer2"]), abs=1e-4)
    assert found.alike((PIXELS, PIXELS), ("resnet18", "layer2")) == found.likeness[0, 3]
    assert found.intervals[1, 5] == pytest.approx(
        unbiased_linear_cka_interval(vectors["stem"], vectors["layer4"]), abs=1e-6
    )


def test_turning_keeps_all_distances() -> None:
    x = np.random.default_rng(0).normal(size=(7, 40))
    turned = depth.turned(x)
    assert turned.shape == (7, 7)
    gaps = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (x, turned)]
    np.testing.assert_allclose(gaps[0], gaps[1], atol=1e-4)
    narrow = x[:, :5]
    assert depth.turned(narrow) is narrow


def test_it_is_stored_and_read_back(own: Workspace, found: Depth, stages_seen: list[str]) -> None:
    catalog = own.catalog()
    chosen = depth.networks(own, catalog)
    again = depth.load(own, catalog, chosen)
    assert again is not None and again.facts == found.facts
    np.testing.assert_array_equal(again.likeness, found.likeness)
    for name, network in found.networks.items():
        for stage in network.stages:
            for measure in MEASURES:
                assert again.networks[name].value(stage, measure) == network.value(stage, measure)
    before = len(stages_seen)
    depth.measure(own, Reporter(lambda stage, done, total: stages_seen.append(stage)))
    assert len(stages_seen) == before, "measured again although stored"
    files = sorted(path.name for path in (own.folder / network_depth.FOLDER).iterdir() if "-depth" in path.name)
    assert len(files) == 3
    target = depth.file(own, catalog, chosen)
    whole = target.read_bytes()
    for damage in (b"", whole[: len(whole) // 2]):
        target.write_bytes(damage)
        assert depth.load(own, catalog, chosen) is None
    target.write_bytes(whole)
    reseeded = workspace.open_workspace(replace(own.settings, seed=5))
    assert depth.load(reseeded, reseeded.catalog(), chosen) is None, "another split is another measurement"


def test_neighbours_are_the_closest_by_cosine(found: Depth) -> None:
    vectors = found.networks["resnet18"].vectors["layer1"].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    values = unit @ unit[7]
    expected = [place for place in np.argsort(-values, kind="stable").tolist() if place not in (7, 9)][:5]
    results = depth.neighbours(vectors.astype(np.float32), vectors[7].astype(np.float32), np.array([7, 9]), 5)
    assert [place for place, _ in results] == expected
    assert [value for _, value in results] == pytest.approx(values[expected], abs=1e-6)


def test_a_large_set_is_sampled_with_its_test_photos(own: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = own.catalog()
    is_test = (catalog.frame["split"] == "test").to_numpy()
    monkeypatch.setattr(depth, "MOST", 20)
    rows = depth.sample(catalog)
    assert len(rows) == 20 and (np.diff(rows) > 0).all()
    assert is_test[rows].sum() == is_test.sum()
    monkeypatch.setattr(depth, "MOST_QUERIES", 2)
    assert is_test[depth.sample(catalog)].sum() == 2
    assert np.array_equal(depth.sample(catalog), depth.sample(catalog))


def test_the_verdict_has_the_figures_of_the_stages(found: Depth) -> None:
    sentence = depth_verdict.verdict(found)
    first, last = (found.networks["resnet18"].value(stage, PRECISION)[0] for stage in ("stem", "layer4"))
    assert f"{first:.1%} after the stem" in sentence.text and f"{last:.1%} after layer4" in sentence.text
    assert f"{100 * (last - first):+.1f} pp [" in sentence.text
    assert "CKA" not in sentence.text  # one network has none to be compared with
    twin = replace(found, networks={**found.networks, "init": replace(found.networks["resnet18"], name="init")})
    items = [*found.items, *(("init", stage) for stage in STAGES)]
    order = [*range(6), *range(1, 6)]
    twin = replace(twin, items=items, likeness=found.likeness[np.ix_(order, order)])
    sentence = depth_verdict.verdict(twin)
    assert "CKA of 2 networks 1.00 after the stem, 1.00 after layer4" in sentence.text


def test_the_verdict_says_why_there_is_no_score(found: Depth) -> None:
    network = found.networks["resnet18"]
    queries = network.scores["stem"].per_query
    nobody = replace(queries, counted=np.zeros(len(queries.rows), dtype=bool))
    nothing = {
        stage: replace(scores, why=evaluation.ONE_CLASS, per_query=nobody) for stage, scores in network.scores.items()
    }
    alone = replace(found, networks={"resnet18": replace(network, scores=nothing)})
    assert depth_verdict.verdict(alone).text == f"P@10 is undefined here: {evaluation.ONE_CLASS}"


def test_without_a_network_or_a_test_photo_it_says_so(own: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "networks", lambda workspace, catalog: {})
    with pytest.raises(ArtifactError, match="No network of these photos is prepared"):
        depth.measure(own)
    assert depth.load(own, own.catalog(), {}) is None
    catalog = own.catalog()
    alone = replace(catalog, frame=catalog.frame.assign(split="train"))
    with pytest.raises(QueryError, match="no test queries"):
        network_depth.query_and_gallery(alone, np.arange(61))


def test_a_trained_regime_counts_with_or_without_its_space(own: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = own.weights("resnet18")
    monkeypatch.setattr(depth.runs, "best", lambda settings, regime, catalog: "run" if regime == "init" else None)
    monkeypatch.setattr(depth.runs, "network", lambda settings, regime, catalog: weights)
    assert list(depth.networks(own, own.catalog())) == ["resnet18", "init"]


def test_files_go_with_the_vectors_that_they_lie_beside(own: Workspace, found: Depth) -> None:
    folder = Path(own.space("resnet18")["folder"]).name
    assert depth.file(own, own.catalog(), depth.networks(own, own.catalog())).name.startswith(f"{folder}-depths-")
