"""Maps over approximate neighbours, as very many images have them, with the threshold lowered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.commands import cli
from lib.embed import neighbours, projection
from lib.embed.fidelity import fidelity
from lib.embed.out_of_sample import place
from lib.embed.projection import Map, MapParameters
from lib.prepare import workspace
from lib.settings import Settings

pytestmark = pytest.mark.slow

Start = Callable[[Settings], AppTest]
PARAMETERS = MapParameters(n_neighbors=8, seed=3)
# Twins lie among them, whose places in a list of neighbours nothing decides.
N, TWINS = 600, 20


def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    result = (rng.normal(size=(6, 24))[rng.integers(6, size=N)] * 2 + rng.normal(size=(N, 24))).astype(np.float32)
    result[-TWINS:] = result[:TWINS]
    return result


def unit() -> np.ndarray:
    return values() / np.linalg.norm(values(), axis=1, keepdims=True)


@pytest.fixture(scope="module")
def approximate_map() -> Map:
    return projection.project(values(), PARAMETERS, most_exact=N - 1)


def test_the_seed_decides_the_map(approximate_map: Map) -> None:
    again = projection.project(values(), PARAMETERS, most_exact=N - 1)
    np.testing.assert_array_equal(approximate_map.xy, again.xy)
    np.testing.assert_array_equal(approximate_map.preserved, again.preserved)
    assert approximate_map.facts == again.facts


def test_the_map_names_them_and_their_recall(approximate_map: Map) -> None:
    facts = approximate_map.facts["neighbours"]
    assert (facts["found"], facts["sample"]) == ("approximate", N)
    assert facts["by"].startswith("NN-descent, pynndescent ")
    computed = neighbours.k_nearest(unit(), 16, "cosine", seed=3, most_exact=N - 1)
    wide = unit().astype(np.float64)
    apart = 1 - wide @ wide.T
    apart[np.arange(N), np.arange(N)] = -1  # itself first, before its twin
    farthest = np.sort(apart, axis=1)[:, 15]
    right = np.take_along_axis(apart, computed.rows[:, 1:].astype(int), 1) <= farthest[:, None] + 1e-6
    assert facts["recall"] == computed.facts["recall"] == pytest.approx(right.mean(), abs=1e-3)
    assert 0.8 < facts["recall"] <= 1


def test_they_begin_with_oneself_and_are_true_distances() -> None:
    computed = neighbours.k_nearest(unit(), 8, "cosine", seed=3, most_exact=N - 1)
    assert (computed.rows.shape, computed.rows.dtype, computed.distances.dtype) == ((N, 8), np.int32, np.float32)
    np.testing.assert_array_equal(computed.rows[:, 0], np.arange(N))
    assert all(len(set(row)) == 8 for row in computed.rows.tolist())
    expected = 1 - np.take_along_axis(unit() @ unit().T, computed.rows.astype(int), 1)
    np.testing.assert_allclose(computed.distances, expected, atol=2e-3)


@pytest.mark.parametrize("method", ["umap", "pca"])
def test_the_measure_is_nearly_that_over_exact_ones(approximate_map: Map, method: str) -> None:
    if method == "pca":
        approximate_map = projection.project(values(), MapParameters(method="pca"), most_exact=N - 1)
        assert approximate_map.facts["neighbours"]["found"] == "approximate"
    exact, facts = fidelity(unit(), approximate_map.xy, "cosine"), approximate_map.facts["fidelity"]
    # Their samples have exact neighbours either way.
    assert facts["trustworthiness"] == pytest.approx(exact.trustworthiness, abs=1e-3)
    assert facts["continuity"] == pytest.approx(exact.continuity, abs=1e-3)
    assert facts["preservation"] == pytest.approx(exact.preservation, abs=0.1)
    assert facts["preservation"] == pytest.approx(approximate_map.preserved.mean())


def test_up_to_the_threshold_they_are_exact() -> None:
    computed = neighbours.k_nearest(unit(), 8, "cosine", most_exact=N)
    assert computed.facts == {"found": "exact"}
    np.testing.assert_array_equal(computed.rows, neighbours.nearest(unit(), 8, "cosine")[0])
    assert neighbours.MOST_EXACT == 100_000


def test_the_exact_ones_of_a_few_and_those_on_a_plane() -> None:
    points = values()[:-TWINS]
    chosen = np.array([3, 77, 400])
    expected, _ = neighbours.nearest(points, 6, "euclidean")
    np.testing.assert_array_equal(neighbours.nearest_of_rows(points, chosen, 5), expected[chosen, 1:])
    xy = np.ascontiguousarray(points[:, :2])
    np.testing.assert_array_equal(neighbours.nearest_on_map(xy, 5), neighbours.nearest(xy, 6, "euclidean")[0][:, 1:])
    # Where all lie on one point nobody is his own neighbour.
    alone = neighbours.nearest_on_map(np.zeros((40, 2), np.float32), 5)
    assert (alone != np.arange(40)[:, None]).all()


def test_very_many_pixels_are_averaged_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MOST_COARSE", 29)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 128, 128, 3), dtype=np.uint8)
    approximate_map = projection.project(pixels.reshape(30, -1), MapParameters(metric="euclidean"))
    assert approximate_map.facts["input"] == "pixels averaged to 16×16"
    coarse = pixels.reshape(30, 16, 8, 16, 8, 3).mean(axis=(2, 4)).reshape(30, -1) / 255
    np.testing.assert_allclose(projection.map_inputs(pixels.reshape(30, -1))[0], coarse, rtol=1e-5)
    # A new picture is averaged as those are among which it is placed.
    assert np.isfinite(place(approximate_map, pixels.reshape(30, -1), pixels[:2].reshape(2, -1))).all()


def test_page_and_command_say_so(
    start: Start, copied: Settings, approximate_map: Map, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = workspace.open_workspace(copied)
    path = opened.map_file("resnet18", opened.map_parameters("resnet18"))
    usual = projection.load(path)
    assert usual is not None and usual.facts["neighbours"] == {"found": "exact"}
    projection.save(replace(usual, facts={**usual.facts, "neighbours": approximate_map.facts["neighbours"]}), path)
    app = start(copied).switch_page("pages/2_Embedding_Map.py")
    app.query_params["section"] = "reading"
    app.run()
    share = f"{approximate_map.facts['neighbours']['recall']:.1%}"
    caption = next(each.value for each in app.caption if "approximate" in each.value)
    assert share in caption and "pynndescent" in caption
    assert any(f"(recall {share})" in each.value for each in app.code)
    assert cli.main(["map", "--data", str(copied.data), "--artifacts", str(copied.artifacts)]) == 0
    assert f"{share} of them are exact, measured on {N} images" in capsys.readouterr().out
