"""The copy of vectors from elsewhere: projection, odd vectors, and definitions that nobody should believe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib import artifacts
from lib.data import vector_files, vector_ids
from lib.embed import imported_spaces
from lib.errors import QueryError
from lib.prepare.workspace import Workspace


def _write(folder: Path, opened: Workspace, vectors: np.ndarray) -> imported_spaces.Written:
    np.save(folder / "v.npy", vectors)
    catalog, file = opened.catalog(), vector_files.open_file(folder / "v.npy")
    match = vector_ids.match(file.keys, file.rows, catalog, "v.npy")
    return imported_spaces.write(
        folder, "own", catalog, file, match, {"source": "v.npy", "sha256": artifacts.file_hash(folder / "v.npy")}
    )


def test_a_projection_keeps_distances_and_is_the_same_every_time(
    opened: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported_spaces, "MOST_DIMENSIONS", 1_000)
    monkeypatch.setattr(imported_spaces, "PROJECTED", 600)
    vectors = np.random.default_rng(0).normal(size=(61, 5_000)).astype(np.float32)
    written = _write(tmp_path, opened, vectors)
    assert written.definition["projection"] == {"from": 5_000, "to": 600, "seed": 0}
    space = imported_spaces.space_of("own", written.definition, tmp_path)
    assert space.make is not None and "5,000 dimensions" in space.about
    values = space.make(opened.catalog(), []).values
    assert values.shape == (61, 600)
    before, after = (np.linalg.norm(each[:30] - each[30:60], axis=1) for each in (vectors, values))
    assert after == pytest.approx(before, rel=0.25)  # 1 / sqrt(600) is 4 %
    assert np.array_equal(_write(tmp_path, opened, vectors).definition["file"], written.definition["file"])


def test_odd_vectors_are_counted_or_refused(opened: Workspace, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(61, 4))
    vectors[3], vectors[5] = 0, 7
    written = _write(tmp_path, opened, vectors)
    assert (written.zero, written.constant) == ([3], [5])
    ids = opened.catalog().ids
    for odd in (np.nan, np.inf, 1e39):
        vectors[9, 1] = odd
        with pytest.raises(QueryError, match=r"1 photo would have a vector .* NaN, infinite or too large") as caught:
            _write(tmp_path, opened, vectors)
        assert ids[9] in str(caught.value)
    assert len(list((tmp_path / imported_spaces.FOLDER).iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [{"file": "../x"}, {"file": "imports/../.."}, {"file": "spaces/x"}, {"dim": 0}, {"dim": True}, {"files": None}],
)
def test_a_definition_that_is_not_sound_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    definition = {"kind": "imported", "file": "imports/own-1", "dim": 4, "files": {}} | change
    with pytest.raises(QueryError):
        imported_spaces.space_of("own", definition, tmp_path)
