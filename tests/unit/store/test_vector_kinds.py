"""Binary, float16, bfloat16 and int8 vectors, which Milvus Lite does not have: through answers recorded as a server
gives them, decoded by pymilvus itself (see `recorded`), against plain NumPy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus.grpc_gen import common_pb2

from lib.errors import QueryError
from lib.settings import Settings
from lib.store import export, field_search, index_types, plain_values, rows, vector_health
from lib.store import inspect as reader
from lib.store.connection import Store, open_store
from tests.helpers import recorded_servers

NARROW = {"half": "FLOAT16_VECTOR", "brain": "BFLOAT16_VECTOR", "whole": "INT8_VECTOR", "bits": "BINARY_VECTOR"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, recorded_servers.Recorded]]:
    with recorded_servers.serving() as result:
        yield result


@pytest.fixture(scope="module")
def store(server: tuple[int, recorded_servers.Recorded]) -> Iterator[Store]:
    with open_store(f"http://127.0.0.1:{server[0]}") as opened:
        yield opened


@pytest.fixture(scope="module")
def entry(store: Store) -> dict[str, Any]:
    return dict(reader.inspect(store, "kinds")["collections"][0])


def test_the_recorded_shapes_are_what_pymilvus_returns(store: Store) -> None:
    """What `decoding` is written against: float lists, and all narrower kinds as bytes in a list of one."""
    raw = store.client.query("kinds", filter="", output_fields=list(recorded_servers.KINDS), limit=1, timeout=10)[0]
    assert isinstance(raw["plain"], list)
    assert all(isinstance(number, float) for number in raw["plain"])
    for name, row in recorded_servers.vectors().items():
        if name in NARROW:
            assert raw[name] == [recorded_servers.packed(name, row[:1])]


def test_schema_and_indexes(entry: dict[str, Any]) -> None:
    fields = {field["name"]: (field["type"], field["dim"]) for field in entry["fields"]}
    expected = {name: (kind, recorded_servers.DIM) for name, kind in {"plain": "FLOAT_VECTOR", **NARROW}.items()}
    assert fields == {"key": ("INT64", None), "label": ("VARCHAR", None), **expected}
    assert {index["field"]: index["metric_type"] for index in entry["indexes"]} == recorded_servers.METRICS
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry


def test_sizes_count_the_width_of_a_number(entry: dict[str, Any]) -> None:
    widths = {"plain": 64, "half": 32, "brain": 32, "whole": 16, "bits": 2}
    for field in entry["fields"]:
        if field["name"] in widths:
            size = index_types.estimated_size(
                "FLAT", field["type"], recorded_servers.ROWS, field["dim"], {}, lite=False
            )
            assert size.memory == recorded_servers.ROWS * widths[field["name"]]


@pytest.mark.parametrize("name", list(recorded_servers.KINDS))
def test_rows_hold_numbers_not_bytes(store: Store, name: str) -> None:
    expected = recorded_servers.vectors()[name]
    read_rows = [row for page in rows.pages(store, "kinds", vectors=[name], size=15) for row in page]
    assert np.array_equal(np.array([row[name] for row in read_rows], dtype=np.float32), expected, equal_nan=True)
    (one,) = rows.by_keys(store, "kinds", [9], vectors=[name])
    assert rows.vector_facts(one[name])["norm"] == pytest.approx(float(np.linalg.norm(expected[9].astype(np.float64))))
    keys, vectors, _ = rows.sample(store, "kinds", name, 12)
    assert keys == list(range(12))
    assert np.array_equal(vectors, expected[:12], equal_nan=True)


@pytest.mark.parametrize("name", list(recorded_servers.KINDS))
def test_health(store: Store, entry: dict[str, Any], name: str) -> None:
    measured = vector_health.examine(store, entry, name, by="label")
    expected = recorded_servers.vectors()[name]
    sound = expected[np.isfinite(expected).all(axis=1)]
    assert measured.norms == pytest.approx(np.linalg.norm(sound.astype(np.float64), axis=1))
    assert (measured.rows, measured.dim) == (recorded_servers.ROWS, recorded_servers.DIM)
    assert measured.values == {"even": recorded_servers.ROWS // 2, "odd": recorded_servers.ROWS // 2}
    if name in {"half", "brain"}:
        assert (measured.keys["broken"], measured.keys["zero"]) == (
            [str(recorded_servers.BROKEN)],
            [str(recorded_servers.ZERO)],
        )
        assert measured.duplicates == [[str(recorded_servers.COPY - 1), str(recorded_servers.COPY)]]


@pytest.mark.parametrize("name", list(recorded_servers.KINDS))
def test_a_search_sends_the_fields_own_kind(
    store: Store, entry: dict[str, Any], server: tuple[int, recorded_servers.Recorded], name: str
) -> None:
    vector = field_search.stored_vector(store, entry, "9", name)
    assert vector.tolist() == recorded_servers.vectors()[name][9].tolist()
    results = field_search.search(store, entry, name, vector, limit=3, output_fields=["label"], leave_out="1")
    assert [row["key"] for row in results.rows] == [0, 2, 3]
    assert results.metric == recorded_servers.METRICS[name]
    kinds = {
        "plain": common_pb2.FloatVector,
        "half": common_pb2.Float16Vector,
        "brain": common_pb2.BFloat16Vector,
        "whole": common_pb2.Int8Vector,
        "bits": common_pb2.BinaryVector,
    }
    sent = recorded_servers.vectors()[name][9:10]
    assert server[1].searched[-1] == (
        kinds[name],
        sent.tobytes() if name == "plain" else recorded_servers.packed(name, sent),
    )
    if name in NARROW:
        assert f'bytes.fromhex("{recorded_servers.packed(name, sent).hex()}")' in results.code


def test_bfloat16_queries_are_rounded_to_the_nearest() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    back = np.array(
        plain_values.decode_vector("BFLOAT16_VECTOR", plain_values.encode_query("BFLOAT16_VECTOR", values)),
        dtype=np.float32,
    )
    assert not (back.view(np.uint32) & 0xFFFF).any()
    # The two bfloat16 around a number are what is left of it without its lower half, and one step further from zero.
    inner = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    outer = ((values.view(np.uint32) & 0xFFFF0000) + 0x10000).view(np.float32)
    assert (np.abs(back - values) == np.minimum(np.abs(inner - values), np.abs(outer - values))).all()


@pytest.mark.parametrize(
    ("kind", "numbers", "why"),
    [
        ("INT8_VECTOR", [0.5, 1], "whole numbers"),
        ("INT8_VECTOR", [200, 1], "whole numbers"),
        ("BINARY_VECTOR", [0, 2], "only 0 and 1"),
        ("FLOAT16_VECTOR", [1e6, 0], "up to 65504"),
    ],
)
def test_what_a_kind_cannot_hold_is_refused(kind: str, numbers: list[float], why: str) -> None:
    with pytest.raises(QueryError, match=why):
        plain_values.encode_query(kind, np.array(numbers, dtype=np.float32))


def test_null_and_float_vectors_pass_unchanged() -> None:
    assert plain_values.decode_vector("FLOAT16_VECTOR", None) is None
    assert plain_values.decode_vector("FLOAT_VECTOR", [1.0]) == [1.0]
    assert plain_values.decode_vector("SPARSE_FLOAT_VECTOR", {3: 1.0}) == {3: 1.0}


def test_exports_hold_numbers(store: Store, tmp_path: Path) -> None:
    from pyarrow import parquet

    export.export(store, "kinds", tmp_path / "k.parquet", "parquet", vectors=list(recorded_servers.KINDS))
    table = parquet.read_table(tmp_path / "k.parquet")
    for name, expected in recorded_servers.vectors().items():
        assert np.array_equal(np.array(table[name].to_pylist(), dtype=np.float32), expected, equal_nan=True)
    assert str(table.schema.field("bits").type) == "list<element: int8>"


@pytest.mark.parametrize("part", ["schema", "rows", "search", "health", "map"])
def test_the_page_shows_them(
    start: Callable[..., Any], server: tuple[int, recorded_servers.Recorded], tmp_path: Path, part: str
) -> None:
    app = start(Settings(data=tmp_path, artifacts=tmp_path / "none")).switch_page("pages/4_Milvus_Collection.py")
    app.run()
    inputs = {box.label: box for box in app.text_input}
    inputs["Address"].set_value(f"http://127.0.0.1:{server[0]}")
    next(button for button in app.button if button.label == "Connect").click()
    app.run()
    app.query_params["section"] = part
    app.query_params["field"] = "half"
    app.query_params["like"] = "9"
    app.run()
    assert not app.exception, [entry.message for entry in app.exception]
    assert not app.error, [box.value for box in app.error]
    assert not any("did not tell" in box.value for box in app.warning)
    shown = {name for frame in app.dataframe for name in frame.value}
    if part == "schema":
        fields = next(frame.value for frame in app.dataframe if "Type" in frame.value)
        assert set(NARROW.values()) <= set(fields["Type"])
    elif part == "rows":
        app.multiselect(key="row_vectors").set_value(["half", "bits"])
        app.run()
        assert not app.exception
        table = next(frame.value for frame in app.dataframe if "half norm" in frame.value)
        norms = np.linalg.norm(recorded_servers.vectors()["half"].astype(np.float64), axis=1)
        assert table["half norm"].to_numpy(float)[:25] == pytest.approx(norms[:25], nan_ok=True)
        assert table["half NaN or inf"].dropna().to_dict() == {recorded_servers.BROKEN: 1}
        assert list(table["bits"].iloc[0]) == recorded_servers.vectors()["bits"][0].tolist()
    elif part == "search":
        assert {"Rank", "COSINE"} <= shown
    elif part == "health":
        assert {metric.label: metric.value for metric in app.metric}["NaN or inf"] == "1"
    else:
        assert any("PCA of" in caption.value for caption in app.caption)
