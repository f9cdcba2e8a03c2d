"""lib.limits: texts from outside have a bound on every way in, and the work on them grows no faster than they do."""

from __future__ import annotations

import ast
import itertools
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lib import artifacts, limits
from lib.data import formats, skipped_files
from lib.errors import PetalscopeError, QueryError
from lib.learn import weights_file
from lib.measure import feature_examples, histograms
from lib.measure.histograms import Histogram
from lib.settings import PROJECT, Settings
from lib.store import addresses, errors, field_search, filters, pool
from lib.view import formatting, inputs, selection, url_state
from lib.view.components import crop_box, scatter_link
from lib.view.embedding_map import selected_photos
from lib.view.milvus import stats
from lib.view.retrieval import features, feedback

Start = Callable[[Settings], AppTest]
ATTACK = "a" * 60_000


# -- growth -----------------------------------------------------------------------------------------------------------


SHORT, LONG = 2_000, 10_000  # characters
NOTHING_S = 0.05  # less is no trouble, whatever its growth; squared work on the longer text takes longer


def assert_not_quadratic(work: Callable[[str], object], text: Callable[[int], str]) -> None:
    """Five times as much text may not cost 15 times as much; squared it would be 25 times.

    The least of three times counts, so that neither a busy machine nor a collection of garbage fails a test.
    """
    if _seconds(work, text(LONG)) < NOTHING_S:
        return
    short, long = (min(_seconds(work, text(size)) for _ in range(3)) for size in (SHORT, LONG))
    assert long < max(NOTHING_S, 15 * short), f"{short:.3f} s became {long:.3f} s for {text(3)!r}…"


def _seconds(work: Callable[[str], object], text: str) -> float:
    """Processor time of this thread, which other processes do not lengthen."""
    start = time.thread_time()
    with suppress(PetalscopeError):  # refused in a sentence, as it should be
        work(text)
    return time.thread_time() - start


