"""A small deferred renderer for plants: curved surfaces in, lit and anti-aliased pixels out.

Petals, leaves, stems and florets are grids of 3-D points. `depth_buffer` finds the visible surface of each pixel. Then
colour, light, translucency, contact shadows and ambient occlusion are computed once per visible pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lib.synthetic_flowers.colours import Floats
from lib.synthetic_flowers.depth_buffer import CHUNK, visible_pixels
from lib.synthetic_flowers.surfaces import Layer, Light, Surface, Threads, project


def render(surfaces: Sequence[Surface], threads: Sequence[Threads], light: Light, size: int) -> Layer:
    """Draw surfaces and threads into one layer of size × size pixels."""
    visible = visible_pixels(surfaces, size)
    albedo = np.zeros((3, len(visible.pixel)), np.float32)
    order = np.argsort(visible.owner.astype(np.int16), kind="stable")
    ends = np.searchsorted(visible.owner[order], np.arange(len(surfaces) + 1))
    for number, surface in enumerate(surfaces):
        members = order[ends[number] : ends[number + 1]]
        if len(members):
            albedo[:, members] = surface.material(visible.u[members], visible.v[members], visible.part[members])
    through = np.array([surface.through for surface in surfaces], np.float32)[visible.owner]
    gloss = np.array([surface.gloss for surface in surfaces], np.float32)[visible.owner]
    depth, mask = np.zeros((2, size * size), np.float32)
    depth[visible.pixel], mask[visible.pixel] = visible.depth, 1
    depth, mask = depth.reshape(size, size), mask.reshape(size, size)
    open_sky, lit = _occlusion(depth, mask, light, size)
    colour = np.zeros((size * size, 3), np.float32)
    np.clip(albedo, 0, 1, out=albedo)
    for start in range(0, len(visible.pixel), CHUNK):
        chunk = slice(start, start + CHUNK)
        pixel = visible.pixel[chunk]
        exposed = (open_sky.ravel()[pixel], lit.ravel()[pixel])
        finish = (through[chunk], gloss[chunk])
        colour[pixel] = _shade(albedo[:, chunk], visible.normal[:, chunk], finish, exposed, light).T
    layer = Layer(colour.reshape(size, size, 3), mask, depth)
    for bundle in threads:
        _blend_threads(layer, bundle, light, size)
    return layer


def _occlusion(depth: Floats, mask: Floats, light: Light, size: int) -> tuple[Floats, Floats]:
    """The openness to the sky (ambient occlusion) and the share of sunlight (soft contact shadow) of each pixel, 0..1.

    Both use only the depth map: "unsharp masking the depth buffer" (Luft, Colditz, Deussen, SIGGRAPH 2006), and a march
    through the depth map towards the sun, in which a thin occluder shades the surface behind it.
    """
    half = size // 2
    left, top, wide, tall = cv2.boundingRect((mask > 0).astype(np.uint8))
    if not wide:
        return mask, mask
    window = (slice(top - top % 2, top + tall + 1), slice(left - left % 2, left + wide + 1))
    mask, depth = mask[window], depth[window]
    tall, wide = mask.shape[0] // 2 + mask.shape[0] % 2, mask.shape[1] // 2 + mask.shape[1] % 2
    shape = (wide, tall)
    cover = cv2.resize(mask, shape, interpolation=cv2.INTER_AREA)
    z = cv2.resize(depth * mask, shape, interpolation=cv2.INTER_AREA) / np.maximum(cover, 1e-3)
    hidden = np.zeros_like(z)
    for radius, weight in ((0.012, 11.0), (0.04, 5.5), (0.11, 2.0)):
        box = max(3, int(radius * half) * 2 + 1)
        around = cv2.blur(z * cover, (box, box)) / np.maximum(cv2.blur(cover, (box, box)), 1e-3)
        hidden += weight * np.clip(around - z, 0, 0.25)
    open_sky = np.exp(-hidden)
    tx, ty, tz = (float(a) for a in light.towards)
    flat = max(np.hypot(tx, ty), 1e-3)
    blocked = np.zeros_like(z)
    both = np.dstack([z, cover])
    for reach in (0.012, 0.024, 0.042, 0.065, 0.1, 0.15, 0.21):
        # With the sun behind the flower the slope is grazing; light through a petal is handled as translucency.
        rise = reach * max(tz, 0.12) / flat
        shift = np.array([[1, 0, -reach * tx / flat * half / 2], [0, 1, reach * ty / flat * half / 2]], np.float32)
        shifted, shifted_cover = cv2.split(cv2.warpAffine(both, shift, shape, flags=cv2.INTER_LINEAR))
        above = shifted - z - np.float32(rise)
        step = np.clip((above - np.float32(0.003)) * np.float32(60), 0, 1)
        step[(above > 0.5) | (shifted_cover < 0.6)] = 0
        np.maximum(blocked, step * np.float32(1 - 1.8 * reach), out=blocked)
    lit = 1 - light.shadow * cv2.GaussianBlur(blocked, (0, 0), max(0.6, 0.006 * half))
    out = np.ones((2, size, size), np.float32)
    for plane, small in zip(out, (open_sky, lit), strict=True):
        plane[window] = cv2.resize(small, mask.shape[::-1])
    return out[0], out[1]


def _shade(
    albedo: Floats, normal: Floats, finish: tuple[Floats, Floats], exposed: tuple[Floats, Floats], light: Light
) -> Floats:
    """Light (3, M) from M points towards the viewer.

    `albedo` and `normal` are (3, M). `finish` is translucency and gloss, `exposed` is openness and share of sunlight,
    each (M,).
    """
    (through, gloss), (open_sky, lit) = finish, exposed
    normal = normal * np.where(normal[2] < 0, np.float32(-1), np.float32(1))
    sun, sky, ground = (a[:, None] for a in (light.sun, light.sky, light.ground))
    facing = light.towards @ normal
    direct = np.clip((facing + np.float32(0.22)) / np.float32(1.22), 0, 1) * lit
    behind = np.clip(np.float32(0.15) - facing, 0, 1) * (np.float32(0.45) + np.float32(0.55) * lit)
    # Light bounces between petals of one colour: shadows keep their hue instead of going grey.
    openness = open_sky / (1 - np.float32(0.6) * albedo * (1 - open_sky))
    ambient = (sky + ground) / 2 + (sky - ground) / 2 * normal[1]
    colour = albedo * (ambient * openness + sun * direct)
    glow = through * behind * (np.float32(0.4) + np.float32(0.6) * open_sky)
    colour += sun * (albedo * np.sqrt(albedo)) * glow
    halfway = light.towards + np.array([0, 0, 1], np.float32)
    sheen = np.clip((halfway / (np.linalg.norm(halfway) + 1e-6)).astype(np.float32) @ normal, 0, 1)
    sheen = np.square(np.square(np.square(sheen))) * sheen * lit  # a high power: satin, not wax
    rim = np.square(1 - normal[2]) * (1 - normal[2]) * open_sky
    colour += sun * (np.float32(0.5) * gloss * sheen) + sky * (np.float32(0.5) * gloss * rim)
    # Highlights roll off before pixels are averaged: a very bright edge would stay bright and look jagged.
    over = np.maximum(colour - np.float32(1.6), 0)
    return np.asarray(np.minimum(colour, np.float32(1.6)) + over / (1 + over))


def _blend_threads(layer: Layer, bundle: Threads, light: Light, size: int) -> None:
    """Blend lines over the layer from back to front in slabs; deeper slabs are dimmer."""
    x, y, z = project(bundle.lines, size)
    shift = 4
    points = np.rint(np.stack([x, y], axis=-1) * 2**shift).astype(np.int32)
    low = np.clip(np.floor([x.min(), y.min()]).astype(int) - 2, 0, size)
    high = np.clip(np.ceil([x.max(), y.max()]).astype(int) + 3, 0, size)
    if (high <= low).any():
        return
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    points -= (low * 2**shift).astype(np.int32)
    colour, cover, depth = layer.colour[window], layer.cover[window], layer.depth[window]
    empty = cover < 0.5
    mean = z.mean(axis=1)
    width = bundle.width * size / 2
    thick = max(1, round(width))
    strength = bundle.opacity * min(1.0, width / thick)
    glow = light.sky * 0.6 + light.ground * 0.25 + light.sun * (0.5 + 0.5 * max(0.0, -float(light.towards[2])))
    slabs = np.array_split(np.argsort(mean), 4)
    for number, slab in enumerate(slabs):
        stroke = np.zeros(cover.shape, np.uint8)
        cv2.polylines(stroke, list(points[slab]), False, 255, thick, cv2.LINE_AA, shift)
        alpha = stroke.astype(np.float32) * np.float32(strength / 255)
        alpha *= empty | (depth <= mean[slab].max(initial=-9))
        shade = (bundle.colour * glow * (0.55 + 0.45 * number / (len(slabs) - 1))).astype(np.float32)
        for channel in range(3):
            colour[..., channel] += alpha * (shade[channel] - colour[..., channel])
        cover += alpha * (1 - cover)
