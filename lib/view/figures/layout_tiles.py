"""Small pictures of layouts, for many side by side: dots in their colours on a clear ground, which suits any theme."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image, ImageDraw

SIDE = 150  # px on the page; drawn at twice that
_SCALE, _MARGIN = 2, 6


def tile(xy: np.ndarray, colours: list[str]) -> str:
    """A layout (n, 2), each point in its `#rrggbb` of `colours`, as the data URI of a PNG; outliers may be cut off."""
    side = SIDE * _SCALE
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    low, high = np.quantile(xy, [0.002, 0.998], axis=0)
    middle, extent = (low + high) / 2, float((high - low).max()) or 1.0
    places = (xy - middle) / extent * (side - 2 * _MARGIN) + side / 2
    size = 2.4 if len(xy) > 400 else 4.0
    for (x, y), colour in zip(places.tolist(), colours, strict=True):
        pen.ellipse([x - size, side - y - size, x + size, side - y + size], fill=f"{colour}c0")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
