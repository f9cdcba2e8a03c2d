"""How far an uploaded photo travels from the query form to the grid of results, and what the caches hash on the way.

Counted by `Path`, in one run of the page on a photo that no cache knows yet, from the entry of `query_form.choose` to
the gallery of the first row of results:

- each named function of lib/view that gets the photo as an argument, or returns it;
- each named function of the other layers that lib/view calls with the photo, and that returns it.

"The photo" is the photo in any of its forms: the file's bytes, the decoded picture, `UploadedPhoto`, `Query`,
`QuerySet`, the query vector, the `search` document, its ids, and the tiles of its results. Lambdas and comprehensions
count as part of the function that holds them. Work beneath the other layers' first function is not on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.runtime.caching import hashing
from streamlit.testing.v1 import AppTest

from lib.prepare import workspace
from lib.retrieval.query import Query
from lib.settings import PROJECT, Settings
from lib.view import cached, cached_search
from lib.view.cached_search import QuerySet, Side
from lib.view.components.gallery import Tile
from lib.view.uploads import UploadedPhoto
from tests.helpers import image_files

Start = Callable[[Settings], AppTest]
# Marks that move a query are read on the way: two functions in a file of their own.
MOST_FUNCTIONS, MOST_FILES = 19, 10
DIMENSIONS = 512
LIB = f"{PROJECT / 'lib'}/"


class Path:
    """A profiler that collects the functions through which a photo travels, as (file, function)."""

    def __init__(self, photo: Image.Image, content: bytes) -> None:
        self.functions: list[tuple[str, str]] = []
        self._pixels, self._content = np.asarray(photo), content
        self._result_ids: set[tuple[str, ...]] = set()
        self._started = self._ended = False

    def profile(self, frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if event not in {"call", "return"} or self._ended or not _is_named(code):
            return
        file, name = code.co_filename.removeprefix(LIB), code.co_qualname
        self._started = self._started or (file, name) == ("view/retrieval/query_form.py", "choose")
        if not self._started:
            return
        in_view = file.startswith("view/")
        if event == "call":
            arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            on_the_way = in_view and any(self._is_photo(frame.f_locals.get(argument)) for argument in arguments)
            self._ended = name == "show" and str(frame.f_locals.get("key", "")).startswith("grid_")
        else:
            on_the_way = (in_view or _called_by_view(frame)) and self._is_photo(value)
        if on_the_way and (file, name) not in self.functions:
            self.functions.append((file, name))

    def _is_photo(self, value: Any, *, inside: bool = True) -> bool:
        if isinstance(value, UploadedPhoto | Query | QuerySet | Tile):
            return True
        if isinstance(value, bytes):
            return value == self._content
        if isinstance(value, Image.Image):
            return np.array_equal(np.asarray(value), self._pixels)
        if isinstance(value, np.ndarray):
            return value.shape in {(1, DIMENSIONS), (DIMENSIONS,)}
        if isinstance(value, dict) and {"metric", "results"} <= value.keys():
            self._result_ids.add(tuple(result["id"] for result in value["results"]))
            return True
        if isinstance(value, list | tuple) and value:
            if all(isinstance(item, str) for item in value):
                return tuple(value) in self._result_ids
            return inside and any(self._is_photo(item, inside=False) for item in value)
        return False


def _is_named(code: CodeType) -> bool:
    return code.co_filename.startswith(LIB) and not code.co_name.startswith("<")


def _called_by_view(frame: FrameType) -> bool:
    caller = frame.f_back
    while caller is not None and not _is_named(caller.f_code):
        caller = caller.f_back
    return caller is not None and caller.f_code.co_filename.startswith(f"{LIB}view/")


@contextmanager
def profiled(path: Path) -> Iterator[None]:
    """Profile the threads that start inside, as the one in which a simulated page runs."""
    threading.setprofile(path.profile)
    try:
        yield
    finally:
        threading.setprofile(None)


def _noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def _upload_page(start: Start, settings: Settings) -> AppTest:
    app = start(settings).switch_page("pages/3_Retrieval.py")
    app.query_params["section"] = "grids"
    app.query_params["from"] = "upload"
    app.query_params["space"] = "resnet18"
    return app.run()


def test_a_photo_reaches_its_grid_by_a_short_way(start: Start, prepared: Settings) -> None:
    app = _upload_page(start, prepared)
    photo = _noise(3)
    content = image_files.encoded(photo)
    app.session_state["own"] = content
    path = Path(photo, content)
    with profiled(path):
        app.run()
    assert not app.exception
    way = "\n".join(f"{file} {name}" for file, name in path.functions)
    # The count is sound only while it sees both ends.
    assert path.functions[0] == ("view/uploads.py", "read"), way
    assert path.functions[-1] == ("view/components/gallery.py", "show"), way
    assert len(path.functions) <= MOST_FUNCTIONS, way
    assert len({file for file, _ in path.functions}) <= MOST_FILES, way


# --- what the caches are keyed by ----------------------------------------------------------------------------------


def _hashed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every object that Streamlit hashes for a key from now on."""
    hashed: list[Any] = []
    to_bytes = hashing._CacheFuncHasher._to_bytes

    def record(self: Any, obj: Any) -> bytes:
        hashed.append(obj)
        return to_bytes(self, obj)

    monkeypatch.setattr(hashing._CacheFuncHasher, "_to_bytes", record)
    return hashed


