"""lib.store.plain_values: what a client returns, as JSON types, however deep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib import documents
from lib.store import rows, vector_health
from lib.store.connection import open_store
from lib.store.inspect import inspect
from lib.store.plain_values import CUT, DEEPEST, plain
from lib.store.recall import recall

LEVELS = 900  # as deep as pymilvus reads


def nested(levels: int, kind: type = dict) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if kind is dict else [value]
    return value


def depth(value: Any) -> int:
    levels = 0
    while isinstance(value, (dict, list)):
        value, levels = (value["a"] if isinstance(value, dict) else value[0]), levels + 1
    assert value in (1, CUT)
    return levels


@pytest.mark.parametrize("kind", [dict, list])
@pytest.mark.parametrize("levels", [1, DEEPEST, DEEPEST + 1, 900, 200_000])
def test_what_is_too_deep_is_cut_with_a_word(levels: int, kind: type) -> None:
    value = nested(levels, kind)
    cut = plain(value)
    assert depth(cut) == min(levels, DEEPEST)
    assert (CUT in documents.json_text(cut, ascii=False)) == (levels > DEEPEST)


def test_other_values_are_whole() -> None:
    @dataclass
    class Thing:
        name: str
        parts: tuple[int, ...]

    class Bare:
        def __init__(self) -> None:
            self._x = [np.int64(3)]

    value = {"a": [1, (2.5, None, True)], 3: {}, "t": Thing("x", (1, 2)), "b": Bare(), "e": [], "s": np.float32(2)}
    assert plain(value) == {
        "a": [1, [2.5, None, True]], "3": {}, "t": {"name": "x", "parts": [1, 2]}, "b": {"x": ["3"]}, "e": [],
        "s": "2.0",
    }  # fmt: skip


def test_rows_with_a_deep_field_are_read(tmp_path: Path) -> None:
    from pymilvus import DataType

    with open_store(str(tmp_path / "deep.db")) as store:
        schema = store.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
        schema.add_field("doc", DataType.JSON)
        index = store.client.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="L2")
        store.client.create_collection("deep", schema=schema, index_params=index, timeout=20)
        vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
        made = [{"id": i, "vector": vectors[i], "doc": nested(LEVELS)} for i in range(20)]
        store.client.insert("deep", made, timeout=20)
        store.client.flush("deep", timeout=20)
        store.client.load_collection("deep", timeout=20)
        page = rows.browse(store, "deep", limit=5)
        assert len(page) == 5
        assert all(depth(row["doc"]) == DEEPEST for row in page)
        assert CUT in rows.table_cell(page[0]["doc"])
        assert recall(store, "deep", k=3, queries=5)["rows"]
        entry = inspect(store, "deep")["collections"][0]
        assert vector_health.examine(store, entry, "vector").rows == 20
