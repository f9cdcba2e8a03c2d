"""A photo that is bright where something was found and dark elsewhere, as Pillow images."""

from __future__ import annotations

import numpy as np
from PIL import Image

DARK = 0.2  # how much of a photo's light is left where nothing was found


def lit(photo: Image.Image, levels: np.ndarray, box: tuple[float, float, float, float]) -> Image.Image:
    """`photo` with the light of `levels` (h, w), from 0 (dark) to 1 (as it is), smoothed between the positions.

    The positions cover `box` (left, top, right, bottom, in percent of the photo), which the network saw; the rest is
    dark.
    """
    left, right = (round(photo.width * share / 100) for share in (box[0], box[2]))
    top, bottom = (round(photo.height * share / 100) for share in (box[1], box[3]))
    light = np.zeros((photo.height, photo.width))
    if right > left and bottom > top:
        small = Image.fromarray(np.asarray(levels, dtype=np.float32), mode="F")
        light[top:bottom, left:right] = np.asarray(
            small.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        )
    pixels = np.asarray(photo.convert("RGB"), dtype=np.float64)
    kept = DARK + (1 - DARK) * np.clip(light, 0, 1)
    return Image.fromarray((pixels * kept[..., None]).round().astype(np.uint8))
