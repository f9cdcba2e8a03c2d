"""lib.retrieval.explain and the command: the parts are those of the very value that a search has."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lib.commands import cli
from lib.commands.options import parser
from lib.documents.search import ExplainDocument
from lib.embed import embedder, spaces
from lib.embed.embedder import Embedder
from lib.errors import ArtifactError, DataError, QueryError
from lib.learn import backbone, hardware, transforms
from lib.prepare import workspace
from lib.prepare.workspace import Workspace
from lib.retrieval import explain, feedback, reproduce, search
from lib.retrieval.feedback import Marks
from lib.retrieval.query import Query, find_query, query_part, query_picture
from lib.retrieval.reproduce import Reproduction
from lib.retrieval.search import SearchableSpace
from lib.search import exact
from lib.search.metrics import METRICS
from lib.search.rocchio import Weights
from lib.settings import Settings
from tests.conftest import COPY, COPY_OF, draw_picture

Load = Callable[[str], SearchableSpace]
QUERY, ANSWER = "rose/03.png", "tulip/05.png"
needs_bf16 = pytest.mark.skipif(
    hardware.precision(torch.device("cpu")) != "bfloat16", reason="this processor has no bfloat16"
)


@pytest.fixture(scope="module")
def embed(opened: Workspace) -> Embedder:
    return opened.embedder("resnet18")


def explained(
    opened: Workspace, loaded: SearchableSpace, metric: str, embed: Embedder | None, *names: str
) -> ExplainDocument:
    queries = [find_query(loaded.catalog, name) for name in names]
    places = [explain.place(opened, loaded, query, embed) for query in queries]
    return explain.document(explain.explain(metric, *places), *names, loaded)


def check_sums(document: ExplainDocument) -> None:
    """What the contract says of the sums."""
    value = document["value"] ** 2 if document["metric"] == "l2" else document["value"]
    assert document["sum"] == pytest.approx(value, abs=1e-5)
    query, answer = (np.array(document["parts"][side]) for side in ("query", "answer"))  # type: ignore[literal-required]
    assert answer.shape == tuple(document["grid"])
    has_no_places = "moved" in document and document["space"] != "pixels"
    assert query.shape == ((1, 1) if has_no_places else answer.shape)
    sums = [query.sum(), answer.sum()] if METRICS[document["metric"]].higher_is_closer else [query.sum() + answer.sum()]
    sums.append(sum(each["part"] for each in document["dimensions"]))
    assert sums == pytest.approx([document["sum"]] * len(sums), abs=1e-5)


@pytest.mark.parametrize("space", ["resnet18", "pixels"])
@pytest.mark.parametrize("metric", METRICS)
def test_the_parts_sum_to_what_a_search_says(
    opened: Workspace, loaded: Load, embed: Embedder, metric: str, space: str
) -> None:
    document = explained(opened, loaded(space), metric, embed, QUERY, ANSWER)
    check_sums(document)
    results = search.search(opened, loaded(space), find_query(loaded(space).catalog, QUERY), metric_name=metric, k=60)[
        "results"
    ]
    assert document["value"] == next(each["value"] for each in results if each["id"] == ANSWER)
    assert document["why"] is None
    assert document["grid"] == ([4, 4] if space == "resnet18" else [128, 128])
    sizes = np.abs([each["part"] for each in document["dimensions"]])
    assert (np.diff(sizes) <= 1e-12 * sizes[0]).all()
    assert document["rounding"] <= 1e-6


def test_scaled_vectors_are_explained_too(opened: Workspace, loaded: Load, embed: Embedder) -> None:
    unit = search.normalised(loaded("resnet18"))
    for metric in ("l2", "cosine"):
        document = explained(opened, unit, metric, embed, QUERY, ANSWER)
        check_sums(document)
        assert document.get("normalised") is True
        assert document["rounding"] <= 1e-6


@pytest.mark.parametrize("space", ["resnet18", "pixels"])
@pytest.mark.parametrize("metric", METRICS)
def test_a_moved_query_is_explained_as_it_searches(
    opened: Workspace, loaded: Load, embed: Embedder, metric: str, space: str
) -> None:
    searched = loaded(space)
    marks = Marks(("tulip/07.png", "tulip/02.jpg"), ("rose/05.png",), Weights(0.8, 1.0, 0.3))
    start, end = (
        explain.place(opened, searched, find_query(searched.catalog, name), embed) for name in (QUERY, ANSWER)
    )
    vector = feedback.moved_vectors(searched, start.vector[None], metric, marks)
    document = explain.document(
        explain.explain(metric, explain.moved_place(start, vector[0]), end), QUERY, ANSWER, searched, marks
    )
    check_sums(document)
    assert document.get("moved") == marks.facts()
    query = find_query(searched.catalog, QUERY)
    results = search.search(opened, searched, query, metric_name=metric, k=60, vectors=vector)["results"]
    assert document["value"] == next(each["value"] for each in results if each["id"] == ANSWER)
    assert document["value"] != explained(opened, searched, metric, embed, QUERY, ANSWER)["value"]


def test_pictures_from_outside_and_crops_have_places(opened: Workspace, loaded: Load, embed: Embedder) -> None:
    space = loaded("resnet18")
    answer = explain.place(opened, space, find_query(space.catalog, ANSWER), embed)
    whole = find_query(space.catalog, QUERY)
    for query in (
        query_picture(space.catalog, draw_picture(1, 99), "mine.png"),
        query_part(space.catalog, whole, (10.0, 10.0, 60.0, 70.0)),
    ):
        place = explain.place(opened, space, query, embed)
        check_sums(explain.document(explain.explain("cosine", place, answer), query.name, ANSWER, space))
    # A picture whose pixels the catalog has is that photo.
    same = query_picture(space.catalog, space.catalog.open(space.catalog.row(COPY) or 0), "copy.bmp")
    np.testing.assert_array_equal(
        explain.place(opened, space, same, embed).vector,
        explain.place(opened, space, find_query(space.catalog, COPY_OF), embed).vector,
    )


def test_a_vector_without_a_picture_is_refused(opened: Workspace, loaded: Load, embed: Embedder) -> None:
    for space in ("resnet18", "pixels"):
        with pytest.raises(QueryError, match="has no picture"):
            explain.place(opened, loaded(space), Query("a row", None, [], None, "row", np.zeros(512)), embed)


def test_a_space_without_positions_says_so(opened: Workspace, loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    histogram = replace(spaces.get("pixels"), dtype="float32")
    monkeypatch.setattr(Workspace, "prepared_space", lambda self, name: histogram)
    with pytest.raises(QueryError, match="no feature maps"):
        explain.place(opened, loaded("pixels"), find_query(loaded("pixels").catalog, QUERY))


def test_a_photo_that_became_another_one_is_refused(copied: Settings, embed: Embedder) -> None:
    opened = workspace.open_workspace(copied)
    space = search.load_space(opened, "resnet18")
    # Where the file has its old size and times, only its features tell.
    row = space.catalog.row(QUERY)
    assert row is not None
    stored = replace(space.gallery, vectors=np.asarray(space.gallery.vectors)[::-1].copy())
    with pytest.raises(ArtifactError, match=r"features of rose/03.png are not those that are stored.*prepare"):
        explain.place(opened, replace(space, gallery=stored), find_query(space.catalog, QUERY), embed)
    frame = space.catalog.frame.copy()
    frame.loc[row, ["bytes", "sha256"]] = [1, "0" * 64]
    changed = replace(space.catalog, frame=frame)
    with pytest.raises(DataError, match="changed while it was being read"):
        explain.place(opened, replace(space, catalog=changed), find_query(changed, QUERY), embed)


@needs_bf16
def test_bfloat16_has_its_own_rounding_and_exact_sums(
    opened: Workspace, loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    bf16 = spaces.in_precision(spaces.get("resnet18"), "bf16")
    monkeypatch.setattr(Workspace, "prepared_space", lambda self, name: bf16)
    embed, catalog = embedder.embedder(bf16, opened.weights("resnet18")), loaded("resnet18").catalog
    # As they are stored: in batches with other photos.
    stored = embed.embed([embed.shrink(catalog.pixels(row, embed.side or 1)) for row in range(len(catalog.ids))])
    space = replace(loaded("resnet18"), gallery=exact.gallery(stored))
    for metric in METRICS:
        document = explained(opened, space, metric, embed, QUERY, ANSWER)
        check_sums(document)
        assert document["rounding"] <= explain.ROUNDING["bf16"] / 2


def test_an_undefined_similarity_says_so(opened: Workspace, loaded: Load) -> None:
    space = loaded("pixels")
    black = query_picture(space.catalog, Image.new("RGB", (50, 50)), "black.png")
    places = [explain.place(opened, space, each) for each in (black, find_query(space.catalog, ANSWER))]
    document = explain.document(explain.explain("cosine", *places), "black.png", ANSWER, space)
    assert document["why"] == explain.UNDEFINED
    assert (document["value"], document["sum"], np.any(document["parts"]["answer"])) == (0, 0, False)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1000, 50), (50, 1000), (224, 224)])
def test_the_part_that_the_network_sees_is_that_of_its_transform(size: tuple[int, int]) -> None:
    preprocess = backbone.IMAGENET_PREPROCESS
    left, top, right, bottom = transforms.seen(*size, preprocess)
    assert 0 <= left < right <= 100
    assert 0 <= top < bottom <= 100
    # A ramp over the whole picture, of which the first and last row and column that arrive tell where they come from.
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    ramp = Image.fromarray(np.stack([across, down, 0 * down], axis=2).round().astype(np.uint8))
    arrived = transforms.resize(ramp, preprocess)
    found = [arrived[100, 0, 0], arrived[0, 100, 1], arrived[100, -1, 0], arrived[-1, 100, 1]]
    assert np.array(found) / 2.55 == pytest.approx(np.array([left, top, right, bottom]), abs=1.5)


def test_weights_that_stretch_see_the_whole_photo() -> None:
    assert transforms.seen(300, 200, backbone.bundled().preprocess) == (0, 0, 100, 100)


# --- the command -----------------------------------------------------------------------------------------------------


def run(settings: Settings, *arguments: str) -> int:
    words = ["--data", str(settings.data), "--artifacts", str(settings.artifacts)]
    return cli.main(["explain", *arguments, *words], offline=True)


def test_the_command_prints_the_document(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(prepared, QUERY, ANSWER, "--metric", "ncc", "--json") == 0
    document: Any = json.loads(capsys.readouterr().out)
    check_sums(document)
    named = {"query", "answer", "space", "metric", "value", "grid", "parts", "sum", "dimensions"}
    assert named <= set(document)
    assert set(document["dimensions"][0]) == {"dimension", "part", "query", "answer"}
    assert (document["query"], document["answer"], document["space"]) == (QUERY, ANSWER, "resnet18")


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_the_command_explains_a_moved_query(
    prepared: Settings, capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    more = ["--right", "tulip/07.png", "--wrong=rose/05.png", "--rocchio", "1,0.5,0.25", "--metric", metric]
    assert run(prepared, QUERY, ANSWER, *more, "--json") == 0
    document: Any = json.loads(capsys.readouterr().out)
    check_sums(document)
    assert document["moved"] == Marks(("tulip/07.png",), ("rose/05.png",), Weights(1, 0.5, 0.25)).facts()
    assert run(prepared, QUERY, ANSWER, *more) == 0
    said = capsys.readouterr().out
    assert "query moved by 1 right and 1 wrong: the vector of no photo" in said
    assert len([line for line in said.splitlines() if line.lstrip().startswith("feature")]) == 5
    assert run(prepared, QUERY, ANSWER, *more, "--space", "pixels") == 0
    assert "a picture again" in capsys.readouterr().out
    assert run(prepared, QUERY, ANSWER, "--right", "no/such.png") == 1
    assert "no/such.png is no image of the catalog" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--metric", "l2"], ["--space", "pixels", "--crop", "0,0,50,50"], ["--normalise"]])
def test_the_command_speaks_to_people(prepared: Settings, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    assert run(prepared, QUERY, ANSWER, *more) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{QUERY}  {ANSWER}" == lines[0] or "part 0,0" in lines[0]
    assert "positions" in lines[2]
    assert len([line for line in lines if line.lstrip().startswith(("feature", "value"))]) == 5


def test_a_photo_that_is_not_there_is_one_line(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(prepared, QUERY, "no/such.png", "--json") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "neither an image id of the catalog nor a file" in captured.err


@pytest.mark.parametrize("images", [[QUERY], ["-odd name.png"], []])
def test_the_page_offers_a_command_that_parses(images: list[str]) -> None:
    recipe = Reproduction(
        images=images,
        space="resnet18",
        metric="l1",
        k=5,
        engine="exact",
        part="0,0,50,50",
        unit=True,
        left_out=[],
        marks=Marks(("-a/1.png",), ("b c.png",), Weights(1, 0.5, 0)),
    )
    words = shlex.split(reproduce.explain_command(recipe, ANSWER))
    assert words[:3] == ["python", "-m", "lib"]
    options = parser().parse_args(words[3:])
    wanted = (images or [reproduce.YOURS])[0]
    assert (options.query, options.answer, options.space, options.metric) == (wanted, ANSWER, "resnet18", "l1")
    assert (options.crop, options.normalise) == ((0, 0, 50, 50), True)
    assert (options.right, options.wrong, options.rocchio) == (["-a/1.png"], ["b c.png"], (1, 0.5, 0))
