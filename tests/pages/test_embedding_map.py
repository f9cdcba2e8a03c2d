"""The map page: colours, selection, findings, two maps, and maps with chosen parameters."""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from lib.embed import out_of_sample
from lib.embed.projection import MapParameters
from lib.export import point_columns
from lib.measure.traits import Trait
from lib.prepare import workspace
from lib.retrieval import search
from lib.retrieval.query import find_query
from lib.settings import Settings
from lib.view import cached, selection, theme
from lib.view.components import scatter
from lib.view.embedding_map import (
    map_choice,
    map_jobs,
    preloading,
    query_neighbours,
    sections,
    selected_photos,
    uploaded_photo,
)
from lib.view.embedding_map.query_neighbours import Lookup

PAGE = "pages/2_Embedding_Map.py"
Start = Callable[[Settings], AppTest]
LOOKUP = Lookup("l1", 4, "true", {"key": "near", "on_change": lambda: None, "min_value": 1, "max_value": 50})


def open_map(begin: Start, settings: Settings, **query: str) -> AppTest:
    app = begin(settings).switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


@dataclass(frozen=True)
class Seen:
    """A map as the browser receives it; `places` (n, 2), and `lit` (n,), all true where nothing is selected."""

    ids: list[str]
    places: np.ndarray
    codes: np.ndarray
    lit: np.ndarray
    sent: dict[str, Any]


def seen(app: AppTest, place: int = 0) -> Seen:
    """One of the page's maps."""
    sent = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "petalscope_scatter"]
    return unpacked(json.loads(sent[place].json))


def unpacked(sent: dict[str, Any]) -> Seen:
    def column(name: str, kind: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(sent[name]), dtype=kind)

    ids = json.loads(sent["ids"])
    lit = np.ones(len(ids), bool) if not sent.get("lit") else np.unpackbits(column("lit", "u1"))[: len(ids)] == 1
    return Seen(ids, column("xy", "<f4").reshape(-1, 2), column("codes", "<u2"), lit, sent)


# --- the selection's word in the address -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 8, 9, 4064])
def test_a_selection_survives_the_address(n: int) -> None:
    rows = sorted(np.random.default_rng(n).permutation(n)[: max(1, n // 3)].tolist())
    word = selection.encode(rows, n, "c0ffee42")
    assert selection.decode(word, n, "c0ffee42") == rows
    assert word.isascii() and "/" not in word and "=" not in word and "+" not in word
    assert selection.decode(word, n, "decade42") == []


def test_a_lasso_among_many_photos_fits_into_an_address() -> None:
    assert len(selection.encode(range(20_000, 22_000), 50_000, "c0ffee")) < 200
    scattered = np.random.default_rng(0).permutation(4064)[:1000].tolist()
    assert len(selection.encode(scattered, 4064, "c0ffee")) < 900


@pytest.mark.parametrize(
    "word", ["", "c0ffee", "c0ffee!!!", "c0ffeeAAAA", "c0ffee" + "eJ" * 50, "c0ffeé", "c0ffee\x00"]
)
def test_a_damaged_word_selects_nothing(word: str) -> None:
    assert selection.decode(word, 100, "c0ffee") == []


def test_a_word_that_would_unpack_to_very_much_is_refused() -> None:
    import zlib

    bomb = "c0ffee" + base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000))).decode()
    assert selection.decode(bomb, 100, "c0ffee") == []
    wrong = "c0ffee" + base64.urlsafe_b64encode(zlib.compress(b"\xff" * 13)).decode()
    assert selection.decode(wrong, 100, "c0ffee") == []  # bits beyond the last image


# --- by words --------------------------------------------------------------------------------------------------------