def _holds_numbers(value: Any) -> bool:
    """Whether `value` is pixels, vectors or a table. A query is not: its key stands for it."""
    return isinstance(value, np.ndarray | Image.Image) or type(value).__module__.startswith("pandas")


@pytest.mark.parametrize("view", ["Five metrics", "Side by side", "Disagreements", "Understand"])
def test_no_cache_hashes_pixels_or_vectors(
    start: Start, prepared: Settings, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    app = _upload_page(start, prepared)
    app.query_params["section"] = view
    app.query_params["crop"] = "10,10,60,60"
    app.session_state["own"] = image_files.encoded(_noise(4))
    hashed = _hashed(monkeypatch)
    app.run()
    assert not app.exception and not app.error
    assert hashed
    assert not [type(value) for value in hashed if _holds_numbers(value)]


def test_a_new_prepare_is_seen_at_once(start: Start, prepared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    start(prepared)
    before = workspace.open_workspace(prepared)
    after = replace(before, state=before.state | {"prepared_again": True})
    assert before.version != after.version
    photo = Query("rose/00.jpg", 0, [0], None, "id rose/00.jpg")
    reads: dict[str, Callable[[Any], Any]] = {
        "catalog": cached.catalog,
        "loaded": lambda opened: cached.searchable_space(opened, "resnet18"),
        "unit_space": lambda opened: cached_search.unit_space(opened, "resnet18"),
        "neighbourhoods": lambda opened: cached.neighbourhoods(opened, "resnet18"),
        "traits": lambda opened: cached.traits(opened, "resnet18"),
        "findings": lambda opened: cached.findings(opened, "resnet18"),
    }
    for name, read in reads.items():
        assert read(before) is read(before), name
        assert read(before) is not read(after), name
    calls = []
    search = cached_search.retrieval_search.search
    monkeypatch.setattr(
        cached_search.retrieval_search, "search", lambda *args, **options: calls.append(1) or search(*args, **options)
    )
    for opened in (before, before, after, after):
        cached_search.search(opened, QuerySet([photo]), Side("l1", "resnet18"), 3)
    assert len(calls) == 2


def test_another_query_filter_side_or_k_is_another_search(
    start: Start, prepared: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(prepared)
    opened = workspace.open_workspace(prepared)
    calls = []
    search = cached_search.retrieval_search.search
    monkeypatch.setattr(
        cached_search.retrieval_search, "search", lambda *args, **options: calls.append(1) or search(*args, **options)
    )
    query, other = (Query(f"photo {row}", row, [row], None, f"id {row}") for row in (0, 1))
    base = QuerySet([query])
    searches = [
        (base, Side("l1", "resnet18"), 3),
        (QuerySet([other]), Side("l1", "resnet18"), 3),
        (QuerySet([query, other]), Side("l1", "resnet18"), 3),
        (replace(base, filter=cached_search.AnswerFilter(("rose",))), Side("l1", "resnet18"), 3),
        (replace(base, filter=cached_search.AnswerFilter((), ("train",))), Side("l1", "resnet18"), 3),
        (replace(base, keep_duplicates=True), Side("l1", "resnet18"), 3),
        (base, Side("l2", "resnet18"), 3),
        (base, Side("l1", "pixels"), 3),
        (base, Side("l1", "resnet18", unit=True), 3),
        (base, Side("l1", "resnet18"), 4),
    ]
    for _ in range(2):
        for queries, side, k in searches:
            cached_search.search(opened, queries, side, k)
    assert len(calls) == len(searches)
