"""lib.retrieval.search against a plain float64 reference: search, compare and evaluate, on both engines."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lib.data import catalog_file, images
from lib.errors import ArtifactError, QueryError, StoreError
from lib.measure.evaluation import evaluate
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.retrieval import search as retrieval_search
from lib.retrieval.query import Query, find_query, query_part
from lib.retrieval.search import SearchableSpace
from lib.search import exact
from lib.settings import Settings
from lib.store import connection
from tests.conftest import COPY, COPY_OF, draw_picture

METRICS = ("mse", "l1", "l2", "cosine", "ncc")
HIGHER = {"cosine", "ncc"}
LOAD = Callable[[str], SearchableSpace]


def reference(metric: str, gallery: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The formulas of the design, one row at a time, in float64; pixels are values from 0 to 1."""
    scale = 255.0 if gallery.dtype == np.uint8 else 1.0
    values = []
    q = query.astype(np.float64) / scale
    if metric == "ncc":
        q = q - q.mean()
    for row in gallery:
        x = row.astype(np.float64) / scale
        if metric == "mse":
            values.append(((x - q) ** 2).mean())
        elif metric == "l1":
            values.append(np.abs(x - q).sum())
        elif metric == "l2":
            values.append(math.sqrt(((x - q) ** 2).sum()))
        else:
            if metric == "ncc":
                x = x - x.mean()
            values.append((x * q).sum() / math.sqrt((x * x).sum() * (q * q).sum()))
    return np.array(values)


def ranked(loaded: SearchableSpace, metric: str, query: np.ndarray, leave_out: set[str]) -> list[tuple[str, float]]:
    values = reference(metric, np.asarray(loaded.gallery.vectors), query)
    # Rounded, since equal pictures must tie here too.
    keyed = [
        (round(-value if metric in HIGHER else value, 9), name, value)
        for name, value in zip(loaded.catalog.ids, values, strict=True)
        if name not in leave_out
    ]
    return [(name, value) for _, name, value in sorted(keyed)]


def search(
    opened: Workspace, loaded: SearchableSpace, image: str, metric: str = "cosine", k: int = 10, **options: Any
) -> Any:
    query = find_query(loaded.catalog, image)
    document = retrieval_search.search(opened, loaded, query, metric_name=metric, k=k, **options)
    json.dumps(document, allow_nan=False)
    return document


def ids(document: Any) -> list[str]:
    return [row["id"] for row in document["results"]]


# -- search ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_search_gives_what_the_formulas_give(opened: Workspace, loaded: LOAD, space: str, metric: str) -> None:
    there = loaded(space)
    for image, left_out in (("daisy/05.png", {"daisy/05.png"}), (COPY_OF, {COPY_OF, COPY})):
        query = np.asarray(there.gallery.vectors[there.catalog.row(image)])
        expected = ranked(there, metric, query, left_out)
        document = search(opened, there, image, metric, k=100)
        assert ids(document) == [name for name, _ in expected]
        found = [row["value"] for row in document["results"]]
        np.testing.assert_allclose(found, [value for _, value in expected], rtol=1e-6, atol=1e-9)
        assert [row["rank"] for row in document["results"]] == list(range(1, 62 - len(left_out)))
        assert all(row["label"] == row["id"].split("/")[0] for row in document["results"])
        assert document["higher_is_closer"] is (metric in HIGHER)
        assert (document["query"], document["space"], document["metric"]) == (image, space, metric)
        assert (document["engine"], document["recall"]) == ("exact", None)
        assert document["seconds"] >= 0
        assert ids(search(opened, there, image, metric, k=4)) == ids(document)[:4]


@pytest.mark.parametrize("metric", ["cosine", "ncc", "l1"])
def test_images_without_a_similarity_are_no_results(opened: Workspace, loaded: LOAD, metric: str) -> None:
    there = loaded("resnet18")
    vectors = np.array(there.gallery.vectors)
    dark = [3, 7, 8]
    vectors[dark] = 0
    changed = replace(there, gallery=exact.gallery(vectors))
    names = {there.catalog.ids[row] for row in dark}
    every = len(there.catalog.ids)
    document = search(opened, changed, there.catalog.ids[0], metric, k=every)
    assert document.get("undefined", 0) == (0 if metric == "l1" else 3)
    assert names.isdisjoint(ids(document)) == (metric != "l1")
    from_dark = search(opened, changed, there.catalog.ids[3], metric, k=every)
    assert (from_dark["results"] == []) == (metric != "l1")
    compared = retrieval_search.compare(
        opened, changed, find_query(there.catalog, there.catalog.ids[0]), a="l1", b=metric, k=every
    )
    assert len(compared["ranks"]["a"]) == len(compared["a"]["results"])
    assert compared["kendall_tau"] is not None


