"""Everything that is specific to an index type: build and search parameters, engines that build it, and its size.

A new index type is added in this module alone. Build parameters: https://milvus.io/docs/index-explained.md. Defaults of
Milvus Lite: its source, milvus_lite/index. Size formulas: the layouts of faiss and hnswlib, with which Milvus builds;
allocators and the query node's own needs come on top, so plan a quarter more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lib.documents.inspect import IndexDocument, ParameterSource
from lib.store.connection import Store
from lib.store.plain_values import parse_json, parse_number, plain

# What Milvus Lite 3.2 builds. It accepts more names, reports them as finished, and scans every row.
LITE_INDEXES: Final = frozenset({"FLAT", "BRUTE_FORCE", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ", "AUTOINDEX"})

HNSW: Final[Mapping[str, Any]] = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}

# Index types that can be built over float vectors, with the build parameters to start from.
TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "FLAT": {},
    "IVF_FLAT": {"nlist": 64},
    "IVF_SQ8": {"nlist": 64},
    "HNSW": {"M": 16, "efConstruction": 200},
    "HNSW_SQ": {"M": 16, "efConstruction": 200, "sq_type": "SQ8"},
    "IVF_PQ": {"nlist": 64, "m": 16, "nbits": 8},
    "SCANN": {"nlist": 64},
    "DISKANN": {},
}

# Every build parameter of an index type, on any engine.
BUILD_PARAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "FLAT": (),
    "BRUTE_FORCE": (),
    "AUTOINDEX": ("M", "efConstruction"),
    "IVF_FLAT": ("nlist",),
    "IVF_SQ8": ("nlist",),
    "IVF_PQ": ("nlist", "m", "nbits"),
    "IVF_RABITQ": ("nlist", "refine", "refine_type"),
    "HNSW": ("M", "efConstruction"),
    "HNSW_SQ": ("M", "efConstruction", "sq_type", "refine", "refine_type"),
    "HNSW_PQ": ("M", "efConstruction", "m", "nbits", "refine", "refine_type"),
    "HNSW_PRQ": ("M", "efConstruction", "m", "nrq", "nbits", "refine", "refine_type"),
    "SCANN": ("nlist", "with_raw_data"),
    "DISKANN": (),
    "GPU_BRUTE_FORCE": (),
    "GPU_IVF_FLAT": ("nlist", "cache_dataset_on_device"),
    "GPU_IVF_PQ": ("nlist", "m", "nbits", "cache_dataset_on_device"),
    "GPU_CAGRA": ("intermediate_graph_degree", "graph_degree", "build_algo", "cache_dataset_on_device"),
    "BIN_FLAT": (),
    "BIN_IVF_FLAT": ("nlist",),
    "SPARSE_INVERTED_INDEX": ("inverted_index_algo", "drop_ratio_build"),
    "SPARSE_WAND": ("drop_ratio_build",),
}

# The defaults of Milvus Lite 3.2, which it also uses for parameters that it dropped.
LITE_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AUTOINDEX": {"M": 16, "efConstruction": 200},
    "HNSW": {"M": 16, "efConstruction": 200},
    "HNSW_SQ": {"M": 16, "efConstruction": 200, "sq_type": "SQ8", "refine": False},
    "IVF_FLAT": {"nlist": 128},
    "IVF_SQ8": {"nlist": 128},
    "SPARSE_INVERTED_INDEX": {"inverted_index_algo": "TAAT_NAIVE", "drop_ratio_build": 0},
}

# Bytes of one number of a vector field.
WIDTH: Final[Mapping[str, float]] = {
    "FLOAT_VECTOR": 4,
    "FLOAT16_VECTOR": 2,
    "BFLOAT16_VECTOR": 2,
    "INT8_VECTOR": 1,
    "BINARY_VECTOR": 1 / 8,
}

# Keys of a `describe_index` reply that are not build parameters.
_NO_PARAMS: Final = frozenset(
    {
        "index_type",
        "metric_type",
        "field_name",
        "index_name",
        "total_rows",
        "indexed_rows",
        "pending_index_rows",
        "state",
        "search_params",
        "index_state_fail_reason",
    }
)
_SCALAR_ON_LITE: Final = frozenset({"INVERTED"})
LITE_STATE_NOTE: Final = "Milvus Lite always reports Finished and counts every row as indexed; it measures neither."
_DISKANN_SHARE: Final = 1 / 8  # of the raw vectors, kept in memory as product codes (PQCodeBudgetGBRatio)


@dataclass(frozen=True)
class SearchParameter:
    """A search parameter of an index type: its name, its effect, and its useful range."""

    name: str
    help: str
    least: float
    most: float
    default: float


@dataclass(frozen=True)
class IndexSize:
    """`memory` and `disk` in bytes, None without a formula; `formula` in words."""

    memory: int | None
    disk: int | None
    formula: str


def buildable_types(store: Store) -> tuple[list[str], dict[str, str]]:
    """The index types that this engine builds over float vectors; and for others, why it does not."""
    if store.engine == "lite":
        why = "Milvus Lite takes the name, reports it as finished, and searches every row without an index"
        refused = dict.fromkeys(("IVF_PQ", "SCANN", "DISKANN", "HNSW_PQ", "IVF_RABITQ", "GPU_CAGRA"), why)
        return [kind for kind in TYPES if kind in LITE_INDEXES], refused
    if store.cloud:
        return ["AUTOINDEX"], dict.fromkeys(TYPES, "Zilliz Cloud builds AUTOINDEX only")
    built = [kind for kind in TYPES if kind != "HNSW_SQ" or store.version_info >= (2, 5)]
    too_new = {} if "HNSW_SQ" in built else {"HNSW_SQ": "needs Milvus 2.5"}
    return built, too_new | {"GPU_CAGRA": "needs a server that is built for GPUs"}


def search_parameters(index: IndexDocument | None, limit: int, *, lite: bool) -> list[SearchParameter]:
    """The search parameters that an index obeys, for `limit` results."""
    if index is None or index.get("pretended"):
        return []
    kind, params = index["index_type"], index["params"]
    if kind.startswith("HNSW") or (kind == "AUTOINDEX" and lite):
        most = max(1024, 4 * limit)
        effect = "How many candidates the graph search keeps; at least as many as the results."
        return [SearchParameter("ef", effect, limit, most, min(most, max(128, 2 * limit)))]
    if kind.startswith("IVF") or kind in {"SCANN", "BIN_IVF_FLAT"}:
        cells = int(params.get("nlist") or 128)
        return [SearchParameter("nprobe", f"How many of the {cells} cells are searched.", 1, cells, min(16, cells))]
    if kind == "DISKANN":
        most = max(1024, 4 * limit)
        return [SearchParameter("search_list", "How many candidates are kept.", limit, most, 2 * limit)]
    if kind.startswith("SPARSE"):
        effect = "The share of the query's smallest numbers to leave out."
        return [SearchParameter("drop_ratio_search", effect, 0.0, 0.9, 0)]
    return []


def index_document(raw: Mapping[str, Any], *, lite: bool) -> IndexDocument:
    """One `describe_index` reply in the form of `inspect`.

    Lite answers `{"params": {"M": 16}}`, servers `{"M": "16"}` or `{"params": "{…}"}`; all become flat `params`.
    """
    kind = str(raw.get("index_type") or "").upper()
    metric = str(raw.get("metric_type") or "")
    params = _flat({key: value for key, value in raw.items() if key not in _NO_PARAMS})
    source: dict[str, ParameterSource] = dict.fromkeys(params, "reported")
    # A scalar field's AUTOINDEX has a scalar index behind it; only vectors have a metric.
    expected = () if kind == "AUTOINDEX" and metric in {"", "NONE"} else BUILD_PARAMS.get(kind, ())
    built = not lite or kind in LITE_INDEXES | _SCALAR_ON_LITE or kind == "SPARSE_INVERTED_INDEX"
    defaults = LITE_DEFAULTS.get(kind, {}) if lite else {}
    for param in expected:
        if param in params:
            continue
        if param in defaults:
            params[param], source[param] = defaults[param], "default"
        else:
            source[param] = "not exposed"
    counts = ("total_rows", "indexed_rows", "pending_index_rows")
    document: IndexDocument = {
        "field": str(raw.get("field_name") or ""),
        "name": str(raw.get("index_name") or ""),
        "index_type": kind,
        "metric_type": "" if metric == "NONE" else metric,
        "params": params,
        "state": str(raw.get("state") or "") or None,
        "source": source,
        "rows": {key: parse_number(raw[key]) for key in counts if key in raw},
        "raw": plain(raw),
    }
    if lite:
        document["state_note"] = LITE_STATE_NOTE
    if not built:
        document["pretended"] = True
        document["warning"] = (
            f"Milvus Lite does not build {kind}: it keeps the name and its parameters, searches every row without an "
            "index, and does not load the collection again once it is released. Drop this index."
        )
    elif lite and kind == "AUTOINDEX" and expected:
        document["state_note"] = f"{LITE_STATE_NOTE} Its AUTOINDEX is HNSW."
    elif lite and kind == "HNSW_SQ" and source.get("sq_type") == "reported" and params["sq_type"] != "SQ8":
        document["warning"] = "Milvus Lite quantises HNSW_SQ to 8 bits, whatever sq_type is reported."
    return document


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Nested or textual parameters as one level of names, numbers as numbers."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        nested = parse_json(value) if key == "params" else value
        if isinstance(nested, Mapping):
            flat.update(_flat(nested))
        elif nested != "":
            flat[str(key)] = parse_number(plain(nested))
    return flat


def estimated_size(
    kind: str, field_type: str, rows: int, dim: int | None, params: Mapping[str, Any], *, lite: bool
) -> IndexSize:
    """The size of an index of type `kind` over `rows` vectors of `dim` numbers; `params` are its build parameters."""
    width = WIDTH.get(field_type)
    if width is None or dim is None:
        return IndexSize(None, None, "depends on how many numbers of a vector are not zero")
    kind = "HNSW" if kind == "AUTOINDEX" and lite else kind
    raw, raw_text = rows * dim * width, f"{width:g}·dim"
    cells = _whole(params, "nlist", 128) * dim * 4 + rows * 8  # the cells' centres, and each row's id in its cell
    links = rows * (8 * _whole(params, "M", 16) + 16)  # two times M neighbours of 4 bytes, and the upper levels
    diskann = f"rows × {raw_text} ÷ 8 in memory; vectors, graph on disk"
    sizes: dict[str, tuple[float, float, str]] = {
        "FLAT": (raw, raw, f"rows × {raw_text}"),
        "IVF_FLAT": (raw + cells, raw + cells, f"rows × ({raw_text} + 8) + nlist × 4·dim"),
        "IVF_SQ8": (rows * dim + cells, rows * dim + cells, "rows × (dim + 8) + nlist × 4·dim"),
        "HNSW": (raw + links, raw + links, f"rows × ({raw_text} + 8·M + 16)"),
        "HNSW_SQ": (rows * dim + links, rows * dim + links, "rows × (dim + 8·M + 16)"),
        "DISKANN": (raw * _DISKANN_SHARE, raw + rows * 4 * 56, diskann),
    }
    sizes["BRUTE_FORCE"] = sizes["BIN_FLAT"] = sizes["FLAT"]
    sizes["BIN_IVF_FLAT"] = sizes["IVF_FLAT"]
    if kind == "IVF_PQ":
        m, bits = _whole(params, "m", max(1, dim // 4)), _whole(params, "nbits", 8)
        total = rows * m * bits / 8 + 2**bits * dim * 4 + cells
        sizes[kind] = (total, total, "rows × (m·nbits ÷ 8 + 8) + 2^nbits × 4·dim + nlist × 4·dim")
    if kind == "SCANN":
        with_raw = bool(params.get("with_raw_data", True))
        total = rows * dim / 4 + cells + (raw if with_raw else 0)
        sizes[kind] = (total, total, f"rows × (dim ÷ 4{' + ' + raw_text if with_raw else ''} + 8) + nlist × 4·dim")
    if kind not in sizes:
        return IndexSize(None, None, f"no formula for {kind}")
    memory, disk, formula = sizes[kind]
    return IndexSize(round(memory), round(disk), formula)


def _whole(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name)
    return int(value) if isinstance(value, int | float) else default


def format_bytes(count: float | None) -> str:
    """Bytes for the screen: `512 B`, `8.3 MB`."""
    if count is None:
        return "not known"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
