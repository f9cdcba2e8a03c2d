"""Every parameter of an index for a reader: its value, who says so, and what it does.

Invariants: build and search parameters are all listed, also those that an engine does not tell; parameters of the other
families of indexes are listed as absent, so that nobody searches for HNSW's nlist. What they mean:
https://milvus.io/docs/index-explained.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lib.documents.inspect import IndexDocument
from lib.store.index_types import HNSW, LITE_STATE_NOTE, search_parameters

# Who says what a parameter's value is.
REPORTED: Final = "reported by the engine"
DEFAULT: Final = "default of the engine"
AT_CREATION: Final = "set by Petalscope at creation"
PER_SEARCH: Final = "given with each search"
NOT_EXPOSED: Final = "not exposed"
ABSENT: Final = "does not apply"
_SOURCES: Final = {"reported": REPORTED, "default": DEFAULT, "not exposed": NOT_EXPOSED}

_TYPES: Final[Mapping[str, str]] = {
    "FLAT": "No structure: every search compares all rows, so recall is 1.",
    "BRUTE_FORCE": "No structure: every search compares all rows, so recall is 1.",
    "BIN_FLAT": "No structure: every search compares all rows, so recall is 1.",
    "AUTOINDEX": "The engine chooses the index; Milvus Lite takes HNSW.",
    "IVF_FLAT": "Rows in k-means cells; a search scans only the nearest cells. Approximate.",
    "IVF_SQ8": "As IVF_FLAT, with each number stored in 8 bits.",
    "IVF_PQ": "As IVF_FLAT, with vectors stored as product-quantised codes.",
    "IVF_RABITQ": "As IVF_FLAT, with one bit for each number.",
    "BIN_IVF_FLAT": "Binary rows in cells; a search scans only the nearest cells. Approximate.",
    "HNSW": "A graph that links near rows; a search walks along the links. Approximate.",
    "HNSW_SQ": "As HNSW, with each number stored in 8 bits.",
    "HNSW_PQ": "As HNSW, with vectors stored as product-quantised codes.",
    "HNSW_PRQ": "As HNSW, with vectors stored as residual product-quantised codes.",
    "SCANN": "Rows in cells, with 4-bit codes that are compared fast. Approximate.",
    "DISKANN": "A graph on disk, with small codes in memory. Approximate.",
    "SPARSE_INVERTED_INDEX": "For each dimension the rows that have it.",
    "SPARSE_WAND": "For each dimension the rows that have it, skipping rows that cannot win.",
    "INVERTED": "For each value the rows that have it: makes filters fast.",
}
_METRICS: Final[Mapping[str, str]] = {
    "COSINE": "Cosine of the angle between two vectors: larger = closer.",
    "L2": "Squared Euclidean distance: smaller = closer.",
    "IP": "Inner product: larger = closer.",
    "BM25": "Relevance of texts: larger = closer.",
    "HAMMING": "Number of bits that differ: smaller = closer.",
    "JACCARD": "Share of set bits that differ: smaller = closer.",
}
_BUILD: Final[Mapping[str, str]] = {
    "M": "Links of each row in the graph. More: higher recall, more memory.",
    "efConstruction": "Candidates kept while the graph is built. More: a better graph, a slower build.",
    "nlist": "Number of cells. More: smaller cells, so each probe scans fewer rows.",
    "m": "Parts into which a vector is cut before it is coded.",
    "nbits": "Bits of the code of each part.",
    "nrq": "Residual quantisers, one after the other.",
    "sq_type": "How a number is stored in fewer bits.",
    "refine": "Whether more precise vectors are kept to order the results again.",
    "refine_type": "The precision of those vectors.",
    "with_raw_data": "Whether the full vectors are kept beside the codes.",
    "inverted_index_algo": "How the lists of rows are merged.",
    "drop_ratio_build": "Share of the smallest numbers left out of the index.",
    "intermediate_graph_degree": "Links of each row before the graph is pruned.",
    "graph_degree": "Links of each row in the graph.",
    "build_algo": "How the first graph is made.",
    "cache_dataset_on_device": "Whether the full vectors stay in the GPU's memory.",
}
_SEARCH: Final[Mapping[str, str]] = {
    "ef": "Candidates kept while the graph is searched. More: higher recall, slower.",
    "nprobe": "Cells that a search scans. More: higher recall, slower.",
    "search_list": "Candidates kept while the graph is searched. More: higher recall, slower.",
    "drop_ratio_search": "Share of the query's smallest numbers left out. More: faster, lower recall.",
}
_GRAPH, _CELLS = "M, efConstruction, ef", "nlist, nprobe"


@dataclass(frozen=True)
class IndexParameter:
    """One parameter: `value` as text, `source` (one of this module's constants), and one line on what it does."""

    name: str
    value: str
    source: str
    about: str


def index_parameters(
    index: IndexDocument, *, lite: bool, searched_with: Mapping[str, Any] | None = None, made_here: bool = False
) -> list[IndexParameter]:
    """Every parameter of an index, those of building first.

    `made_here` is whether Petalscope created the collection, whose build parameters it therefore knows where the engine
    does not tell them; `searched_with` are the search parameters of its own searches.
    """
    kind, metric = index["index_type"], index["metric_type"]
    parameters = [IndexParameter("index_type", kind, REPORTED, _TYPES.get(kind, ""))]
    if index.get("pretended"):
        about = "Only a name: Milvus Lite does not build it, and every search compares all rows. Recall is 1."
        parameters = [IndexParameter("index_type", kind, REPORTED, about)]
    if metric:
        parameters.append(IndexParameter("metric_type", metric, REPORTED, _METRICS.get(metric, "")))
    for name in dict.fromkeys([*index["source"], *index["params"]]):
        parameters.append(_build_parameter(index, name, made_here))
    for parameter in search_parameters(index, 10, lite=lite):
        used = (searched_with or {}).get(parameter.name)
        value = f"{used} or more in Petalscope's searches" if used is not None else "set by each search"
        parameters.append(IndexParameter(parameter.name, value, PER_SEARCH, _SEARCH.get(parameter.name, "")))
    if metric:
        parameters += _absent(index, lite=lite)
    return [*parameters, _state(index, lite=lite)]


def _build_parameter(index: IndexDocument, name: str, made_here: bool) -> IndexParameter:
    value, source = index["params"].get(name), _SOURCES[index["source"].get(name, "reported")]
    ours: Mapping[str, Any] = HNSW["params"] if made_here and index["index_type"] == HNSW["index_type"] else {}
    if source == NOT_EXPOSED and name in ours:
        value, source = ours[name], AT_CREATION
    about = _BUILD.get(name, "Not a parameter that Petalscope knows; as the engine reports it.")
    return IndexParameter(name, NOT_EXPOSED if value is None else str(value), source, about)


def _absent(index: IndexDocument, *, lite: bool) -> list[IndexParameter]:
    """The parameters of other families of indexes, which this one does not have."""
    kind = index["index_type"]
    if index.get("pretended") or kind in {"FLAT", "BRUTE_FORCE", "BIN_FLAT"}:
        about = "Nothing to set: there are neither links nor cells, every search compares all rows."
        return [IndexParameter(f"{_GRAPH}, {_CELLS}", "none", ABSENT, about)]
    if kind.startswith("HNSW") or (kind == "AUTOINDEX" and lite):
        about = f"Cells belong to IVF indexes; {kind if kind != 'AUTOINDEX' else 'HNSW'} is a graph and has none."
        return [IndexParameter(_CELLS, "none", ABSENT, about)]
    if "IVF" in kind or kind == "SCANN":
        return [IndexParameter(_GRAPH, "none", ABSENT, f"Links belong to HNSW's graph; {kind} has none.")]
    return []


def _state(index: IndexDocument, *, lite: bool) -> IndexParameter:
    """Whether the index is built, and over how many rows, as the engine reports it."""
    state, rows = index["state"], index["rows"]
    value = state or NOT_EXPOSED
    if "indexed_rows" in rows:
        value += f", {rows['indexed_rows']:,}" + (f" of {rows['total_rows']:,}" if "total_rows" in rows else "")
        value += f" rows, {rows['pending_index_rows']:,} pending" if rows.get("pending_index_rows") else " rows"
    about = LITE_STATE_NOTE if lite else "Whether the index is built. Rows that were not flushed use no index."
    return IndexParameter("state", value, REPORTED if state else NOT_EXPOSED, index.get("state_note", about))