def test_photos_are_selected_by_class_name_and_list() -> None:
    frame = pd.DataFrame({"id": ["a/One.jpg", "a/two.jpg", "b/one.jpg"], "label": ["a", "a", "b"]})
    assert selected_photos.matching(frame, [], "", "") == []
    assert selected_photos.matching(frame, ["a"], "", "") == ["a/One.jpg", "a/two.jpg"]
    assert selected_photos.matching(frame, [], " one", "") == ["a/One.jpg", "b/one.jpg"]
    assert selected_photos.matching(frame, ["b"], "one", "") == ["b/one.jpg"]
    assert selected_photos.matching(frame, [], "", "b/one.jpg\n\n a/two.jpg \nnone") == ["a/two.jpg", "b/one.jpg"]
    assert selected_photos.matching(frame, [], ".*", "") == []


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "colour", ["split", "predicted", "right", "confidence", "purity", "disagreement", "hubness", "preserved"]
)
def test_every_colour_draws_every_photo(start: Start, prepared: Settings, colour: str) -> None:
    app = open_map(start, prepared, colour=colour)
    photos = workspace.open_workspace(prepared).catalog()
    shown = seen(app)
    assert shown.ids == photos.ids
    named = {entry["code"] for entry in shown.sent["legend"]}
    scale_codes = set(shown.codes.tolist()) - named
    # Every colour is explained: by the legend, or by the scale.
    assert all(code < len(shown.sent["palette"]) for code in scale_codes) if shown.sent["scale"] else not scale_codes


