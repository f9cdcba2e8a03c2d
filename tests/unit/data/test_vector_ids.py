"""Ids of vectors and the photos of a catalog: each way of matching, and what is ambiguous."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from lib.data import vector_ids
from lib.data.catalog import Catalog
from lib.errors import QueryError
from lib.prepare.workspace import Workspace


@pytest.fixture(scope="module")
def photos(opened: Workspace) -> Catalog:
    return opened.catalog()


def test_each_way_of_matching_finds_every_photo(photos: Catalog) -> None:
    order = np.random.default_rng(1).permutation(len(photos.ids))
    ways = {
        "path": [photos.ids, [f"./{each}" for each in photos.ids], [f"/x/y/{each}" for each in photos.ids],
                 [each.replace("/", "\\") for each in photos.ids]],
        "file": [[hashlib.sha256(photos.path(each).read_bytes()).hexdigest() for each in photos.ids]],
    }  # fmt: skip
    for how, lists in ways.items():
        for keys in lists:
            found = vector_ids.match([keys[row] for row in order], len(keys), photos, "f")
            assert found.how == how
            assert order[found.rows].tolist() == list(range(len(keys)))
            assert not len(found.extra)
    # Two photos share their pixels, and so their vector.
    unique = list(dict.fromkeys(photos.hashes))
    found = vector_ids.match(unique, len(unique), photos, "f")
    assert found.how == "pixels"
    assert [unique[row] for row in found.rows] == photos.hashes


def test_base_names_match_only_where_they_are_unique(photos: Catalog) -> None:
    # Every class has a 00.jpg, one has a file of its own name.
    keys = ["00.jpg", "03 again.bmp", "nothing.png"]
    found = vector_ids.match(keys, 3, photos, "f")
    assert found.how == "name"
    matched = [photos.ids[place] for place in np.nonzero(found.rows >= 0)[0]]
    assert matched == ["rose/03 again.bmp"]
    assert found.extra.tolist() == [0, 2]
    assert vector_ids.match(["03 again"], 1, photos, "f").how == "stem"


def test_without_ids_the_numbers_must_agree(photos: Catalog) -> None:
    found = vector_ids.match(None, len(photos.ids), photos, "f")
    assert found.how == "order" and found.rows.tolist() == list(range(len(photos.ids)))
    with pytest.raises(QueryError, match="matched by order; but it has 3 vectors and there are 61 photos"):
        vector_ids.match(None, 3, photos, "f")
    with pytest.raises(QueryError, match="3 vectors and 2 ids"):
        vector_ids.match(["a", "b"], 3, photos, "f")


def test_two_vectors_for_one_photo_are_refused(photos: Catalog) -> None:
    for again in (photos.ids[0], f"x/{photos.ids[0]}"):
        with pytest.raises(QueryError, match="more than one vector for the same photo"):
            vector_ids.match([*photos.ids, again], len(photos.ids) + 1, photos, "f")


def test_files_of_ids(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x 1.jpg\n\ny.jpg\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(["x 1.jpg", "y.jpg"]), encoding="utf-8")
    (tmp_path / "a.csv").write_text('n,path\n1,x 1.jpg\n2,"y.jpg"\n', encoding="utf-8")
    np.save(tmp_path / "a.npy", np.array(["x 1.jpg", "y.jpg"]))
    for ending in ("txt", "json", "csv", "npy"):
        assert vector_ids.read_ids(tmp_path / f"a.{ending}") == ["x 1.jpg", "y.jpg"]
    np.save(tmp_path / "b.npy", np.array(["x", None], dtype=object))
    (tmp_path / "b.json").write_text("[" * 100_000, encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    for name in ("b.npy", "b.json", "b.txt"):
        with pytest.raises(QueryError, match="cannot be read as ids"):
            vector_ids.read_ids(tmp_path / name)
