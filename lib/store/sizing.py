"""How much memory an index takes, by formula: an estimate, with the formula that made it.

Sources: https://milvus.io/docs/index-explained.md and the layouts of faiss and hnswlib that Milvus builds with.
Allocators and the query node's own needs come on top: plan a quarter more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# Bytes of one number of a vector field.
WIDTH: Final[Mapping[str, float]] = {
    "FLOAT_VECTOR": 4,
    "FLOAT16_VECTOR": 2,
    "BFLOAT16_VECTOR": 2,
    "INT8_VECTOR": 1,
    "BINARY_VECTOR": 1 / 8,
}
_DISKANN_SHARE: Final = 1 / 8  # what Milvus keeps in memory of the raw vectors, as product codes (PQCodeBudgetGBRatio)


@dataclass(frozen=True)
class Size:
    """`memory` and `disk` in bytes, None where no formula tells; `formula` as it may be read."""

    memory: int | None
    disk: int | None
    formula: str


def size(kind: str, field_type: str, rows: int, dim: int | None, params: Mapping[str, Any], *, lite: bool) -> Size:
    """The size of index `kind` over `rows` vectors of `dim` numbers; `params` are its build parameters, flat."""
    width = WIDTH.get(field_type)
    if width is None or dim is None:
        return Size(None, None, "depends on how many numbers of a vector are not zero")
    kind = "HNSW" if kind == "AUTOINDEX" and lite else kind
    raw, shown = rows * dim * width, f"{width:g}·dim"
    cells = _whole(params, "nlist", 128) * dim * 4 + rows * 8  # the cells' centres, and each row's id in its cell
    links = rows * (8 * _whole(params, "M", 16) + 16)  # two times M neighbours of 4 bytes, and the upper levels
    made: dict[str, tuple[float, float, str]] = {
        "FLAT": (raw, raw, f"rows × {shown}"),
        "IVF_FLAT": (raw + cells, raw + cells, f"rows × ({shown} + 8) + nlist × 4·dim"),
        "IVF_SQ8": (rows * dim + cells, rows * dim + cells, "rows × (dim + 8) + nlist × 4·dim"),
        "HNSW": (raw + links, raw + links, f"rows × ({shown} + 8·M + 16)"),
        "HNSW_SQ": (rows * dim + links, rows * dim + links, "rows × (dim + 8·M + 16)"),
        "DISKANN": (raw * _DISKANN_SHARE, raw + rows * 4 * 56, f"rows × {shown} ÷ 8 in memory; vectors, graph on disk"),
    }
    made["BRUTE_FORCE"] = made["BIN_FLAT"] = made["FLAT"]
    made["BIN_IVF_FLAT"] = made["IVF_FLAT"]
    if kind == "IVF_PQ":
        m, bits = _whole(params, "m", max(1, dim // 4)), _whole(params, "nbits", 8)
        total = rows * m * bits / 8 + 2**bits * dim * 4 + cells
        made[kind] = (total, total, "rows × (m·nbits ÷ 8 + 8) + 2^nbits × 4·dim + nlist × 4·dim")
    if kind == "SCANN":
        keeps = bool(params.get("with_raw_data", True))
        total = rows * dim / 4 + cells + (raw if keeps else 0)
        made[kind] = (total, total, f"rows × (dim ÷ 4{' + ' + shown if keeps else ''} + 8) + nlist × 4·dim")
    if kind not in made:
        return Size(None, None, f"no formula for {kind}")
    memory, disk, formula = made[kind]
    return Size(round(memory), round(disk), formula)


def told(count: float | None) -> str:
    """Bytes for the screen: `512 B`, `8.3 MB`."""
    if count is None:
        return "not known"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _whole(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name)
    return int(value) if isinstance(value, int | float) else default
