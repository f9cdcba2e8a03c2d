"""The retrieval page in Streamlit's test harness: what it is asked, what it shows, and what its links restore."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from lib.data import formats, images
from lib.errors import QueryError
from lib.prepare import workspace
from lib.retrieval import search
from lib.retrieval.query import find_query, query_part, query_picture
from lib.search import contributions
from lib.search.metrics import METRICS
from lib.settings import Settings
from lib.view import selection, uploads
from lib.view.cached_search import Side
from lib.view.components import crop_box, paste_field
from lib.view.retrieval import explain_pair, query_form, query_sources, reproduce, result_rows
from tests.conftest import COPY, COPY_OF, galleries
from tests.helpers import image_files as made

Start = Callable[[Settings], AppTest]


def _page(start: Start, prepared: Settings, **parameters: str | list[str]) -> AppTest:
    app = start(prepared).switch_page("pages/3_Retrieval.py")
    parameters = {"section": "grids"} | parameters
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _shown(app: AppTest, words: str) -> bool:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return any(words in str(element.value) for kind in kinds for element in kind)


def _code(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in app.code)


def _heads(app: AppTest) -> list[str]:
    """The headings of the rows of results, each with the line beside it."""
    titles = [str(line.value) for line in app.subheader]
    lines = [str(line.value) for line in app.caption if "= closer" in str(line.value)]
    return [f"{title}: {line}" for title, line in zip(titles, lines, strict=False)]


def _exact(opened: Any, name: str, metric: str, space: str = "resnet18", **options: Any) -> list[dict[str, Any]]:
    loaded = search.load_space(opened, space)
    query = find_query(loaded.catalog, name)
    return list(search.search(opened, loaded, query, metric_name=metric, **options)["results"])


# --- what is asked -------------------------------------------------------------------------------------------------


def test_one_seed_draws_the_same_photo_for_everybody(start: Start, prepared: Settings) -> None:
    drawn = []
    for _ in range(2):
        app = _page(start, prepared)
        app.number_input(key="turn").set_value(7).run()
        drawn.append(app.query_params["q"])
    assert drawn[0] == drawn[1]
    before = app.query_params["q"]
    next(button for button in app.button if button.label == "Random photo").click().run()
    assert app.number_input(key="turn").value == 8
    assert app.query_params["q"] != before
    app.selectbox(key="query_class").select("tulip").run()
    app.number_input(key="turn").set_value(3).run()
    assert str(app.query_params["q"]).strip("[]'").startswith("tulip/")


def test_several_photos_are_asked_together(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    rows = [3, 20, 41]
    app = _page(start, prepared, **{"from": "selection", "sel": selection.encode(rows, 61, photos.contents)})
    assert all("mean rank over 3 queries" in head for head in _heads(app))
    names = [photos.ids[row] for row in rows]
    assert f"--also={names[1]}" in _code(app)
    # And one by one: a row of answers each, by the chosen metric.
    app.selectbox(key="retrieval_rows").set_value("query").run()
    assert not app.exception
    heads = _heads(app)
    assert len(heads) == 3
    for head, row in zip(heads, rows, strict=True):
        label = photos.frame["label"].iloc[row]
        found = _exact(opened, photos.ids[row], "cosine", k=10)
        assert f"{sum(each['label'] == label for each in found)} of 10 of the query" in head


def test_a_large_selection_is_thinned_and_said_to_be(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    app = _page(start, prepared, **{"from": "selection", "sel": selection.encode(range(61), 61, photos.contents)})
    assert _shown(app, query_sources.together(24, 61))


def test_a_photo_joins_the_selection(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    app = _page(start, prepared, q=photos.ids[9])
    next(button for button in app.button if button.label == "Add to the selection").click().run()
    assert selection.decode(app.query_params["sel"], 61, photos.contents) == [9]


def test_a_part_of_a_photo_is_asked(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos = opened.catalog()
    app = _page(start, prepared, q="tulip/04.jpg", part="10,20,70,90", space="pixels")
    loaded = search.load_space(opened, "pixels")
    part = query_part(photos, find_query(photos, "tulip/04.jpg"), (10, 20, 70, 90))
    found = search.search(opened, loaded, part, metric_name="l1", k=10)["results"]
    right = sum(row["label"] == "tulip" for row in found)
    assert any(head.startswith("L1") and f"{right} of 10" in head for head in _heads(app))
    assert "--crop 10,20,70,90" in _code(app)
    assert "query.npz" in _code(app)
    app.toggle(key="parting").set_value(False).run()
    assert "--crop" not in _code(app)
    assert "crop" not in app.query_params


@pytest.mark.parametrize("word", ["", "1,2,3", "50,50,40,60", "0,0,101,50", "-5,0,50,50", "a,b,c,d", "0,0,2,50", "1e3"])
def test_a_damaged_part_in_a_link_is_no_part(start: Start, prepared: Settings, word: str) -> None:
    assert crop_box.parse_box(word) is None


def test_a_milvus_row_is_asked(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    name = opened.collection("resnet18")
    app = _page(start, prepared, **{"from": "row", "collection": name, "row": "tulip/04.jpg"})
    right = sum(row["label"] == "tulip" for row in _exact(opened, "tulip/04.jpg", "l1", k=10))
    assert any(head.startswith("L1") and f"{right} of 10" in head for head in _heads(app))
    app.text_input(key="row").set_value('no "such" row').run()
    assert not app.exception
    assert len(app.error) == 1
    assert "There is no row with the key" in app.error[0].value


# --- what is shown -------------------------------------------------------------------------------------------------


def test_copies_that_are_left_out_are_said(start: Start, prepared: Settings) -> None:
    app = _page(start, prepared, q=COPY_OF)
    assert _shown(app, result_rows.copies_left_out(1))
    app = _page(start, prepared, q=COPY_OF, copies="true")
    assert not _shown(app, result_rows.copies_left_out(1))


def test_filters_and_copies_stand_in_the_link_and_the_command(start: Start, prepared: Settings) -> None:
    app = _page(start, prepared, q=COPY_OF, classes=["rose", "tulip"], splits=["train"], copies="true", k="5")
    code = _code(app)
    for words in ("--label=rose --label=tulip --split=train", "--keep-duplicates", "classes=rose&classes=tulip", "k=5"):
        assert words in code
    assert _shown(app, query_form.DUPLICATES_INCLUDED)
    opened = workspace.open_workspace(prepared)
    answer_filter = search.AnswerFilter(("rose", "tulip"), ("train",))
    found = _exact(opened, COPY_OF, "cosine", k=5, answer_filter=answer_filter, keep_duplicates=True)
    assert (found[0]["id"] == COPY) == (answer_filter.rows(opened.catalog()) == opened.catalog().row(COPY)).any()
    right = sum(row["label"] == "rose" for row in found)
    assert any(head.startswith("Cosine") and f"{right} of 5 of the query" in head for head in _heads(app))


def test_a_row_for_each_space(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    app = _page(start, prepared, q="tulip/04.jpg", rows="space", metric="l1")
    for space, title in (("pixels", "Raw pixels"), ("resnet18", "ResNet18 features")):
        right = sum(row["label"] == "tulip" for row in _exact(opened, "tulip/04.jpg", "l1", space, k=10))
        assert any(head.startswith(title) and f"{right} of 10 of" in head for head in _heads(app))


def test_milvus_says_what_it_found_of_the_full_scan(start: Start, prepared: Settings) -> None:
    app = _page(start, prepared, q="tulip/04.jpg", engine="milvus", k="4")
    assert sum("recall against the full scan" in head for head in _heads(app)) == len(METRICS)
    assert "--engine milvus" in _code(app)
    app = _page(start, prepared, q="tulip/04.jpg", engine="milvus", rows="space")
    assert _shown(app, "Raw pixels have 49,152 dimensions and Milvus takes 32,768")
    assert sum("recall against the full scan" in head for head in _heads(app)) == 1


@pytest.mark.parametrize(
    ("a", "b", "space", "other"), [("l1", "cosine", "resnet18", "pixels"), ("l2", "l2", "pixels", "pixels")]
)
def test_two_sides_show_what_compare_prints(
    start: Start, prepared: Settings, a: str, b: str, space: str, other: str
) -> None:
    opened = workspace.open_workspace(prepared)
    app = _page(start, prepared, q="tulip/04.jpg", section="l1-cosine", space=space, bspace=other, a=a, b=b, k="6")
    loaded, there = search.load_space(opened, space), search.load_space(opened, other)
    query = find_query(loaded.catalog, "tulip/04.jpg")
    both = search.compare(opened, loaded, query, a=a, b=b, k=6, other=there)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Overlap"] == f"{both['overlap']:.0%}"
    assert shown["Rank-biased overlap"] == f"{both['rbo']:.3f}"
    assert shown["Kendall's tau"] == f"{both['kendall_tau']:.3f}"
    # Nothing is explained until somebody asks why.
    assert "pair" not in app.query_params
    assert "why_pair" not in app.session_state


def test_at_length_1_l2_and_cosine_agree_before_the_users_eyes(start: Start, prepared: Settings) -> None:
    link = {"q": "tulip/04.jpg", "section": "l1-cosine", "a": "l2", "b": "cosine", "k": "20"}
    link["pair"] = _exact(workspace.open_workspace(prepared), "tulip/04.jpg", "cosine", k=2)[1]["id"]
    app = _page(start, prepared, **link)
    assert {metric.label: metric.value for metric in app.metric}["Kendall's tau"] != "1.000"
    app.toggle(key="unit").set_value(True).run()
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Overlap"], shown["Kendall's tau"]) == ("100%", "1.000")
    assert "--normalise" in _code(app)
    table = next(frame.value for frame in app.dataframe if "Length" in frame.value)
    assert table["ResNet18 features at length 1"].tolist()[-2:] == ["0.0%", "100.0%"]


def test_a_chosen_pair_is_taken_apart(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    pair = _exact(opened, "tulip/04.jpg", "l1", k=10)[2]
    app = _page(start, prepared, q="tulip/04.jpg", section="l1-cosine", pair=pair["id"])
    assert app.selectbox(key="why_pair").value == pair["id"]
    vectors = np.asarray(search.load_space(opened, "resnet18").gallery.vectors, dtype=np.float64)
    query, row = (vectors[opened.catalog().row(name)] for name in ("tulip/04.jpg", pair["id"]))
    parts = np.sort(np.abs(query - row))[::-1]
    half = int(np.searchsorted(np.cumsum(parts), parts.sum() / 2)) + 1
    part = contributions.contributions("l1", query, row)
    assert part.holding(0.5) == half
    assert part.total == pytest.approx(parts.sum())
    assert _shown(app, explain_pair.concentration(Side("l1", "resnet18"), part))


def test_a_link_holds_only_what_the_page_knows(start: Start, prepared: Settings) -> None:
    app = _page(start, prepared, q="tulip/04.jpg", token="s3cret", k="3")
    assert "q=tulip%2F04.jpg" in _code(app)
    assert "s3cret" not in _code(app)
    assert str(prepared.artifacts) not in _code(app)
    assert str(prepared.data) not in _code(app)


@pytest.mark.parametrize(
    ("name", "value"),
    [("k", "0"), ("k", "many"), ("space", "nowhere"), ("engine", "magic"), ("view", "x"), ("from", "x"), ("rows", "x"),
     ("classes", "weed"), ("splits", "all"), ("sel", "%00"), ("pair", "../x"), ("a", "x"), ("part", "9,9,9,9")],
)  # fmt: skip
def test_a_damaged_link_opens_the_page_all_the_same(start: Start, prepared: Settings, name: str, value: str) -> None:
    app = _page(start, prepared, **{"q": "tulip/04.jpg", "section": "l1-cosine"} | {name: value})
    assert not app.error


def test_the_table_has_every_answer() -> None:
    row = {"rank": 1, "id": "x", "label": "y", "value": 0.5, "gap": None}
    base = {"space": "pixels", "metric": "l1", "engine": "exact", "results": [row, row]}
    found = reproduce.table([{"query": "q", **base}, {"query": "q", "queries": ["q", "r"], **base}])
    assert list(found["query"]) == ["q", "q", "q r", "q r"]
    assert list(found.columns) == ["query", "space", "metric", "engine", "rank", "id", "label", "value", "gap"]


# --- pictures from outside -----------------------------------------------------------------------------------------


def _gif() -> bytes:
    frames = [made.scene(seed) for seed in (1, 2, 3)]
    return made.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return made.encoded(made.scene(5, 60, 40), "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (_gif(), (60, 40)),
        (made.encoded(made.scene(4).convert("CMYK"), "JPEG"), (60, 40)),
        (_turned(), (40, 60)),
        (made.encoded(Image.new("RGB", (1, 1), "red")), (1, 1)),
        (made.encoded(Image.new("L", (3, 700), 9)), (3, 700)),
        (made.encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), (9, 9)),
    ],
    ids=["animated", "cmyk", "turned", "1x1", "thin grey", "clear"],
)
def test_odd_pictures_work(prepared: Settings, content: bytes, size: tuple[int, int]) -> None:
    picture = uploads.read(content)
    assert (picture.whole.mode, picture.whole.size) == ("RGB", size)
    assert picture.preview.startswith("data:image/jpeg;base64,")
    opened = workspace.open_workspace(prepared)
    is_one_grey = len(np.unique(np.asarray(picture.whole))) == 1
    for space in ("pixels", "resnet18"):
        loaded = search.load_space(opened, space)
        query = query_picture(loaded.catalog, picture.whole, "your photo")
        for metric in METRICS:
            found = search.search(opened, loaded, query, metric_name=metric, k=3)["results"]
            # The correlation with a picture of one grey is undefined, so nothing is a result.
            assert len(found) == (0 if space == "pixels" and metric == "ncc" and is_one_grey else 3)
            assert all(np.isfinite(row["value"]) for row in found)


def _huge() -> bytes:
    return made.png(20_000, 10_000, made.zeros(1))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"these are words, not a picture", f"is not a {formats.READ}"),
        (b"%PDF-1.7 and so on", "is a PDF file"),
        (_huge(), "megapixels"),
        (made.encoded(made.scene(1))[:70], "is damaged"),
        (b"\xff\xd8\xff" + bytes(50_000_000), "larger than 50 MB"),
    ],
    ids=["zero bytes", "words", "pdf", "200 megapixels", "cut", "50 MB"],
)
def test_what_is_no_picture_is_one_clear_line(content: bytes, sentence: str) -> None:
    with pytest.raises(QueryError) as caught:
        uploads.read(content)
    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_what_is_pasted_is_believed_to_be_nothing_but_bytes() -> None:
    assert paste_field.decode("aGVsbG8=") == b"hello"
    for word in ("", "no base64!", "a", "é"):
        assert paste_field.decode(word) == b""
    with pytest.raises(QueryError, match="larger than 12 MB; upload it as a file"):
        paste_field.decode("A" * (paste_field.MAX_BYTES * 4 // 3 + 8))


def test_your_own_picture_is_in_no_link_and_its_vector_is_a_download(start: Start, prepared: Settings) -> None:
    app = _page(start, prepared, **{"from": "upload"}, space="pixels")
    assert not app.exception
    noise = np.random.default_rng(3).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    app.session_state["own"] = made.encoded(Image.fromarray(noise))
    app.run()
    assert not app.exception
    assert len(_heads(app)) == len(METRICS)
    assert "your-photo.jpg" in _code(app)
    assert "query.npz" in _code(app)
    app.session_state["own"] = b"words"
    app.run()
    assert not app.exception
    assert [box.value for box in app.error] and not _heads(app)


def test_the_same_pixels_as_a_photo_leave_that_photo_out(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    app = _page(start, prepared, **{"from": "upload"}, space="pixels")
    app.session_state["own"] = opened.catalog().path(COPY_OF).read_bytes()
    app.run()
    assert _shown(app, query_sources.SAME_PIXELS)
    assert str([COPY, COPY_OF] if COPY < COPY_OF else [COPY_OF, COPY]) in _code(app)
    assert images.pixel_hash(images.open_rgb(opened.catalog().path(COPY))) == images.pixel_hash(
        images.open_rgb(opened.catalog().path(COPY_OF))
    )


@pytest.mark.parametrize("told", ["6", "0", "101", "-1", "six", "6.0", "", "9" * 5_000])
def test_the_number_of_answers_is_the_links_or_the_usual_one(start: Start, prepared: Settings, told: str) -> None:
    app = _page(start, prepared, q="rose/00.jpg", k=told)
    assert app.number_input(key="k").value == (6 if told == "6" else 10)


# --- the first visit -----------------------------------------------------------------------------------------------


def test_the_page_opens_with_the_results_of_an_example_that_is_in_no_address(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    app = start(prepared).switch_page("pages/3_Retrieval.py").run()
    assert not app.exception and not app.error
    assert "q" not in app.query_params
    (shown,) = galleries(app)["Query"]
    row = opened.catalog().row(shown["id"])
    assert opened.catalog().frame["split"].iloc[row] == "test"
    assert any("Example query: seeded draw from the test split" in str(text.value) for text in app.get("html"))
    # Two rankings, L1 and cosine on the features, of this very photo.
    ladder = _ladder(app)
    for side, metric in (("upper", "l1"), ("lower", "cosine")):
        expected = [result["id"] for result in _exact(opened, shown["id"], metric, k=10)]
        assert [item["id"] for item in ladder[side]] == expected
    # The user's own choice is shown instead, and says nothing of an example.
    app.query_params["q"] = "tulip/04.jpg"
    app.run()
    assert galleries(app)["Query"][0]["id"] == "tulip/04.jpg"
    assert not any("Example query" in str(text.value) for text in app.get("html"))


def _ladder(app: AppTest) -> dict[str, Any]:
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.mixed.json if element.proto.HasField("mixed") else element.proto.json)
        if isinstance(data, dict) and "upper" in data:
            return data
    raise AssertionError("there are no two rankings")


def test_why_explains_a_result_under_its_row(start: Start, prepared: Settings) -> None:
    pair = _exact(workspace.open_workspace(prepared), "tulip/04.jpg", "l1", k=10)[2]["id"]
    app = _page(start, prepared, q="tulip/04.jpg", pair=pair, why="l1")
    assert app.selectbox(key="why_pair").value == pair
    next(button for button in app.button if button.key == "why_close").click().run()
    assert "pair" not in app.query_params and "why" not in app.query_params
    app = _page(start, prepared, q="tulip/04.jpg", pair="../x", why="l1")
    assert "why_pair" not in app.session_state


def test_a_part_of_an_id_finds_the_photo_if_it_is_the_only_one(start: Start, prepared: Settings) -> None:
    app = _page(start, prepared)
    app.text_input(key="query_id").set_value("tulip/").run()
    assert "q" not in app.query_params
    assert _shown(app, "match: type more")
    app.text_input(key="query_id").set_value("LIP/04").run()
    assert "tulip/04.jpg" in str(app.query_params["q"])