def test_copies_of_the_query_are_left_out_unless_they_are_wanted(opened: Workspace, loaded: LOAD) -> None:
    for engine in ("exact", "milvus"):
        there = loaded("resnet18")
        assert COPY not in ids(search(opened, there, COPY_OF, k=100, engine=engine))
        kept = search(opened, there, COPY_OF, k=100, keep_duplicates=True, engine=engine)
        assert kept["results"][0]["id"] == COPY
        assert kept["results"][0]["value"] == pytest.approx(1.0)
        assert COPY_OF not in ids(kept)
        assert len(kept["results"]) == 60


def test_a_file_inside_the_data_folder_is_its_image(opened: Workspace, loaded: LOAD, pictures: Path) -> None:
    there = loaded("resnet18")
    by_id = search(opened, there, "tulip/04.jpg")
    for name in (str(pictures / "tulip" / "04.jpg"), str(pictures / "rose" / ".." / "tulip" / "04.jpg")):
        by_path = search(opened, there, name)
        assert by_path["query"] == "tulip/04.jpg"
        assert by_path["results"] == by_id["results"]


def test_a_link_to_a_file_of_the_folder_is_its_image(
    opened: Workspace, loaded: LOAD, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.jpg").symlink_to(pictures / "tulip" / "04.jpg")
    assert search(opened, loaded("pixels"), str(tmp_path / "link.jpg"))["query"] == "tulip/04.jpg"


def test_a_relative_path_is_taken_from_the_current_folder(
    opened: Workspace, loaded: LOAD, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures / "tulip")
    assert search(opened, loaded("pixels"), "04.jpg")["query"] == "tulip/04.jpg"


def test_an_outside_file_with_the_same_pixels_leaves_those_out(
    opened: Workspace, loaded: LOAD, pictures: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "mine.bmp"
    Image.open(pictures / COPY_OF).save(outside)
    there = loaded("resnet18")
    document = search(opened, there, str(outside), k=100)
    assert document["query"] == str(outside)
    assert ids(document) == ids(search(opened, there, COPY_OF, k=100))
    kept = search(opened, there, str(outside), k=100, keep_duplicates=True)
    assert len(kept["results"]) == 61
    assert set(ids(kept)[:2]) == {COPY, COPY_OF}


@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_a_picture_from_outside_is_embedded(opened: Workspace, loaded: LOAD, tmp_path: Path, space: str) -> None:
    outside = tmp_path / "new.png"
    draw_picture(2, 77).save(outside)
    there = loaded(space)
    query = retrieval_search.vector(opened, there, find_query(there.catalog, str(outside)))
    if space == "pixels":
        picture = images.open_rgb(outside).resize((128, 128), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(query, np.asarray(picture).reshape(-1))
    document = search(opened, there, str(outside), "l2", k=100)
    expected = ranked(there, "l2", query, set())
    assert ids(document) == [name for name, _ in expected]
    assert document["query"] == str(outside)


def test_transfer_answers_as_resnet18(opened: Workspace, loaded: LOAD) -> None:
    there = retrieval_search.load_space(opened, "transfer")
    assert search(opened, there, "rose/00.jpg")["space"] == "resnet18"
    assert ids(search(opened, there, "rose/00.jpg")) == ids(search(opened, loaded("resnet18"), "rose/00.jpg"))


@pytest.mark.parametrize("engine", ["exact", "milvus"])
def test_classes_and_splits_confine_the_answers(opened: Workspace, loaded: LOAD, engine: str) -> None:
    there = loaded("resnet18")
    answer_filter = retrieval_search.AnswerFilter(("tulip", "daisy"), ("train",))
    frame = there.catalog.frame
    fit = frame["label"].isin(["tulip", "daisy"]) & (frame["split"] == "train")
    without = set(frame["id"][~fit])
    expected = ranked(there, "l2", np.asarray(there.gallery.vectors[there.catalog.row("rose/00.jpg")]), without)
    found = search(opened, there, "rose/00.jpg", "l2", k=100, answer_filter=answer_filter, engine=engine)
    assert ids(found) == [name for name, _ in expected]
    assert len(expected) == fit.sum() > 0
    with pytest.raises(QueryError, match=re.escape(retrieval_search.no_image_passes(["weed"], there.catalog.classes))):
        search(opened, there, "rose/00.jpg", answer_filter=retrieval_search.AnswerFilter(("weed",)))
    quoted = retrieval_search.AnswerFilter(('a "b" \\',)).expression()
    assert quoted == 'label in ["a \\"b\\" \\\\"]'


def test_the_gap_is_the_way_to_the_next_answer(opened: Workspace, loaded: LOAD) -> None:
    for metric in METRICS:
        rows = search(opened, loaded("resnet18"), "rose/00.jpg", metric, k=100)["results"]
        for here, following in itertools.pairwise(rows):
            assert here["gap"] == abs(following["value"] - here["value"])
        assert rows[-1]["gap"] is None
        assert search(opened, loaded("resnet18"), "rose/00.jpg", metric, k=4)["results"] == rows[:4]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_several_queries_are_answered_by_mean_rank(opened: Workspace, loaded: LOAD, space: str, metric: str) -> None:
    there = loaded(space)
    names = ["daisy/05.png", COPY_OF, "tulip/04.jpg"]
    out = {*names, COPY}
    ranks: dict[str, list[int]] = {}
    for name in names:
        query = np.asarray(there.gallery.vectors[there.catalog.row(name)])
        for place, (image, _) in enumerate(ranked(there, metric, query, out), start=1):
            ranks.setdefault(image, []).append(place)
    expected = sorted((np.mean(each), image) for image, each in ranks.items())
    queries = [find_query(there.catalog, name) for name in names]
    found = retrieval_search.search(opened, there, queries, metric_name=metric, k=100)
    assert [(row["value"], row["id"]) for row in found["results"]] == [(pytest.approx(v), i) for v, i in expected]
    assert (found["queries"], found["fusion"], found["higher_is_closer"]) == (names, "mean rank", False)
    with pytest.raises(QueryError, match=retrieval_search.EXACT_ONLY):
        retrieval_search.search(opened, loaded("resnet18"), queries, metric_name=metric, k=5, engine="milvus")


def test_a_part_of_a_photo_is_a_query_from_outside(opened: Workspace, loaded: LOAD) -> None:
    there = loaded("pixels")
    whole = find_query(there.catalog, "tulip/04.jpg")
    part = query_part(there.catalog, whole, (25, 0, 75, 50))
    picture = images.open_rgb(there.catalog.path("tulip/04.jpg"))
    w, h = picture.size
    small = picture.crop((w // 4, 0, round(w * 0.75), round(h / 2))).resize((128, 128), Image.Resampling.BILINEAR)
    found = retrieval_search.search(opened, there, part, metric_name="l1", k=100)
    assert ids(found) == [name for name, _ in ranked(there, "l1", np.asarray(small).reshape(-1), set())]
    assert "tulip/04.jpg" in ids(found)  # the photo that it was cut from may be found
    everything = query_part(there.catalog, whole, (0, 0, 100, 100))
    assert "tulip/04.jpg" not in ids(retrieval_search.search(opened, there, everything, metric_name="l1", k=100))
    assert len({part.key, whole.key, everything.key}) == 3
    for box in ((50, 0, 50, 10), (0, 0, 101, 10), (-1, 0, 5, 5), (0, 9, 5, 3), (0, float("nan"), 5, 3)):
        with pytest.raises(QueryError, match="left,top,right,bottom in percent"):
            query_part(there.catalog, whole, box)


def test_at_length_1_l2_and_cosine_rank_alike(opened: Workspace, loaded: LOAD) -> None:
    there = loaded("resnet18")
    unit = retrieval_search.normalised(there)
    query = find_query(there.catalog, "tulip/04.jpg")
    as_they_are = retrieval_search.compare(opened, there, query, a="l2", b="cosine", k=20)
    both = retrieval_search.compare(opened, unit, query, a="l2", b="cosine", k=20)
    assert as_they_are["kendall_tau"] < 0.999
    assert both["kendall_tau"] > 0.99999
    assert ids(both["a"]) == ids(both["b"]) == ids(as_they_are["b"])
    vectors = np.asarray(there.gallery.vectors, dtype=np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row = there.catalog.row("tulip/04.jpg")
    expected = np.sort(np.delete(np.abs(vectors - vectors[row]).sum(axis=1), row))[:20]
    found = retrieval_search.search(opened, unit, query, metric_name="l1", k=20)
    np.testing.assert_allclose([each["value"] for each in found["results"]], expected, rtol=1e-5)
    with pytest.raises(QueryError, match="whole numbers"):
        retrieval_search.normalised(loaded("pixels"))
    with pytest.raises(QueryError, match="--engine exact"):
        retrieval_search.search(opened, unit, query, metric_name="l2", k=5, engine="milvus")


def test_a_vector_of_somebodys_collection_is_a_query(opened: Workspace, loaded: LOAD) -> None:
    there = loaded("resnet18")
    values = np.asarray(there.gallery.vectors[5])
    foreign = Query("row 5 of theirs", None, [], None, "theirs 5", values)
    found = retrieval_search.search(opened, there, foreign, metric_name="cosine", k=3)
    assert ids(found)[0] == there.catalog.ids[5]
    with pytest.raises(QueryError, match="a vector of 512 numbers, and pixels holds 49,152"):
        retrieval_search.search(opened, loaded("pixels"), foreign, metric_name="cosine", k=3)
    with pytest.raises(QueryError, match="so it cannot be cropped"):
        query_part(there.catalog, foreign, (0, 0, 50, 50))


# -- what is no query -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "/",
        ".",
        "..",
        "rose",
        "rose/",
        "Rose/00.jpg",
        "rose/00.JPG",
        "rose/00.jpg/",
        "rose/00.jpg ",
        "nowhere.jpg",
        "/nowhere/at/all.jpg",
        "~nobody-of-this-name/x.jpg",
        "x" * 300,
        "x/" * 3000,
        "null\x00byte",
        "li\nne",
        "\udcff.jpg",
        "rose/\U0001f339.jpg",
        "-1",
        "rose/00.jpg\x1b[31m",
    ],
)
def test_an_unknown_image_is_one_sentence(loaded: LOAD, name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError) as caught:
        find_query(loaded("pixels").catalog, name)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 400


def test_files_that_are_no_pictures_say_why(loaded: LOAD, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("I am a flower")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "cut.png").write_bytes((loaded("pixels").catalog.path("rose/01.png")).read_bytes()[:200])
    Image.new("L", (20_000, 10_000)).save(tmp_path / "huge.png")
    for name, reason in {
        "empty.jpg": "is empty",
        "text.jpg": "is not a JPEG, PNG",
        "loop.jpg": "neither an image id",
        "cut.png": "is damaged",
        "huge.png": "megapixels",
        "": "regular file",
    }.items():
        with pytest.raises(QueryError) as caught:
            find_query(loaded("pixels").catalog, str(tmp_path / name))
        assert reason in str(caught.value)
        assert str(caught.value).isprintable()


def test_an_unknown_metric_or_k_is_refused(opened: Workspace, loaded: LOAD) -> None:
    with pytest.raises(QueryError, match="choose one of mse, l1"):
        search(opened, loaded("pixels"), "rose/00.jpg", "unheard-of")
    with pytest.raises(QueryError, match=re.escape(exact.k_too_small(0))):
        search(opened, loaded("pixels"), "rose/00.jpg", k=0)


# -- the milvus engine ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(prepared: Settings) -> Any:
    with connection.open_store(prepared.store_uri, role="tests") as store:
        yield store


@pytest.mark.parametrize("metric", METRICS)
def test_milvus_agrees_and_says_how_well(opened: Workspace, loaded: LOAD, store: connection.Store, metric: str) -> None:
    there = loaded("resnet18")
    for image in ("daisy/05.png", COPY_OF):
        exact = search(opened, there, image, metric)
        document = search(opened, there, image, metric, engine="milvus", store=store)
        assert document["recall"] == len(set(ids(document)) & set(ids(exact))) / 10
        assert document["recall"] >= 0.9  # 61 rows: only what ties may differ
        assert (document["engine"], document["higher_is_closer"]) == ("milvus", metric in HIGHER)
        values = {row["id"]: row["value"] for row in exact["results"]}
        for row in document["results"]:
            if row["id"] in values:
                assert row["value"] == pytest.approx(values[row["id"]], rel=1e-3, abs=1e-4)
        assert {COPY, COPY_OF}.isdisjoint(ids(document)) or image != COPY_OF
        assert document["missed"] == [row for row in exact["results"] if row["id"] not in set(ids(document))]


def test_pixels_are_too_wide_for_milvus(opened: Workspace, loaded: LOAD) -> None:
    with pytest.raises(QueryError, match=r"49,152 dimensions and Milvus takes 32,768; search with --engine exact"):
        search(opened, loaded("pixels"), "rose/00.jpg", engine="milvus")


def test_a_dead_server_is_one_sentence_without_the_password(prepared: Settings, loaded: LOAD) -> None:
    elsewhere = replace(prepared, milvus_uri="http://anna:p4ss@localhost:9", milvus_token="t0ken-of-anna")
    opened = workspace.open_workspace(elsewhere)
    # As if it had been prepared there.
    entries = {"http://localhost:9": next(iter(opened.state["collections"].values()))}
    opened = replace(opened, state={**opened.state, "collections": entries})
    with pytest.raises(StoreError) as caught:
        search(opened, loaded("resnet18"), "rose/00.jpg", engine="milvus")
    assert "No Milvus server answers at http://localhost:9" in str(caught.value)
    assert "p4ss" not in str(caught.value)
    assert "t0ken" not in str(caught.value)


# -- compare --------------------------------------------------------------------------------------------------------


def tau_b(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b by its definition, over all pairs."""
    i, j = np.triu_indices(len(a), 1)
    x, y = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
    return float((x * y).sum() / math.sqrt((x != 0).sum() * (y != 0).sum()))


@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_compare_agrees_with_the_definitions(opened: Workspace, loaded: LOAD, space: str) -> None:
    there = loaded(space)
    query = find_query(there.catalog, "tulip/04.jpg")
    document = retrieval_search.compare(opened, there, query, a="l1", b="cosine", k=10)
    json.dumps(document, allow_nan=False)
    row = there.catalog.row("tulip/04.jpg")
    vectors = np.asarray(there.gallery.vectors)
    kept = np.delete(np.arange(61), row)
    l1, cosine = (reference(name, vectors, vectors[row])[kept].round(12) for name in ("l1", "cosine"))
    assert document["kendall_tau"] == pytest.approx(tau_b(-l1, cosine), abs=1e-9)
    assert document["a"]["results"] == search(opened, there, "tulip/04.jpg", "l1")["results"]
    assert document["b"]["results"] == search(opened, there, "tulip/04.jpg", "cosine")["results"]
    shared = len(set(ids(document["a"])) & set(ids(document["b"])))
    assert document["overlap"] == shared / 10
    depths = [len(set(ids(document["a"])[:d]) & set(ids(document["b"])[:d])) for d in range(1, 11)]
    rbo = (1 - 0.9) / 0.9 * sum(x / d * 0.9**d for d, x in enumerate(depths, start=1)) + depths[-1] / 10 * 0.9**10
    assert document["rbo"] == pytest.approx(rbo)


def test_compare_with_itself_agrees_wholly(opened: Workspace, loaded: LOAD) -> None:
    query = find_query(loaded("resnet18").catalog, COPY_OF)
    document = retrieval_search.compare(opened, loaded("resnet18"), query, a="mse", b="l2", k=5)
    assert (document["overlap"], document["rbo"]) == (1.0, 1.0)
    assert document["kendall_tau"] == pytest.approx(1.0)
    assert COPY not in ids(document["a"])
    kept = retrieval_search.compare(opened, loaded("resnet18"), query, a="mse", b="l2", k=5, keep_duplicates=True)
    assert ids(kept["a"])[0] == ids(kept["b"])[0] == COPY


def test_compare_across_spaces_tells_each_answers_rank_on_the_other_side(opened: Workspace, loaded: LOAD) -> None:
    there, pixels = loaded("resnet18"), loaded("pixels")
    query = find_query(there.catalog, COPY_OF)
    answer_filter = retrieval_search.AnswerFilter(("rose", "tulip"))
    document = retrieval_search.compare(
        opened, there, query, a="l1", b="ncc", k=6, other=pixels, answer_filter=answer_filter
    )
    assert (document["a"]["space"], document["b"]["space"]) == ("resnet18", "pixels")
    sides = {"a": (there, "l1"), "b": (pixels, "ncc")}
    without = {COPY, COPY_OF, *(i for i in there.catalog.ids if i.split("/")[0] not in {"rose", "tulip"})}
    orders = {}
    for side, (space, metric) in sides.items():
        vector = np.asarray(space.gallery.vectors[space.catalog.row(COPY_OF)])
        orders[side] = [name for name, _ in ranked(space, metric, vector, without)]
        assert ids(document[side]) == orders[side][:6]
    assert document["ranks"]["a"] == [orders["b"].index(name) + 1 for name in ids(document["a"])]
    assert document["ranks"]["b"] == [orders["a"].index(name) + 1 for name in ids(document["b"])]


def test_compare_takes_several_queries(opened: Workspace, loaded: LOAD) -> None:
    there = loaded("resnet18")
    queries = [find_query(there.catalog, name) for name in ("rose/00.jpg", "rose/01.png")]
    document = retrieval_search.compare(opened, there, queries, a="l1", b="cosine", k=60)
    for side, metric in (("a", "l1"), ("b", "cosine")):
        assert document[side] | {"seconds": 0} == retrieval_search.search(
            opened, there, queries, metric_name=metric, k=60
        ) | {"seconds": 0}
    positions = {name: place for place, name in enumerate(ids(document["b"]), start=1)}
    assert document["ranks"]["a"] == [positions[name] for name in ids(document["a"])]


# -- evaluate -------------------------------------------------------------------------------------------------------


def scores(loaded: SearchableSpace, metric: str, queries: list[int], gallery: list[int], k: int) -> dict[str, float]:
    """Mean precision at k, recall at 10 and average precision by their definitions, copies of the query left out."""
    vectors, labels = np.asarray(loaded.gallery.vectors), list(loaded.catalog.frame["label"])
    pictures = list(loaded.catalog.frame["sha256"])
    found: dict[str, list[float]] = {"precision": [], "recall": [], "map": []}
    for query in queries:
        rows = [row for row in gallery if pictures[row] != pictures[query]]
        values = reference(metric, vectors[rows], vectors[query]).round(12)
        order = np.argsort(-values if metric in HIGHER else values, kind="stable")
        hits = np.array([labels[rows[place]] == labels[query] for place in order])
        precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        found["precision"].append(hits[:k].sum() / k)
        if hits.any():
            found["recall"].append(hits[:10].sum() / hits.sum())
            found["map"].append(precisions[hits].mean())
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize("queries", ["test", "all"])
@pytest.mark.parametrize("space", ["pixels", "resnet18"])
def test_evaluate_agrees_with_the_definitions(opened: Workspace, loaded: LOAD, space: str, queries: str) -> None:
    there = loaded(space)
    rows = evaluate(opened, space, k=3, queries=queries)
    json.dumps(rows, allow_nan=False)
    assert [row["metric"] for row in rows] == list(METRICS)
    splits = list(there.catalog.frame["split"])
    asked = [row for row in range(61) if queries == "all" or splits[row] == "test"]
    gallery = [row for row in range(61) if queries == "all" or splits[row] != "test"]
    for row in rows:
        assert (row["space"], row["queries"], row["gallery"]) == (space, len(asked), len(gallery))
        assert set(row["precision"]) == {"1", "3", "5", "10"}
        if row["metric"] in {"l1", "ncc"}:  # the others are the same code, and this reference is slow
            expected = scores(there, row["metric"], asked, gallery, k=3)
            assert row["precision"]["3"] == pytest.approx(expected["precision"])
            assert row["recall"]["10"] == pytest.approx(expected["recall"])
            assert row["map"] == pytest.approx(expected["map"])
        low, high = row["ci95"]["map"]
        assert 0 <= low <= row["map"] <= high <= 1


def test_evaluate_takes_some_metrics_and_an_alias(opened: Workspace) -> None:
    seen: list[tuple[int, int | None]] = []
    rows = evaluate(opened, "transfer", ["l2"], progress=lambda done, total: seen.append((done, total)))
    assert [(row["space"], row["metric"]) for row in rows] == [("resnet18", "l2")]
    assert set(rows[0]["precision"]) == {"1", "5", "10"}
    assert seen[-1] == (rows[0]["queries"], rows[0]["queries"])


def test_evaluate_without_test_pictures_says_what_to_do(prepared: Settings, tmp_path: Path) -> None:
    # A seed under which no picture of a tiny folder is a test picture.
    shutil.copytree(prepared.artifacts / "sets", tmp_path / "sets")
    opened = workspace.open_workspace(replace(prepared, artifacts=tmp_path))
    catalog = opened.catalog()
    frame = catalog.frame.assign(split="train")
    catalog_file.save(replace(catalog, frame=frame), opened.folder / opened.state["catalog"])
    with pytest.raises(QueryError, match="leave no test queries or no gallery"):
        evaluate(opened, "resnet18")
    assert evaluate(opened, "resnet18", ["l2"], queries="all")[0]["queries"] == 61


def test_a_space_that_is_not_there_is_named(opened: Workspace) -> None:
    empty = replace(opened, state={**opened.state, "spaces": {}})
    with pytest.raises(ArtifactError, match="resnet18 of drawn flowers is not prepared yet"):
        evaluate(empty, "resnet18")
