"""From rendered planes to a photo: blur, layers, shadows, depth of field, exposure, bytes."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats, Rng, smooth
from lib.synthetic_flowers.surfaces import Layer, Light


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur with `sigma` in pixels; a wide blur is computed on a smaller copy."""
    if sigma < 0.3:
        return image
    if sigma > 5:
        small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / 4, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def enlarge(image: Floats, size: int) -> Floats:
    """A blurred plane at size × size."""
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def shrink(layer: Layer, size: int) -> Layer:
    """The layer at its final size; averaging premultiplied colour and coverage anti-aliases edges."""
    planes = (
        cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA) for a in (layer.colour, layer.cover, layer.depth)
    )
    return Layer(*planes)


def cast_shadow(picture: Floats, layer: Layer, light: Light) -> Floats:
    """`picture` with the soft shadow of a layer slightly before it."""
    size = picture.shape[0]
    away = -light.towards[:2] * size * 0.09
    shift = np.array([[1, 0, away[0]], [0, 1, -away[1]]], np.float32)
    shade = blur(cv2.warpAffine(layer.cover, shift, (size, size)), 0.025 * size)
    return np.asarray(picture * (1 - 0.5 * light.shadow * shade)[..., None])


def over(base: Floats, layer: Layer, opacity: float = 1.0) -> Floats:
    """The layer composited over an opaque picture (S, S, 3)."""
    return base * (1 - layer.cover * opacity)[..., None] + layer.colour * opacity


def focus(layer: Layer, size: int, framing: str) -> Layer:
    """A shallow depth of field: parts well behind the nearest part of the flower are blurred."""
    sigma = {"macro": 0.0075, "near": 0.005, "far": 0.003}[framing] * size
    if not layer.cover.any():
        return layer
    near = float(np.percentile(layer.depth[layer.cover > 0.5], 90)) if (layer.cover > 0.5).any() else 0.0
    amount = blur(smooth(0.25, 1.0, near - layer.depth) * layer.cover, sigma * 0.7)
    soft_colour, soft_cover = blur(layer.colour, sigma), blur(layer.cover, sigma)
    amount = np.maximum(amount, smooth(0.25, 1.0, near - layer.depth) * layer.cover)
    return Layer(
        layer.colour + (soft_colour - layer.colour) * amount[..., None],
        layer.cover + (soft_cover - layer.cover) * amount,
        layer.depth,
    )


def flare(picture: Floats, rng: Rng, light: Light) -> Floats:
    """`picture` with the veil of light of a low sun in or behind the frame."""
    low = float(smooth(0.3, -0.4, light.towards[2])) * float(rng.uniform(0.2, 1))
    if low < 0.05:
        return picture
    x, y = light.towards[:2] / (np.hypot(*light.towards[:2]) + 1e-6) * 1.15
    axis = np.linspace(-1, 1, picture.shape[0], dtype=np.float32)
    glow = np.exp(-((axis[None, :] - x) ** 2 + (-axis[:, None] - y) ** 2) / np.float32(1.1))
    return np.asarray(picture + glow[..., None] * light.sun * np.float32(0.3 * low))


def expose(picture: Floats, rng: Rng, vignette: float, noise: float) -> NDArray[np.uint8]:
    """Lens softness, vignette, exposure and sensor noise, then bytes."""
    size = picture.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    fall = 1 - np.float32(vignette) * (axis[:, None] ** 2 + axis[None, :] ** 2) / 2
    picture = blur(picture, 0.4) * fall[..., None]
    bright = float(np.percentile(picture[::4, ::4].mean(axis=2), 90))
    exposure = float(np.clip(0.56 / (bright + 0.12), 0.42, 1.15)) * float(rng.uniform(0.85, 1.12))
    grain = rng.standard_normal((size, size, 3), np.float32) * np.float32(noise)
    return develop(picture * (1 + grain * 2) + grain * 0.15, exposure)


# Each channel leaks into the others, as in film, so that bright petals of a pure colour keep detail.
_CROSSTALK = np.full((3, 3), 0.022, np.float32) + np.eye(3, dtype=np.float32) * np.float32(0.934)

_BRIGHTEST = 8.0


def develop(picture: Floats, exposure: float) -> NDArray[np.uint8]:
    """Filmic tone curve (Narkowicz's fit of ACES), sRGB-like gamma, bytes."""
    x = cv2.transform(np.maximum(picture * np.float32(exposure), 0), _CROSSTALK)
    return _tone()[(np.minimum(x, np.float32(_BRIGHTEST)) * np.float32(65535 / _BRIGHTEST)).astype(np.uint16)]


@lru_cache(maxsize=1)
def _tone() -> NDArray[np.uint8]:
    """Bytes for light from 0 to `_BRIGHTEST` in 65,536 steps."""
    x = np.linspace(0, _BRIGHTEST, 65536)
    x = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    return np.asarray((np.clip(x, 0, 1) ** (1 / 2.2) * 255).round(), np.uint8)