UNITS = (
    "a",
    "1",
    "-",
    "_",
    ".",
    "/",
    "@",
    "a@",
    "'",
    '"',
    "\\",
    '\\"',
    "\\'",
    "1/",
    "1.",
    ": ",
    " ",
    "\n",
    "é",
    "[",
    "{",
)
WORDS = (" at column 1", "line 1:", " expecting {", ", error: ", "\xff")
TEXTS = [
    (lambda size, before=before, unit=unit, after=after: before + unit * (size // len(unit)) + after)
    for unit, before, after in itertools.product((*UNITS, *WORDS), ("", '"', "cannot parse expression: "), ("", "!"))
]
NUMBER, SPARSE = {"type": "FLOAT_VECTOR"}, {"type": "SPARSE_FLOAT_VECTOR"}
PHOTOS = pd.DataFrame({"id": ["rose/00.jpg"], "label": ["rose"]})
CONDITION = filters.Condition
JSON_FIELD = [{"name": "facts", "type": "JSON"}, {"name": "label", "type": "VARCHAR"}]


def _condition(field: str, operator: str) -> Callable[[str], object]:
    return lambda text: filters.expression([CONDITION(field, operator, text, text)], JSON_FIELD, joined="and")


# What gets a text that a visitor, or a server that a visitor typed, has written.
PURITY = Histogram("purity", "Purity", "", ("low", "high"), np.array([0, 1]), np.array([0.0, 0.5, 1.0]))
EXAMPLES = feature_examples.compute(
    np.eye(4, 6, dtype=np.float32),
    np.array(["daisy", "daisy", "rose", "rose"]),
    {
        "space": "resnet18", "space_fingerprint": "", "data_fingerprint": "", "weights": None, "split_seed": 0,
        "libraries": {}, "made": "", "classes": ["daisy", "rose"], "images": 4, "schema": 1,
    },
)  # fmt: skip
READERS: dict[str, Callable[[str], object]] = {
    "shown": pool._redacted,
    "credentials": addresses.split_credentials,
    "credentials of a server": lambda text: addresses.split_credentials(f"http://{text}"),
    "database": lambda text: addresses.split_database(f"http://h/{text}"),
    "server": lambda text: addresses.is_server_address(f"http://{text}"),
    "names": lambda text: filters.unknown_names(text, []),
    "values": filters.parse_values,
    "whole": lambda text: filters.literal(text, "INT64", "n"),
    "real": lambda text: filters.literal(text, "DOUBLE", "n"),
    "json": lambda text: filters.literal(text, "JSON", "n"),
    "condition in": _condition("label", "in"),
    "condition like": _condition("label", "contains"),
    "condition of a key": _condition("facts", "=="),
    "drawn": lambda text: filters.FilterProblem(3, "no").with_marker(text),
    "position": errors.error_column,
    "reason": lambda text: errors.reason(Exception(text), "root:secret"),
    "vector": lambda text: field_search.parse_vector(text, NUMBER),
    "sparse": lambda text: field_search.parse_vector(text, SPARSE),
    "plain": formatting.plain,
    "ids": lambda text: selected_photos.matching(PHOTOS, [], text, text),
    "partitions": lambda text: stats._listed([text, text]),
    "selection": lambda text: selection.decode(text, 1_000, "abcdef"),
    "marks": lambda text: feedback.decode_marks(f"{artifacts.digest('q')[:6]}.{text}.{text}", "q", 1_000, "abcdef"),
    "part": crop_box.parse_box,
    "link whole": lambda text: url_state.parse_whole(text, 0, 9, 1),
    "link zoom": scatter_link.parse_zoom,
    "map filter": lambda text: histograms.parse([f"purity:{text}", text], [PURITY]),
    "feature": lambda text: features.matching(EXAMPLES, text),
    "link real": lambda text: url_state.parse_real(text, 0, 9, 1),
}


@pytest.mark.parametrize("name", READERS)
def test_what_reads_a_text_from_outside_is_not_quadratic(name: str) -> None:
    for text in TEXTS:
        assert_not_quadratic(READERS[name], text)


def _patterns() -> Iterator[Any]:
    """Every regular expression that stands in the sources, and the function of `re` that it is given to."""
    for path in [PROJECT / "Home.py", *(PROJECT / "lib").rglob("*.py"), *(PROJECT / "pages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
                continue
            if isinstance(node.args[0], ast.Constant):
                pattern = node.args[0].value
                yield pytest.param(pattern, node.func.attr, id=f"{path.name}:{pattern!s:.30}")
            else:  # one of the tables of patterns, below
                tables = {"formats.py", "skipped_files.py", "weights_file.py"}
                assert path.name in tables, f"{path}:{node.lineno}: a regular expression made while running"
    signatures = {each.name: each.signature for each in formats.READABLE} | formats._OTHERS
    for name, pattern in signatures.items():
        yield pytest.param(pattern, "match", id=f"signature of {name}")
    for pattern, problem, _ in weights_file._KINDS:
        yield pytest.param(pattern, "match", id=problem)
    for pattern, _, _ in skipped_files._WORDS:
        yield pytest.param(pattern, "fullmatch", id=f"reason {pattern:.30}")


@pytest.mark.parametrize(("pattern", "function"), list(_patterns()))
def test_no_regular_expression_of_ours_is_quadratic(pattern: str | bytes, function: str) -> None:
    compiled: Any = re.compile(pattern, re.DOTALL)
    once = {"match": compiled.match, "fullmatch": compiled.fullmatch, "search": compiled.search}
    use = once.get(function, compiled.findall)
    for text in TEXTS:
        assert_not_quadratic(lambda string: use(string.encode() if isinstance(pattern, bytes) else string), text)


def test_the_test_of_growth_knows_an_expression_that_was_quadratic() -> None:
    with pytest.raises(AssertionError, match=" s became "):
        assert_not_quadratic(re.compile(r"[^/\s]*@").findall, lambda size: "a" * size)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("root:s3cret@host:19530", "***@host:19530"),
        ("a@b@c/d@e f@g", "***@c/***@e ***@g"),
        ("@/x", "***@/x"),
        ("no/one/here", "no/one/here"),
    ],
)
def test_what_may_be_a_password_is_hidden_in_every_word(path: str, shown: str) -> None:
    assert pool._redacted(path) == shown


def test_names_inside_a_string_that_is_not_closed_are_no_names() -> None:
    assert filters.unknown_names("a == \"b and c == 'd'", []) == ["a"]
    assert filters.unknown_names('a == "b\\" c" and d == \'e', []) == ["a", "d"]


@pytest.mark.parametrize("text", ["[" * 20_000, "[" + "9" * 5_000 + "]", "[1,"])
def test_a_list_that_cannot_be_read_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(QueryError, match=filters.BROKEN_LIST):
        filters.parse_values(text)


@pytest.mark.parametrize(
    ("text", "about"),
    [("[" * 100_000, NUMBER), ('{"1":' * 50_000, SPARSE), ('{"7": 1' + "0" * 400 + "}", SPARSE), ("1" * 5_000, SPARSE)],
)
def test_a_vector_that_cannot_be_read_is_refused_in_a_sentence(text: str, about: dict[str, str]) -> None:
    with pytest.raises(QueryError, match="This is not a vector"):
        field_search.parse_vector(text, about)


# -- the rule ---------------------------------------------------------------------------------------------------------


def test_a_text_is_taken_up_to_its_limit_and_a_longer_one_is_not_repeated() -> None:
    assert limits.check_length("x" * limits.LINE, "The name") == "x" * limits.LINE
    with pytest.raises(QueryError, match=r"^The name has 20,001 characters; at most 20,000 are read: shorten it\.$"):
        limits.check_length("x" * 20_001, "The name")


def test_an_address_that_is_too_long_is_refused_before_anything_looks_at_it(tmp_path: Path) -> None:
    settings = Settings(artifacts=tmp_path)
    for address in (ATTACK, f"http://{ATTACK}", f"unix:{ATTACK}", " " * 60_000):
        with pytest.raises(QueryError, match="at most 4,096 are read: shorten it"):
            pool.typed_connection(settings, address)


def test_texts_come_in_by_the_two_modules_that_check_them() -> None:
    """Whoever adds a field or reads the address elsewhere passes by the rule."""
    inside = {"inputs.py": r"text_input|text_area", "url_state.py": r"query_params"}
    for path in [PROJECT / "Home.py", *(PROJECT / "pages").glob("*.py"), *(PROJECT / "lib").rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        source = re.sub(r"\bquery_params=", "", source)  # a link's own, which Streamlit writes
        for name, pattern in inside.items():
            if path.name != name:
                assert not re.findall(rf"\b(?:{pattern}|chat_input|accept_new_options)\b", source), path


# -- pages ------------------------------------------------------------------------------------------------------------


def _fine(app: AppTest) -> AppTest:
    assert not app.exception, [entry.message for entry in app.exception]
    return app


def _open(app: AppTest, page: str, address: dict[str, Any]) -> AppTest:
    app.query_params = dict(address)
    return _fine(app.switch_page(page).run())


def _errors(app: AppTest) -> list[str]:
    return [str(box.value).replace("\\", "") for box in app.error]


def _too_long(noun: str, length: int, most: int = limits.LINE) -> str:
    """The error about a text of this length."""
    with pytest.raises(QueryError) as caught:
        limits.check_length("a" * length, noun, most)
    return str(caught.value)


def test_a_link_with_a_long_store_is_refused_in_a_sentence(start: Start, prepared: Settings) -> None:
    app = start(prepared)
    _open(app, url_state.MILVUS, {})
    _open(app, url_state.MILVUS, {"store": ATTACK})
    assert _errors(app) == [_too_long(url_state.noun("store"), 60_000)]
    assert app.selectbox(key="milvus_store").value == pool.MAIN
    _open(app, url_state.MILVUS, {"store": "a" * 5_000})
    assert _errors(app) == ["The address of the Milvus has 5,000 characters; at most 4,096 are read: shorten it."]


def test_a_long_address_in_its_field_is_refused_in_a_sentence(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.MILVUS, {})
    for label, text in (("Address", ATTACK), ("Token or user:password", ATTACK)):
        app = _open(app, url_state.MILVUS, {})
        fields = {field.label: field for field in app.text_input}
        fields["Address"].set_value(str(prepared.artifacts / "not there.db"))
        fields[label].set_value(text)
        next(button for button in app.button if button.label == "Connect").click()
        _fine(app.run())
        most = limits.ADDRESS if label == "Address" else limits.LINE
        assert _errors(app) == [_too_long(inputs.noun(label), 60_000, most)]


@pytest.mark.parametrize("page", list(url_state.NAMES))
def test_every_part_of_every_address_is_bounded(start: Start, prepared: Settings, page: str) -> None:
    app = start(prepared)
    # Streamlit itself ignores an address of more than 524,288 characters or 1,000 values.
    for first in range(0, len(url_state.NAMES[page]), 8):
        names = url_state.NAMES[page][first : first + 8]
        app = _open(app, page, {**dict.fromkeys(names, ATTACK), "unknown": "a" * 10_000})
        assert sorted(_errors(app)) == sorted(_too_long(url_state.noun(name), 60_000) for name in names)
        app = _open(app, page, dict.fromkeys(names, ["a" * 1_000] * 25))
        assert sorted(_errors(app)) == sorted(_too_long(url_state.noun(name), 25_024) for name in names)
        assert not any("aa" in link.proto.query_string for link in app.get("page_link"))


def test_a_long_filter_works_and_a_longer_one_leaves_the_filter_as_it_was(start: Start, prepared: Settings) -> None:
    listed = ", ".join(f'"rose/{number:02}.jpg"' for number in range(1_000))
    expression = f"id in [{listed}]"
    assert 15_000 < len(expression) < limits.LINE
    app = _open(start(prepared), url_state.MILVUS, {"part": "rows", "filter": expression})
    for button in [button for button in app.button if button.label == "Load it"]:
        button.click()
        _fine(app.run())
    assert not app.error
    assert app.text_input(key="rows_filter").value == expression
    app.text_input(key="rows_filter").set_value(f'id == "{ATTACK}"')
    _fine(app.run())
    assert _errors(app) == [_too_long(url_state.noun("filter"), len(f'id == "{ATTACK}"'))]
    assert app.text_input(key="rows_filter").value == expression
    assert app.query_params["filter"] == expression
    assert not _fine(app.run()).error  # shown once


def test_a_selection_of_hundreds_of_photos_still_comes_with_a_link() -> None:
    n = 20_000
    chosen = sorted(random.Random(0).sample(range(n), 900))
    word = selection.encode(chosen, n, "abcdef")
    assert 1_000 < len(word) <= url_state.MAX_LENGTH < limits.LINE
    assert selection.decode(limits.check_length(word, "The selection"), n, "abcdef") == chosen


def test_a_long_list_of_ids_selects_and_a_longer_one_selects_nothing(start: Start, prepared: Settings) -> None:
    app = _open(start(prepared), url_state.MAP, {})
    for filler in (50_000, 150_000):
        app = _open(app, url_state.MAP, {})
        ids = "\n".join(["rose/00.jpg", *(f"rose/x{number:08}.jpg" for number in range(filler))])
        next(field for field in app.text_area if field.label == selected_photos.IDS_LABEL).set_value(ids)
        next(button for button in app.button if button.label == "Select").click()
        _fine(app.run())
        is_read = len(ids) <= limits.TEXT
        assert is_read == (filler == 50_000)
        assert ("sel" in app.query_params) == is_read
        expected = [] if is_read else [_too_long(inputs.noun(selected_photos.IDS_LABEL), len(ids), limits.TEXT)]
        assert _errors(app) == expected
