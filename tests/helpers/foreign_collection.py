"""Collections that other programs might have made, for the inspector's tests: everything a tutorial's does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.store.connection import Store

ROWS = 60
# What must be quoted in an expression, and what `like` takes for a wildcard.
TITLES = ("plain", 'a"b', "a\\b", "a'b", "50%", "a_b", "axb", "é花", "two words", "new\nline")
ODD_KEY = 'odd "key\\'


def vectors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"dense": rng.normal(size=(ROWS, 8)).astype(np.float32), "other": rng.normal(size=(ROWS, 4)).astype("f4")}


def make(store: Store, name: str, *, many_vectors: bool = True) -> list[dict[str, Any]]:
    """A collection with text keys, JSON, an array, dynamic fields, and as many vector fields as the engine takes; gives
    its rows."""
    from pymilvus import DataType

    client = store.client
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=60)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=8)
    if many_vectors:
        schema.add_field("other", DataType.FLOAT_VECTOR, dim=4)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("doc", DataType.JSON)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=5, max_length=20)
    schema.add_field("n", DataType.INT64)
    schema.add_field("score", DataType.DOUBLE)
    schema.add_field("flag", DataType.BOOL)
    schema.add_field("title", DataType.VARCHAR, max_length=60)
    client.create_collection(name, schema=schema, timeout=20)
    columns = vectors()
    data = []
    for i in range(ROWS):
        row: dict[str, Any] = {
            "key": f"k{i:03}",
            "dense": columns["dense"][i],
            "doc": {"a": i, "deep": {"s": TITLES[i % len(TITLES)]}, "list": [i, i + 1]},
            "tags": ["x", "y"] if i % 2 else ["x", "z", 'q"'],
            "n": 2**60 + i,
            "score": i / 4,
            "flag": i % 3 == 0,
            "title": TITLES[i % len(TITLES)],
            "extra": i,
            ODD_KEY: i % 5,
        }
        if many_vectors:
            row |= {"other": columns["other"][i], "words": {i: 0.5, 1000 + i % 7: 0.25}}
        data.append(row)
    client.insert(name, data, timeout=20)
    client.flush(name, timeout=60)
    kinds = [("dense", "HNSW", "COSINE", {"params": {"M": 8, "efConstruction": 64}})]
    if many_vectors:
        kinds += [("other", "FLAT", "L2", {}), ("words", "SPARSE_INVERTED_INDEX", "IP", {})]
    for field, kind, metric, params in kinds:
        index = client.prepare_index_params()
        index.add_index(field, index_type=kind, metric_type=metric, params=params)
        client.create_index(name, index, timeout=60)
    client.load_collection(name, timeout=60)
    return data


SHOP_ROWS = 240
SHOP_TENANTS = ("north", "south", "east")
SHOP_COPY, SHOP_ZERO = 11, 20  # the row whose `image` is that of row 10, and the one whose `image` is all zeros


def shop_vectors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    images = rng.normal(size=(SHOP_ROWS, 16)).astype(np.float32)
    images[SHOP_COPY], images[SHOP_ZERO] = images[SHOP_COPY - 1], 0
    return {"image": images, "text": rng.normal(size=(SHOP_ROWS, 8)).astype(np.float32)}


def make_shop(store: Store, name: str) -> list[int]:
    """A collection whose engine chooses the keys and the partitions, with two dense and two sparse fields, and fields
    that may be null or have a default; gives the keys."""
    from pymilvus import DataType

    client = store.client
    schema = client.create_schema(auto_id=True, enable_dynamic_field=False)
    schema.add_field("pk", DataType.INT64, is_primary=True)
    schema.add_field("tenant", DataType.VARCHAR, max_length=20, is_partition_key=True)
    schema.add_field("image", DataType.FLOAT_VECTOR, dim=16)
    schema.add_field("text", DataType.FLOAT_VECTOR, dim=8)
    for sparse in ("terms", "tokens"):
        schema.add_field(sparse, DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("doc", DataType.JSON, nullable=True)
    schema.add_field("sizes", DataType.ARRAY, element_type=DataType.INT64, max_capacity=5, nullable=True)
    schema.add_field("price", DataType.FLOAT, nullable=True)
    schema.add_field("stock", DataType.INT8, default_value=3)
    client.create_collection(name, schema=schema, timeout=20)
    columns = shop_vectors()
    data = [
        {
            "tenant": SHOP_TENANTS[i % 3],
            "image": columns["image"][i],
            "text": columns["text"][i],
            "terms": {i: 1.0, 5000: 0.5},
            "tokens": {1: 0.25 + i},
            "doc": {"big": 2**60 + i} if i % 4 else None,
            "sizes": [i, i + 1] if i % 5 else None,
            "price": i / 4 if i % 6 else None,
        }
        for i in range(SHOP_ROWS)
    ]
    keys = [int(key) for key in client.insert(name, data, timeout=20)["ids"]]
    client.flush(name, timeout=60)
    for field, kind, metric, params in (
        ("image", "IVF_FLAT", "L2", {"params": {"nlist": 4}}),
        ("text", "HNSW", "COSINE", {"params": {"M": 8, "efConstruction": 64}}),
        ("terms", "SPARSE_INVERTED_INDEX", "IP", {}),
        ("tokens", "SPARSE_INVERTED_INDEX", "IP", {}),
    ):
        index = client.prepare_index_params()
        index.add_index(field, index_type=kind, metric_type=metric, params=params)
        client.create_index(name, index, timeout=60)
    client.load_collection(name, timeout=60)
    return keys
