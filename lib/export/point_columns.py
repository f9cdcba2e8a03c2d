"""Points on a plane as the map's script takes them: columns of one message, arrays as base64 of little-endian values.

`lib/view/components/scatter_parts/columns.js` decodes them.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pandas as pd

# With more points than `DENSE`, a map shows their density in `BINS` × `BINS` bins, and `SAMPLE` of them as points.
DENSE, SAMPLE, BINS = 50_000, 20_000, 240
# Points are drawn this large (px) below `MANY` of them, else smaller.
LARGE_POINT, SMALL_POINT, MANY = 6, 4, 20_000
# A part of the message to the browser, as JSON.
Columns = dict[str, Any]


def encoded(values: np.ndarray, dtype: str) -> str:
    """`values` as base64 of their bytes in `dtype`, such as "<f4"."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def place_columns(frame: pd.DataFrame, xy: np.ndarray) -> Columns:
    """Ids, classes and places of the points: all images of a catalog, or a sample above `DENSE`.

    `xy` is (n, 2), row for row with the catalog. The sample is always the same; its rows are in "drawn".
    """
    is_dense = len(frame) > DENSE
    rows = sample_rows(len(frame), SAMPLE if is_dense else len(frame))
    return {**columns_of(frame, xy, rows), "density": _density(xy) if is_dense else None}


def sample_rows(n: int, most: int) -> np.ndarray:
    """Rows of `n`, ascending: all, or a random sample of `most`, always the same."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def columns_of(frame: pd.DataFrame, xy: np.ndarray, rows: np.ndarray) -> Columns:
    """Ids, classes and places of the points in `rows` (m,), ascending; `xy` (n, 2) and bounds are of all points."""
    classes, labels = np.unique(frame["label"].to_numpy(dtype=str), return_inverse=True)
    low, high = (xy.min(axis=0), xy.max(axis=0)) if len(xy) else (np.zeros(2), np.ones(2))
    return {
        "xy": encoded(xy[rows], "<f4"),
        "rows": encoded(rows, "<u4"),
        "ids": json.dumps(frame["id"].to_numpy()[rows].tolist()),
        "classes": classes.tolist(),
        "labels": encoded(labels[rows], "<u2"),
        "bounds": [float(side) for side in (*low, *high)],
        "density": None,
        "point_size": LARGE_POINT if len(frame) < MANY else SMALL_POINT,
        "drawn": rows,
    }


def _density(xy: np.ndarray) -> dict[str, Any]:
    """The density of points (n, 2) as a small image, darker for more on a logarithmic scale, with its edges."""
    from PIL import Image

    counts, x, y = np.histogram2d(xy[:, 0], xy[:, 1], bins=BINS)
    depth = np.log1p(counts.T[::-1])
    shade = np.zeros((BINS, BINS, 4), dtype=np.uint8)
    shade[..., :3] = (128, 118, 138)
    shade[..., 3] = (190 * depth / max(depth.max(), 1e-9)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(shade).save(buffer, "PNG")
    edges = {"left": x[0], "right": x[-1], "bottom": y[0], "top": y[-1]}
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return {"src": source, **{side: float(edge) for side, edge in edges.items()}}
