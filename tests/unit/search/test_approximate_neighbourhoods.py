"""Neighbourhoods of very many pictures, which are approximate, with the bound lowered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.commands import cli
from lib.embed import neighbours
from lib.prepare import workspace
from lib.search import exact, neighbourhoods
from lib.search.metrics import order, reference
from lib.search.neighbourhoods import Neighbourhoods
from lib.settings import Settings

pytestmark = pytest.mark.slow

Start = Callable[[Settings], AppTest]
N, COPIES = 600, 24


def values() -> np.ndarray:
    """Six clusters, as features have them; the last rows are of the same pictures as the first."""
    rng = np.random.default_rng(0)
    result = (rng.normal(size=(6, 24))[rng.integers(6, size=N)] * 2 + rng.normal(size=(N, 24))).astype(np.float32)
    result[-COPIES:] = result[:COPIES]
    return result


def copies() -> list[list[int]]:
    shift = N - COPIES
    return [[row, row + shift] if row < COPIES else [row - shift, row] if row >= shift else [row] for row in range(N)]


@pytest.fixture(scope="module")
def rough() -> Neighbourhoods:
    return neighbourhoods.k_nearest(values(), copies(), most_exact=N - COPIES - 1)


@pytest.fixture(scope="module")
def true() -> Neighbourhoods:
    return neighbourhoods.k_nearest(values(), copies(), most_exact=N - COPIES)


def test_the_bound_counts_different_pictures(rough: Neighbourhoods, true: Neighbourhoods) -> None:
    assert (rough.facts["found"], true.facts["found"]) == ("approximate", "exact")
    assert rough.facts["by"].startswith("NN-descent, pynndescent ")
    shared = ("metrics", "depth", "input", "schema")
    assert [rough.facts[name] for name in shared] == [true.facts[name] for name in shared]


@pytest.mark.parametrize("name", neighbourhoods.METRICS)
def test_what_is_found_is_valued_and_ranked_exactly(rough: Neighbourhoods, name: str) -> None:
    x = values()
    for row in (0, 1, 300, N - COPIES, N - 1):
        near = rough.rows[name][row]
        assert (near >= 0).all() and len(set(near.tolist())) == len(near)
        assert not set(near.tolist()) & set(copies()[row])
        exact_values = reference(name, x[row], x[near])
        np.testing.assert_array_equal(rough.values[name][row], exact_values.astype(np.float32))
        by_row = np.sort(near)
        np.testing.assert_array_equal(near, by_row[order(reference(name, x[row], x[by_row]), name)])


@pytest.mark.parametrize("name", neighbourhoods.METRICS)
@pytest.mark.parametrize("cut", [neighbourhoods.K, neighbourhoods.DEPTH])
def test_the_recall_is_that_against_exact_ones(
    rough: Neighbourhoods, true: Neighbourhoods, name: str, cut: int
) -> None:
    sign = -1 if name == "cosine" else 1
    farthest = sign * true.values[name][:, cut - 1 : cut]
    # The sample is of one row per picture, and here of all of them.
    right = (sign * rough.values[name][:, :cut] <= farthest)[: N - COPIES]
    assert rough.facts["sample"] == N - COPIES
    assert rough.facts["recall"][name][str(cut)] == pytest.approx(right.mean(), abs=1e-12)
    assert right.mean() > 0.95


def test_copies_have_the_same_answers_and_are_answers_both(rough: Neighbourhoods) -> None:
    rows = rough.rows["l1"]
    np.testing.assert_array_equal(rows[:COPIES], rows[-COPIES:])
    results = [set(near.tolist()) for near in rows[COPIES:-COPIES]]
    assert any(0 in near for near in results)
    # Where there is room for both, both are found, one after the other.
    for near in rows[COPIES:-COPIES].tolist():
        for place, row in enumerate(near[:-1]):
            if row < COPIES:
                assert near[place + 1] == row + N - COPIES


def test_a_picture_with_very_many_copies_leaves_room_for_nobody() -> None:
    x = values()
    x[100:400] = x[100]
    same = [list(range(100, 400)) if 100 <= row < 400 else [row] for row in range(N)]
    computed = neighbourhoods.k_nearest(x, same, most_exact=10)
    expected = exact.top_k(exact.gallery(x), x[150], "l1", 30, leave_out=[same[150]])
    shared = len(set(computed.rows["l1"][150].tolist()) & set(expected.rows[0].tolist()))
    assert not set(computed.rows["l1"][150].tolist()) & set(same[150])
    assert shared >= 27
    # Of a hundred equal answers those with the lowest rows are given, as in every search.
    near_it = np.nonzero((computed.rows["l1"] == 100).any(axis=1))[0]
    assert len(near_it)
    for row in near_it:
        members = [answer for answer in computed.rows["l1"][row].tolist() if 100 <= answer < 400]
        assert members == list(range(100, 100 + len(members)))


def test_the_seed_decides(rough: Neighbourhoods) -> None:
    again = neighbourhoods.k_nearest(values(), copies(), most_exact=10)
    for name in neighbourhoods.METRICS:
        np.testing.assert_array_equal(again.rows[name], rough.rows[name])
        np.testing.assert_array_equal(again.values[name], rough.values[name])
    assert again.facts == rough.facts
    assert neighbourhoods.k_nearest(values(), copies(), most_exact=10, seed=1).facts["seed"] == 1


def test_few_pictures_have_few_neighbours_here_too() -> None:
    computed = neighbourhoods.k_nearest(values()[COPIES : COPIES + 6], [[row] for row in range(6)], most_exact=1)
    assert computed.rows["cosine"].shape == (6, 6)
    for row, near in enumerate(computed.rows["cosine"].tolist()):
        assert sorted(near) == [-1, *(other for other in range(6) if other != row)]
    assert np.isnan(computed.values["cosine"][:, -1]).all()
    assert computed.facts["recall"]["l1"] == {"10": 1.0, "30": 1.0}


def test_pixels_and_progress() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (80, 27), dtype=np.uint8)
    heard: list[tuple[int, int | None]] = []
    computed = neighbourhoods.k_nearest(
        pixels, [[row] for row in range(80)], lambda done, total: heard.append((done, total)), most_exact=10
    )
    assert heard[-1] == (80, 80)
    near = computed.rows["l1"][7]
    np.testing.assert_array_equal(computed.values["l1"][7], reference("l1", pixels[7], pixels[near]).astype(np.float32))


def test_exact_distances_do_not_depend_on_threads() -> None:
    import faiss

    points = values() / np.linalg.norm(values(), axis=1, keepdims=True)
    before = faiss.omp_get_max_threads()
    try:
        runs = []
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            runs.append(neighbours.nearest(points, 15, "cosine"))
    finally:
        faiss.omp_set_num_threads(before)
    wide = points.astype(np.float64)
    for rows, distances in runs:
        expected = 1 - np.einsum("ikj,ij->ik", wide[rows], wide)
        expected[:, 0] = 0  # itself
        np.testing.assert_array_equal(distances, np.clip(expected, 0, 2).astype(np.float32))


def test_what_there_is_to_say(rough: Neighbourhoods, true: Neighbourhoods) -> None:
    assert neighbourhoods.approximation_note(true.facts) == neighbourhoods.recall_note(true.facts) == ""
    assert neighbourhoods.approximation_note({}) == ""  # of before, when all were exact
    notes, recall = neighbourhoods.approximation_note(rough.facts), rough.facts["recall"]
    assert f"{recall['cosine']['10']:.1%} under Cosine similarity and {recall['l1']['10']:.1%} under L1" in notes
    assert "NN-descent" in notes and "true 10 nearest" in notes
    assert "true 30 nearest" in neighbourhoods.approximation_note(rough.facts, ["l1"], k=11)


@pytest.fixture
def blurred(copied: Settings, rough: Neighbourhoods) -> Settings:
    """A prepared workspace whose neighbourhoods say that they are approximate, with a recall that nothing else has."""
    opened = workspace.open_workspace(copied)
    how = {name: rough.facts[name] for name in ("found", "by", "sample", "seed")}
    for name in opened.spaces:
        computed = opened.neighbourhoods(name)
        recall = {metric: {"10": 0.8765, "30": 0.7654} for metric in neighbourhoods.METRICS}
        path = opened.folder / opened.space(name)["neighbours"]
        neighbourhoods.save(replace(computed, facts={**computed.facts, **how, "recall": recall}), path)
    return copied


def test_pages_and_the_doctor_name_it(start: Start, blurred: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    app = start(blurred).switch_page("pages/2_Embedding_Map.py")
    app.query_params["colour"] = "purity"
    for section, start_of_note, in_note in (
        ("reading", "**Purity**", f"{0.8765:.1%} under Cosine"),
        ("findings", "Each photo's nearest are approximate", "pynndescent"),
    ):
        app.query_params["section"] = section
        app.run()
        assert not app.exception
        notes = [each.value for each in app.caption if "approximate" in each.value]
        assert any(each.startswith(start_of_note) and in_note in each for each in notes), section
        assert any("approximate, by NN-descent" in each.value for each in app.code)
    app.switch_page("pages/3_Retrieval.py")
    app.query_params["section"] = "Disagreements"
    app.run()
    assert not app.exception
    (origin,) = (each.value for each in app.code if "fingerprint" in each.value)
    assert "approximate, by NN-descent" in origin
    assert "Engine: exact" not in origin
    words = ["--data", str(blurred.data), "--artifacts", str(blurred.artifacts)]
    cli.main(["doctor", *words])
    assert "neighbours (approximate, by NN-descent" in capsys.readouterr().out
