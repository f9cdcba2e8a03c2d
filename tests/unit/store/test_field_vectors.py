"""The vectors of a collection's field, copied into a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lib.errors import QueryError
from lib.prepare import imports, workspace
from lib.prepare.workspace import Workspace
from lib.store import collections, field_vectors


def test_a_field_is_copied_with_its_ids(opened: Workspace, tmp_path: Path) -> None:
    with workspace.open_store(opened.settings, "test") as store:
        base = opened.collection("resnet18")
        seen: list[tuple[int, int | None]] = []
        source = imports.collection_source(
            store, base, "vector", tmp_path, progress=lambda done, total: seen.append((done, total))
        )
        assert seen[-1] == (61, 61)
        by_path = field_vectors.copy(store, base, "", tmp_path / "again.npy", id_field="path")
        with pytest.raises(QueryError, match="no field colour of float vectors; it has vector"):
            field_vectors.copy(store, base, "colour", tmp_path / "x.npy")
        with pytest.raises(QueryError, match="no field colour of ids; it has id"):
            field_vectors.copy(store, base, "vector", tmp_path / "x.npy", id_field="colour")
        assert collections.count_rows(store, base) == 61
    values = dict(zip(source.keys or [], np.load(source.file), strict=True))
    vectors = opened.vectors("resnet18").values
    assert all(np.array_equal(values[name], vectors[row]) for row, name in enumerate(opened.catalog().ids))
    assert sorted(by_path) == sorted(opened.catalog().ids)
    assert base in source.name
