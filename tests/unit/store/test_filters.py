"""lib.store.filters: what is built is what the engine understands, against plain Python, on a real Milvus Lite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lib.errors import QueryError, StoreError
from lib.store import filters, rows
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from lib.store.filters import Condition
from tests.helpers import foreign_collection

Row = dict[str, Any]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(str(tmp_path_factory.mktemp("filters") / "x.db")) as opened:
        foreign_collection.make(opened, "f")
        yield opened


@pytest.fixture(scope="module")
def fields(store: Store) -> list[Row]:
    return list(reader.inspect(store, "f")["collections"][0]["fields"])


@pytest.fixture(scope="module")
def data(store: Store) -> list[Row]:
    return rows.browse(store, "f", limit=100)


CASES: list[tuple[Condition, Callable[[Row], bool]]] = [
    *[
        (Condition("title", "==", title), lambda row, title=title: row["title"] == title)
        for title in foreign_collection.TITLES
    ],
    (Condition("title", "!=", 'a"b'), lambda row: row["title"] != 'a"b'),
    (Condition("title", "in", 'a"b, plain'), lambda row: row["title"] in {'a"b', "plain"}),
    (Condition("title", "in", '["new\\nline", "a\\\\b"]'), lambda row: row["title"] in {"new\nline", "a\\b"}),
    (Condition("title", "not in", "plain"), lambda row: row["title"] != "plain"),
    (Condition("title", "starts with", "a_"), lambda row: row["title"].startswith("a_")),
    (Condition("title", "starts with", "a\\"), lambda row: row["title"].startswith("a\\")),
    (Condition("title", "ends with", "0%"), lambda row: row["title"].endswith("0%")),
    (Condition("title", "contains", '"'), lambda row: '"' in row["title"]),
    (Condition("n", "==", str(2**60 + 7)), lambda row: row["n"] == 2**60 + 7),
    (Condition("n", "in", f"{2**60}, {2**60 + 1}"), lambda row: row["n"] <= 2**60 + 1),
    (Condition("score", ">=", "12.25"), lambda row: row["score"] >= 12.25),
    (Condition("score", "<", "1e1"), lambda row: row["score"] < 10),
    (Condition("flag", "is true"), lambda row: row["flag"]),
    (Condition("flag", "is false"), lambda row: not row["flag"]),
    (Condition("tags", "contains", 'q"'), lambda row: 'q"' in row["tags"]),
    (Condition("tags", "contains any of", "y, nothing"), lambda row: "y" in row["tags"]),
    (Condition("tags", "contains all of", "x, z"), lambda row: {"x", "z"} <= set(row["tags"])),
    (Condition("tags", "length ==", "3"), lambda row: len(row["tags"]) == 3),
    (Condition("doc", ">", "50", key="a"), lambda row: row["doc"]["a"] > 50),
    (Condition("doc", "==", 'a"b', key="deep/s"), lambda row: row["doc"]["deep"]["s"] == 'a"b'),
    (Condition("doc", "contains", "17", key="list"), lambda row: 17 in row["doc"]["list"]),
    (Condition("doc", "exists", key="a"), lambda row: True),
    (Condition("extra", "<=", "3"), lambda row: row["extra"] <= 3),
    (Condition(foreign_collection.ODD_KEY, "==", "2"), lambda row: row[foreign_collection.ODD_KEY] == 2),
    (Condition("key", "in", "k003, k004"), lambda row: row["key"] in {"k003", "k004"}),
]


@pytest.mark.parametrize(("condition", "meant"), CASES)
def test_conditions_mean_what_they_say(
    store: Store, fields: list[Row], data: list[Row], condition: Condition, meant: Callable[[Row], bool]
) -> None:
    text = filters.expression([condition], fields, store, joined="and")
    read_rows = [row["key"] for row in rows.browse(store, "f", filter=text, limit=100)]
    wanted = [row["key"] for row in data if meant(row)]
    assert wanted  # a case that nothing meets proves nothing
    assert read_rows == wanted


def test_several_conditions_keep_together(store: Store, fields: list[Row], data: list[Row]) -> None:
    both = [Condition("flag", "is true"), Condition("title", "in", "plain, axb")]
    for joined, meant in (("and", all), ("or", any)):
        text = filters.expression(both, fields, store, joined=joined)
        wanted = [row["key"] for row in data if meant([row["flag"], row["title"] in {"plain", "axb"}])]
        assert [row["key"] for row in rows.browse(store, "f", filter=text, limit=100)] == wanted


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition("n", "==", "1.5"), "n holds whole numbers"),
        (Condition("n", "==", "1 or 1 == 1"), "n holds whole numbers"),
        (Condition("score", ">", "nan"), "score holds numbers"),
        (Condition("score", ">", ""), "score holds numbers"),
        (Condition("title", "in", " , "), "one or more values for title"),
        (Condition("title", "in", '["a'), filters.BROKEN_LIST),
        (Condition("doc", "==", "1"), "the key inside doc"),
        (Condition("tags", "length ==", "x"), "the length of tags holds whole numbers"),
    ],
)
def test_values_that_do_not_fit(fields: list[Row], condition: Condition, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        filters.expression([condition], fields, joined="and")


def test_every_operator_of_every_type_is_covered(fields: list[Row]) -> None:
    offered = {
        (field["type"], operator)
        for field in fields
        for operator in filters.operators(field["type"])
        if operator not in {"!=", ">", "<", "<=", ">=", "==", "in", "not in"}
    }
    kinds = {field["name"]: field["type"] for field in fields}
    combinations = {(kinds.get(condition.field), condition.operator) for condition, _ in CASES}
    assert offered <= combinations
    assert filters.operators("FLOAT_VECTOR") == ()
    assert filters.operators("VARCHAR", nullable=True)[-2:] == ("is null", "is not null")


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('title = "a"', 6, "did you mean '=='"),
        ('title == "a', 9, "unterminated string"),
        ("(n == 7", 7, "expected ')'"),
        ('n > "a"', 2, "incompatible types"),
        ("n == 1 @ 2", 7, "unexpected character '@'"),
        ("n == 1) or (n == 2", 6, ""),
    ],
)
def test_errors_are_shown_at_their_place(store: Store, text: str, column: int, words: str) -> None:
    with pytest.raises(StoreError) as caught:
        rows.browse(store, "f", filter=text)
    problem = filters.filter_problem(store, caught.value, text)
    assert problem is not None
    assert problem.column == column
    assert words in problem.objection


def test_the_mark_stands_under_the_place() -> None:
    drawn = filters.FilterProblem(6, "no").with_marker('title = "a"')
    assert drawn.splitlines() == ['title = "a"', "      ^ no"]
    assert filters.FilterProblem(None, "no").with_marker("a\nb") == "a b\nno"


def test_other_errors_are_not_the_filters(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        rows.browse(store, "gone", filter="a == 1")
    assert filters.filter_problem(store, caught.value, "a == 1") is None


def test_names_that_no_field_has(fields: list[Row]) -> None:
    text = 'tilte == "title" and NOT (n in [1]) or array_contains(tags, "b") and doc["x"] > 1 and extra > 2'
    assert filters.unknown_names(text, fields) == ["tilte", "extra"]
