"""Files of vectors: every format gives the same rows, and nothing odd is believed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file

from lib import limits
from lib.data import vector_files, vector_tables
from lib.data.vector_tables import VectorFile
from lib.errors import QueryError, Remedy

VECTORS = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
IDS = [f"rose/{number}.jpg" for number in range(7)]


def _save(folder: Path, ending: str) -> Path:
    path = folder / f"vectors.{ending}"
    if ending == "npy":
        np.save(path, VECTORS)
    elif ending == "npz":
        np.savez_compressed(path, embeddings=VECTORS, ids=np.array(IDS))
    elif ending == "safetensors":
        save_file({"embeddings": VECTORS}, path, metadata={"ids": json.dumps(IDS)})
    elif ending == "parquet":
        parquet.write_table(pa.table({"path": IDS, "label": ["x"] * 7, "vector": list(VECTORS)}), path)
    elif ending == "csv":
        rows = [",".join([name, *(f"{value:.9g}" for value in row)]) for name, row in zip(IDS, VECTORS, strict=True)]
        path.write_text("\n".join(["filename,a,b,c,d,e", *rows]) + "\n", encoding="utf-8")
    else:
        lines = [f"{name}\t{row.tolist()}" for name, row in zip(IDS, VECTORS, strict=True)]
        path.write_text("\n".join(["id\tembedding", *lines]), encoding="utf-8-sig")
    return path


def _all(file: VectorFile) -> np.ndarray:
    return np.concatenate(list(file.blocks()))


@pytest.mark.parametrize("ending", vector_files.ENDINGS)
def test_every_format_gives_the_same_rows_in_blocks(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_tables, "BLOCK", 10)  # two rows
    found = vector_files.open_file(_save(tmp_path, ending))
    assert (found.rows, found.dim) == (7, 5)
    assert found.keys == (None if ending == "npy" else IDS)
    assert _all(found) == pytest.approx(VECTORS, rel=1e-6)
    if ending in {"npy", "npz", "safetensors"}:
        assert max(map(len, found.blocks())) == 2
    assert _all(found) == pytest.approx(VECTORS, rel=1e-6)  # a second reading begins anew


def test_numbers_of_other_types_are_named(tmp_path: Path) -> None:
    for kind in ("float16", "float64", "int8", "uint8", "int64", ">f4"):
        np.save(tmp_path / "v.npy", (VECTORS * 10).astype(kind))
        found = vector_files.open_file(tmp_path / "v.npy")
        assert found.dtype == np.dtype(kind).name
        assert _all(found).astype(np.float32) == pytest.approx((VECTORS * 10).astype(kind).astype(np.float32))
    half = pa.array([row.astype(np.float16).tolist() for row in VECTORS], pa.list_(pa.float16()))
    parquet.write_table(pa.table({"id": IDS, "vector": half}), tmp_path / "v.parquet")
    assert vector_files.open_file(tmp_path / "v.parquet").dtype == "float16"


def test_tables_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("1,2.5\n3,4\n", encoding="utf-8")
    found = vector_files.open_file(tmp_path / "n.csv")
    assert found.keys is None and _all(found).tolist() == [[1, 2.5], [3, 4]]
    (tmp_path / "k.csv").write_text("a.jpg;1;2.5\nb.jpg;3;4\n", encoding="utf-8")
    found = vector_files.open_file(tmp_path / "k.csv")
    assert found.keys == ["a.jpg", "b.jpg"] and _all(found).tolist() == [[1, 2.5], [3, 4]]


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2], "who": ["a", "b"], "x": [[1.0, 2.0], [3.0, 4.0]], "y": [[5.0], [6.0]]})
    parquet.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(QueryError, match="several columns of lists, x and y") as caught:
        vector_files.open_file(tmp_path / "v.parquet")
    assert caught.value.remedy is Remedy.NAME_VECTORS
    found = vector_files.open_file(tmp_path / "v.parquet", vectors="y", ids="who")
    assert found.keys == ["a", "b"] and _all(found).tolist() == [[5], [6]]
    with pytest.raises(QueryError, match="has no z, only n, who, x and y"):
        vector_files.open_file(tmp_path / "v.parquet", vectors="z")


def _bad(folder: Path) -> dict[str, str]:
    """Files that hold no vectors, by name, and what is said of each."""
    np.save(folder / "cube.npy", np.zeros((2, 2, 2)))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "empty.npy", np.zeros((0, 4)))
    np.savez(folder / "fortran.npz", vectors=np.asfortranarray(np.ones((4, 3))))
    np.save(folder / "pickled.npy", np.array([{"a": 1}, None], dtype=object))
    np.savez(folder / "pickled.npz", vectors=VECTORS, ids=np.array(IDS, dtype=object))
    (folder / "raw.npy").write_bytes(pickle.dumps(VECTORS))
    whole = _save(folder, "npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:-8])
    whole = _save(folder, "npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    whole = _save(folder, "parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[:-20])
    (folder / "noise.safetensors").write_bytes(b"\xff" * 64)
    (folder / "words.csv").write_text("id,word\na,b\n", encoding="utf-8")
    (folder / "twice.csv").write_text("id,x,x\na,1,2\n", encoding="utf-8")
    (folder / "ragged.csv").write_text("id,x,y\na,1,2\nb,3\n", encoding="utf-8")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    lists = pa.table({"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0]]})
    parquet.write_table(lists, folder / "ragged.parquet")
    (folder / "vectors.pkl").write_bytes(b"")
    return {
        "cube.npy": "shape",
        "words.npy": "not numbers",
        "empty.npy": "no vectors",
        "fortran.npz": "by columns",
        "pickled.npy": "cannot be read",
        "pickled.npz": "no list of texts|cannot be read|not numbers|.*",
        "raw.npy": "cannot be read",
        "cut.npy": "cannot be read",
        "cut.npz": "cannot be read",
        "cut.parquet": "cannot be read",
        "noise.safetensors": "cannot be read",
        "words.csv": "no column of numbers",
        "twice.csv": "two columns of one name",
        "ragged.csv": "cannot be read",
        "binary.csv": "is not a table in text",
        "ragged.parquet": "different lengths",
        "vectors.pkl": "is no file of vectors",
        "missing.npy": "is not a file",
    }


def test_what_is_no_table_of_numbers_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for name, sentence in _bad(tmp_path).items():
        if name == "pickled.npz":  # its vectors are sound, its ids are not looked at
            assert vector_files.open_file(tmp_path / name).keys is None
            continue
        with pytest.raises(QueryError, match=sentence):
            _all(vector_files.open_file(tmp_path / name))


def test_what_a_file_declares_is_checked_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ending in ("npy", "npz", "safetensors", "parquet", "csv"):
        path = _save(tmp_path, ending)
        for name, words in (("VECTOR_ROWS", "7 rows"), ("VECTOR_DIMENSIONS", "5 dimensions")):
            with monkeypatch.context() as patch:
                patch.setattr(limits, name, 4)
                with pytest.raises(QueryError, match=f"{words}; at most 4 are read"):
                    vector_files.open_file(path)
    monkeypatch.setattr(limits, "VECTOR_FILE_BYTES", 100)
    with pytest.raises(QueryError, match="GB"):
        vector_files.open_file(tmp_path / "vectors.npy")


def test_one_vector_is_a_query(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", np.array([1.0, 2.0]))
    assert vector_files.query_vector(tmp_path / "q.npy").tolist() == [1, 2]
    np.save(tmp_path / "q.npy", np.array([1.0, np.nan]))
    with pytest.raises(QueryError, match="NaN"):
        vector_files.query_vector(tmp_path / "q.npy")
    np.save(tmp_path / "q.npy", VECTORS)
    with pytest.raises(QueryError, match="7 vectors; a query is one"):
        vector_files.query_vector(tmp_path / "q.npy")