def test_a_colour_is_that_of_the_value(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    shown = seen(open_map(start, prepared))
    names = {entry["code"]: entry["name"] for entry in shown.sent["legend"]}
    assert [names[code] for code in shown.codes] == photos.frame["label"].tolist()
    colours = {entry["name"]: entry["colour"] for entry in shown.sent["legend"]}
    assert colours == theme.class_colours(photos.classes)


def test_ids_lie_where_the_map_has_them_also_under_a_selection(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    photos, xy = opened.catalog(), opened.map("resnet18").xy
    chosen = photos.ids[3:40:5]
    word = selection.encode([photos.ids.index(each) for each in chosen], len(photos.ids), photos.contents)
    app = open_map(start, prepared, sel=word, q=photos.ids[3])
    shown = seen(app)
    assert [image_id for image_id, lit in zip(shown.ids, shown.lit, strict=True) if lit] == chosen
    for image_id, place in zip(shown.ids, shown.places, strict=True):
        assert place.tolist() == xy[photos.ids.index(image_id)].tolist()
    lines = shown.sent["lines"]
    near = [result["id"] for result in nearest_in_space(opened, photos.ids[3])]
    assert lines["start"] == xy[3].tolist()
    assert lines["ends"] == [xy[photos.ids.index(image_id)].tolist() for image_id in near]
    assert selected_photos.heading(len(chosen)) in [line.value for line in app.subheader]


def nearest_in_space(opened: workspace.Workspace, image_id: str) -> list[dict[str, Any]]:
    loaded = search.load_space(opened, "resnet18")
    query = find_query(loaded.catalog, image_id)
    return list(search.search(opened, loaded, query, metric_name="cosine", k=10)["results"])


def test_two_maps_share_one_selection(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    word = selection.encode([1, 2, 5], len(photos.ids), photos.contents)
    app = open_map(start, prepared, beside="pixels", sel=word, section="reading")
    for place in (0, 1):
        assert np.nonzero(seen(app, place).lit)[0].tolist() == [1, 2, 5]
    table = app.dataframe[0].value
    assert list(table.index) == [*photos.classes, "all photos", "test photos"]
    purity = workspace.open_workspace(prepared).neighbourhoods("pixels").rows["cosine"][:, :10]
    labels = photos.frame["label"].to_numpy()
    assert table.loc["all photos", "Raw pixels"] == pytest.approx(100 * (labels[purity] == labels[:, None]).mean())


def test_the_measures_of_the_map_are_shown_beside_those_of_pca(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, section="reading")
    opened = workspace.open_workspace(prepared)
    umap, pca = (opened.map("resnet18", method).facts["fidelity"] for method in ("umap", "pca"))
    shown = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert shown["Trustworthiness"] == (f"{umap['trustworthiness']:.3f}", f"PCA {pca['trustworthiness']:.3f}")
    assert shown["Neighbours kept"] == (f"{umap['preservation']:.1%}", f"PCA {pca['preservation']:.1%}")


def test_a_finding_becomes_the_selection(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, panel="findings")
    button = next(button for button in app.button if str(button.key).startswith("finding_"))
    button.click().run()
    assert not app.exception
    assert app.query_params["sel"]


def test_a_finding_shows_on_the_map_and_the_panel_stays(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, section="findings")
    button = next(button for button in app.button if str(button.key).startswith("finding_"))
    button.click().run()
    assert app.session_state["map_section"] == "findings"
    assert 0 < seen(app).lit.sum() < len(seen(app).ids)


# --- the panel -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["selection", "findings", "training", "reading"])
def test_a_link_of_before_opens_the_same_part(start: Start, prepared: Settings, word: str) -> None:
    app = open_map(start, prepared, panel=word)
    assert app.session_state["map_section"] == word
    assert "panel" not in app.query_params


@pytest.mark.parametrize("section", list(sections.TITLES))
@pytest.mark.parametrize("beside", ["nothing", "pixels"])
def test_every_section_opens_beside_the_maps(start: Start, prepared: Settings, section: str, beside: str) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    word = selection.encode([3, 5, 9], len(photos.ids), photos.contents)
    app = open_map(start, prepared, section=section, beside=beside, q=photos.ids[3], sel=word)
    assert not app.error
    assert seen(app).ids == photos.ids
    # The page links of the query and the selection stay in reach.
    assert {"Search with it", "Show in Milvus"} <= {link.proto.label for link in app.get("page_link")}


def test_without_a_choice_the_panel_shows_what_there_is(start: Start, prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    app = open_map(start, prepared)
    assert app.session_state["map_section"] == sections.QUERY
    assert query_neighbours.HINT in [box.value for box in app.info]
    assert app.number_input(key="near").value == 10
    word = selection.encode([3, 5], len(photos.ids), photos.contents)
    app = open_map(start, prepared, sel=word)
    assert app.session_state["map_section"] == sections.SELECTION
    app = open_map(start, prepared, section="<b>")
    assert app.session_state["map_section"] == sections.QUERY


def test_a_photo_of_each_class_is_offered_to_begin_with(prepared: Settings) -> None:
    photos = workspace.open_workspace(prepared).catalog()
    hubness = np.random.default_rng(0).integers(0, 9, len(photos.ids)).astype(float)
    rows = query_neighbours.beginnings(photos, hubness)
    assert [photos.labels[row] for row in rows] == list(photos.classes)
    for row in rows:
        of_class = [hubness[i] for i, label in enumerate(photos.labels) if label == photos.labels[row]]
        assert hubness[row] == max(of_class)


def test_the_verdict_stands_in_the_heading(start: Start, prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    kept = opened.map("resnet18", "pca").preserved
    app = open_map(start, prepared, map="pca,15,0.1,cosine")
    words = " ".join(str(line.value) for line in app.markdown).replace("\\", "")
    assert f"{100 * kept.mean():.0f}% [" in words
    assert "Most mixed: " in words
    app.button(key="evidence").click().run()
    assert app.session_state["map_section"] == sections.READING
    assert dict(app.query_params)["section"] in (sections.READING, [sections.READING])


def test_the_network_of_a_space_is_loaded_beside_the_page(prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    st.cache_resource.clear()
    before = cached.quiet_embedder(opened, "resnet18")
    preloading.load(opened, "resnet18", opened.map("resnet18", "pca"))
    assert cached.embedder(opened, "resnet18") is before  # one network in memory
    st.cache_resource.clear()


def test_what_cannot_be_loaded_beside_the_page_is_not_an_error(copied: Settings) -> None:
    opened = workspace.open_workspace(copied)
    laid_out = opened.map("resnet18")
    for folder in opened.folder.glob("spaces/*"):
        shutil.rmtree(folder)
    preloading.load(opened, "resnet18", laid_out)
    preloading.begin(opened, "resnet18", laid_out)  # without a server nothing begins
    assert "petalscope-preload" not in {thread.name for thread in threading.enumerate()}


def test_a_link_to_a_map_that_is_not_there_shows_pca_and_makes_it(
    start: Start,
    prepared: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[str, MapParameters]] = []
    monkeypatch.setattr(
        map_jobs.MapJobs, "start", lambda self, settings, space, parameters: bool(started.append((space, parameters)))
    )
    app = open_map(start, prepared, map="umap,7,0.4,euclidean")
    assert app.info[0].value == map_choice.NOT_COMPUTED
    next(button for button in app.button if button.label == map_choice.COMPUTE).click().run()
    assert started == [("resnet18", MapParameters(n_neighbors=7, min_dist=0.4, metric="euclidean"))]


@pytest.mark.parametrize(
    "word", ["umap", "umap,x,0.1,cosine", "umap,15,0.1,l7", "umap,1,0.1,cosine", "tsne,15,0.1,cosine"]
)
def test_a_link_to_a_map_that_cannot_be_shows_the_usual_one(start: Start, prepared: Settings, word: str) -> None:
    app = open_map(start, prepared, map=word)
    assert map_choice.NOT_COMPUTED not in [box.value for box in app.info]


def test_pca_needs_no_making(start: Start, prepared: Settings) -> None:
    app = open_map(start, prepared, map="pca,15,0.1,cosine")
    assert map_choice.NOT_COMPUTED not in [box.value for box in app.info]
    pca = workspace.open_workspace(prepared).map("resnet18", "pca").xy
    assert seen(app).places.tolist() == pca.tolist()


# --- the component ---------------------------------------------------------------------------------------------------


def test_very_many_photos_are_a_density_under_a_sample_of_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_columns, "DENSE", 999)
    monkeypatch.setattr(point_columns, "SAMPLE", 300)
    xy = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    xy[:900] = xy[:900] / 50 + 3  # most of them in one place
    frame = pd.DataFrame({"id": [f"a/{i:04d}.jpg" for i in range(1000)], "label": ["a", "b"] * 500})
    trait = Trait("label", "Class", "", "class", frame["label"].to_numpy(dtype=object))
    places = point_columns.place_columns(frame, xy)
    colour = scatter.colour_columns(trait, {"a": "#000000", "b": "#ffffff"}, places["drawn"])
    shown = unpacked({**places, **colour})
    assert len(set(shown.ids)) == 300
    for image_id, place, code in zip(shown.ids, shown.places, shown.codes, strict=True):
        row = int(image_id[2:6])
        assert place.tolist() == xy[row].tolist() and code == row % 2
    density = places["density"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(density["src"].split(",")[1]))))[..., 3]
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    share = np.array([(column + 0.5) / picture.shape[1], 1 - (row + 0.5) / picture.shape[0]])
    low, high = (np.array([density[side] for side in sides]) for sides in (("left", "bottom"), ("right", "top")))
    assert low + share * (high - low) == pytest.approx([3, 3], abs=0.15)


def test_what_is_unknown_has_no_colour_of_the_scale() -> None:
    values = np.array([0.0, 0.5, 1.0, 9.0, -3.0, np.nan])
    trait = Trait("purity", "Purity", "", "number", values)
    assert scatter.colour_codes(trait, {}).tolist() == [0, 128, 255, 255, 0, scatter.UNKNOWN]
    columns = scatter.colour_columns(trait, {}, np.arange(6))
    assert [entry["name"] for entry in columns["legend"]] == ["unknown"]
    assert len(columns["palette"]) == scatter.SHADES


@pytest.mark.parametrize("seed", range(4))
def test_inside_is_the_even_odd_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xy, polygon = rng.normal(size=(400, 2)), rng.normal(size=(9, 2))

    def is_inside(x: float, y: float) -> bool:
        # How often a ray to the right crosses an edge.
        crossings = 0
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if min(y0, y1) <= y < max(y0, y1) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
                crossings += 1
        return crossings % 2 == 1

    assert scatter.points_in_polygon(xy, polygon).tolist() == [is_inside(x, y) for x, y in xy]


def test_a_box_is_inside_its_own_edges() -> None:
    box = np.array([[0, 0], [2, 0], [2, 1], [0, 1]], dtype=float)
    xy = np.array([[1, 0.5], [3, 0.5], [1, 2], [-1, 0.5], [1.9, 0.9]])
    assert scatter.points_in_polygon(xy, box).tolist() == [True, False, False, False, True]


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {},
        {"polygon": "abc"},
        {"polygon": [[0, 0], [1, 1]]},
        {"polygon": [[0, 0], [1, 1], [2]]},
        {"polygon": [[0, 0, 0]] * 3},
        {"polygon": [[0, 0], [1, None], [2, 2]]},
        {"polygon": [[0, 0], [1, 1e999], [2, 2]]},
        {"polygon": [[0, 0], [1, 1], [0, 1]], "hidden": ["x"]},
        {"polygon": [[0, 0], [1, 1], [0, 1]], "hidden": 5},
        {"polygon": [[0, 0], [1, 1], [0, 1]], "position": "end"},
        {"polygon": [[0, 0], [1, 1], [0, 1]], "position": 1e999},
        {"polygon": [[0.0, 0.0]] * (scatter.MAX_CORNERS + 1)},
    ],
)
def test_a_polygon_that_is_not_valid_is_none(value: object) -> None:
    assert scatter.parse_polygon(value) is None


def test_a_polygon_is_read_as_it_was_drawn() -> None:
    drawn = scatter.parse_polygon(
        {"polygon": [[0, 0], [1, 1], [0, 1]], "hidden": [2, 65535], "add": True, "position": 1.5}
    )
    assert drawn is not None
    assert (drawn.polygon.tolist(), drawn.hidden, drawn.adds, drawn.position) == (
        [[0, 0], [1, 1], [0, 1]],
        {2, 65535},
        True,
        1.5,
    )


@pytest.mark.parametrize(
    ("position", "stage", "share"), [(0, 0, 0), (1, 1, 0), (2, 1, 1), (0.5, 0, 0.5), (-3, 0, 0), (9, 1, 1)]
)
def test_a_position_of_the_animation_lies_between_two_planes(position: float, stage: int, share: float) -> None:
    planes = list(np.random.default_rng(0).normal(size=(3, 5, 2)))
    expected = planes[stage] + share * (planes[stage + 1] - planes[stage])
    assert scatter.interpolate(planes, position) == pytest.approx(expected)


def test_an_uploaded_photo_is_placed_and_searched_as_its_pixels_are(prepared: Settings) -> None:
    opened = workspace.open_workspace(prepared)
    catalog, stored, vectors = opened.catalog(), opened.map("pixels"), opened.vectors("pixels").values
    shown = map_choice.DisplayedMap("pixels", opened.map_parameters("pixels"), stored)
    photo = catalog.ids[3]
    lines = uploaded_photo.lines(opened, shown, catalog.path(photo).read_bytes(), LOOKUP)
    assert lines is not None
    np.testing.assert_allclose(lines.start, out_of_sample.place(stored, vectors, vectors[3:4])[0], rtol=1e-5)
    searchable = search.load_space(opened, "pixels")
    nearest = search.search(opened, searchable, find_query(catalog, photo), metric_name="l1", k=4)["results"]
    assert [row["id"] for row in lines.neighbours] == [row["id"] for row in nearest]
    assert uploaded_photo.lines(opened, shown, None, LOOKUP) is None


# --- computing maps -------------------------------------------------------------------------------------------------


def wait_until(true: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_a_map_is_made_beside_the_app_and_one_at_a_time(copied: Settings) -> None:
    jobs, parameters = map_jobs.MapJobs(), MapParameters(n_neighbors=4, metric="cosine")
    assert jobs.start(copied, "resnet18", parameters) is True
    assert jobs.start(copied, "resnet18", MapParameters(n_neighbors=5)) is False
    job = jobs.job
    assert job is not None
    wait_until(lambda: not job.running)
    assert (job.error, job.done, job.total) == ("", 500, 500)
    stored = workspace.open_workspace(copied).other_map("resnet18", parameters)
    assert stored is not None and stored.facts["n_neighbors"] == 4


def test_a_map_that_is_stopped_leaves_nothing(copied: Settings) -> None:
    jobs, parameters = map_jobs.MapJobs(), MapParameters(n_neighbors=6)
    jobs.start(copied, "resnet18", parameters)
    jobs.stop()
    job = jobs.job
    assert job is not None
    wait_until(lambda: not job.running)
    assert job.stopped and job.error == ""
    assert workspace.open_workspace(copied).other_map("resnet18", parameters) is None
    assert jobs.start(copied, "pixels", MapParameters(method="pca")) is True
    wait_until(lambda: jobs.job is not None and not jobs.job.running)


def test_a_map_that_cannot_be_made_says_why(copied: Settings, tmp_path: Path) -> None:
    jobs = map_jobs.MapJobs()
    jobs.start(Settings(data=copied.data, artifacts=tmp_path / "none"), "resnet18", MapParameters())
    job = jobs.job
    assert job is not None
    wait_until(lambda: not job.running)
    assert "is not prepared yet" in job.error
    assert "Traceback" not in job.error
