"""A small deferred renderer for plants: curved surfaces in, lit and anti-aliased pixels out.

Petals, leaves, stems and florets are grids of 3-D points. They are sampled densely, projected, and kept by a depth
buffer; colour, light, translucency, contact shadows and ambient occlusion are then computed once per visible pixel.

Units: the frame spans [-1, 1] in x (right) and y (up) at z = 0, z grows towards the viewer. Colours are linear RGB
(float32, 1 = white) until `develop` turns them into sRGB bytes. Every random choice comes from the generator passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float32 throughout; NumPy's stubs lose the width in mixed arithmetic
Material = Callable[[Floats, Floats, NDArray[np.intp]], Floats]
Cut = Callable[[Floats, Floats], NDArray[np.bool_]]
Rng = np.random.Generator

GOLDEN_ANGLE = np.float32(np.pi * (3 - 5**0.5))  # 137.508 degrees: Vogel, Mathematical Biosciences 44 (1979) 179
DENSITY = 1.04  # samples per pixel along each side of a cell; the few pixels they miss are closed
CHUNK = 16384  # values per step, so that temporary arrays stay in the cache
CAMERA = 6.0  # distance of the eye from the plane z = 0; gives a mild perspective


def linear(*rgb: float) -> Floats:
    """Linear light of an sRGB colour given in 0..255."""
    return (np.asarray(rgb, np.float32) / 255) ** np.float32(2.2)


def pigment(*rgb: float) -> Floats:
    """`linear` as a column (3, 1): surfaces compute channel first."""
    return linear(*rgb)[:, None]


def blend(a: Any, b: Any, t: Any) -> Floats:
    """a where t = 0, b where t = 1; colours (3, 1) or (3, M), weights (M,)."""
    return np.asarray(a + (b - a) * t, np.float32)


def mix(a: Any, b: Any, t: Any) -> Floats:
    """a where t = 0, b where t = 1; colours (…, 3) with weights (…) broadcast."""
    t = np.asarray(t, np.float32)[..., None]
    return np.asarray(a + (np.asarray(b, np.float32) - a) * t, np.float32)


def smooth(low: float, high: float, x: Any) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high` (which may be the smaller one)."""
    t = np.clip((np.asarray(x, np.float32) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


@lru_cache(maxsize=1)
def _tile() -> Floats:
    rng = np.random.default_rng(7)
    total = np.zeros((256, 256), np.float32)
    for cells, weight in ((8, 1.0), (32, 0.7), (128, 0.5)):
        grid = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
        step = 256 // cells
        total += (
            weight
            * cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)[
                2 * step : 2 * step + 256, 2 * step : 2 * step + 256
            ]
        )
    return np.asarray(total / total.std(), np.float32)


def mottle(u: Floats, v: Floats, k: NDArray[np.intp], fu: float, fv: float) -> Floats:
    """Smooth noise (mean 0, deviation 1) over a surface, another patch of it for each part k."""
    row = (u * np.float32(fu * 32)).astype(np.int32) + k * 57
    column = ((v + 1) * np.float32(fv * 32)).astype(np.int32) + k * 101
    return np.asarray(_tile()[row & 255, column & 255])


@dataclass(frozen=True)
class Surface:
    """n curved patches of one material: `points` (n, U, V, 3); `material(u, v, k)` gives albedo (3, M) for u in 0..1,
    v in -1..1 and part index k; `cut(u, v)` tells which samples exist; `through` is translucency, `gloss` sheen."""

    points: Floats
    material: Material
    through: float = 0.3
    gloss: float = 0.1
    cut: Cut | None = None


@dataclass(frozen=True)
class Threads:
    """Hair-thin lines (m, 2 or more points, 3) with a width in frame units, drawn translucently over a layer."""

    lines: Floats
    width: float
    colour: Floats
    opacity: float


@dataclass(frozen=True)
class Light:
    """`towards` is the unit vector from the scene to the sun; the three colours are linear intensities."""

    towards: Floats
    sun: Floats
    sky: Floats
    ground: Floats
    shadow: float = 0.8


@dataclass
class Layer:
    """A rendered picture plane: premultiplied linear colour (S, S, 3), coverage (S, S), depth (S, S)."""

    colour: Floats
    cover: Floats
    depth: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))


@lru_cache(maxsize=512)
def _weights(dense: int, coarse: int) -> Floats:
    """Catmull-Rom weights (dense, coarse) that resample a row of `coarse` points to `dense` points."""
    t = np.linspace(0, coarse - 1, dense)
    i = np.clip(np.floor(t).astype(int), 0, coarse - 2)
    f = t - i
    basis = np.stack(
        [
            -0.5 * f**3 + f**2 - 0.5 * f,
            1.5 * f**3 - 2.5 * f**2 + 1,
            -1.5 * f**3 + 2 * f**2 + 0.5 * f,
            0.5 * f**3 - 0.5 * f**2,
        ]
    )
    out = np.zeros((dense, coarse))
    rows = np.arange(dense)
    for j in range(4):
        np.add.at(out, (rows, np.clip(i + j - 1, 0, coarse - 1)), basis[j])
    return out.astype(np.float32)


def project(points: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Pixel column, pixel row and depth of points (…, 3) in a size × size frame."""
    z = points[..., 2]
    scale = np.float32(CAMERA) / np.maximum(np.float32(CAMERA) - z, np.float32(0.5))
    half = np.float32(size / 2)
    return half + points[..., 0] * scale * half, half - points[..., 1] * scale * half, z


def _normals(points: Floats) -> Floats:
    """Unit normals of grids of points (n, U, V, 3)."""
    a = np.empty_like(points)
    a[:, 1:-1] = points[:, 2:] - points[:, :-2]
    a[:, 0], a[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    b = np.empty_like(points)
    b[:, :, 1:-1] = points[:, :, 2:] - points[:, :, :-2]
    b[:, :, 0], b[:, :, -1] = points[:, :, 1] - points[:, :, 0], points[:, :, -1] - points[:, :, -2]
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    normal = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
    length = np.sqrt(np.einsum("...i,...i->...", normal, normal))[..., None]
    return np.asarray(normal / (length + np.float32(1e-9)))


def _refine(points: Floats, size: int) -> Floats:
    """The same patches with cells of at most about 9 pixels, so that straight ones follow the curves, and of at least
    about one where the grid allows it."""
    _, rows, columns, _ = points.shape
    tall = float(np.abs(points[:, 1:, :, :2] - points[:, :-1, :, :2]).max()) * size / 2
    wide = float(np.abs(points[:, :, 1:, :2] - points[:, :, :-1, :2]).max()) * size / 2
    skip_rows, skip_columns = (
        max(step for step in (1, 2, 3) if step == 1 or ((count - 1) % step == 0 and pixels * step < 1.3))
        for count, pixels in ((rows, tall), (columns, wide))
    )
    if skip_rows > 1 or skip_columns > 1:
        return np.ascontiguousarray(points[:, ::skip_rows, ::skip_columns])
    more_rows = (rows - 1) * int(np.clip(np.ceil(tall / 9), 1, 4)) + 1
    more_columns = (columns - 1) * int(np.clip(np.ceil(wide / 9), 1, 4)) + 1
    if (more_rows, more_columns) == (rows, columns):
        return points
    flat = np.moveaxis(points, -1, 1)
    flat = _weights(more_rows, rows) @ flat @ np.ascontiguousarray(_weights(more_columns, columns).T)
    return np.ascontiguousarray(np.moveaxis(flat, 1, -1))


_COUNTS = np.array([1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 28, 36, 48])


@lru_cache(maxsize=256)
def _bilinear(rows: int, columns: int) -> Floats:
    """Weights (4, rows × columns) of a cell's corners at evenly spread samples inside it."""
    u = ((np.arange(rows) + 0.5) / rows)[:, None]
    v = ((np.arange(columns) + 0.5) / columns)[None, :]
    corners = ((1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v)
    return np.stack([c.ravel() for c in corners]).astype(np.float32)


@dataclass(frozen=True)
class _Cells:
    """The quadrilaterals of one surface that lie in the frame."""

    corners: Floats  # (3, C, 4): column, row, depth
    points: NDArray[np.intp]  # (C, 4): the corners' places among the surface's grid points
    normals: Floats  # (points, 3)
    part: NDArray[np.intp]
    u: Floats  # (2, C): at the first corner, and how far the cell reaches
    v: Floats


def _cells(surface: Surface, size: int) -> _Cells:
    points = _refine(surface.points, size)
    x, y, z = project(points, size)
    _, rows, columns = x.shape

    def reaches(a: Floats) -> NDArray[np.bool_]:
        if a.min() > 0 and a.max() < size:
            return np.ones((len(a), rows - 1, columns - 1), bool)
        low, high = a > 0, a < size
        four = (slice(None, -1), slice(None, -1)), (slice(None, -1), slice(1, None))
        eight = (*four, (slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None)))
        some_low, some_high = low[:, *eight[0]], high[:, *eight[0]]
        for cut in eight[1:]:
            some_low, some_high = some_low | low[:, *cut], some_high | high[:, *cut]
        return np.asarray(some_low & some_high)

    part, iu, iv = np.nonzero(reaches(x) & reaches(y))
    first = (part * rows + iu) * columns + iv
    places = first[:, None] + np.array([0, 1, columns, columns + 1])
    du, dv = np.float32(1 / (rows - 1)), np.float32(2 / (columns - 1))
    u = np.stack([iu * du, np.full(len(iu), du)]).astype(np.float32)
    v = np.stack([iv * dv - 1, np.full(len(iv), dv)]).astype(np.float32)
    corners = np.stack([a.ravel()[places] for a in (x, y, z)])
    return _Cells(corners, places, _normals(points).reshape(-1, 3), part, u, v)


def render(surfaces: Sequence[Surface], threads: Sequence[Threads], light: Light, size: int) -> Layer:
    """Draw surfaces and threads into one layer of size × size pixels."""
    cells = [_cells(surface, size) for surface in surfaces]
    seen = _visible(surfaces, cells, size)
    albedo = np.zeros((3, len(seen.pixel)), np.float32)
    order = np.argsort(seen.owner.astype(np.int16), kind="stable")
    ends = np.searchsorted(seen.owner[order], np.arange(len(surfaces) + 1))
    for number, surface in enumerate(surfaces):
        mine = order[ends[number] : ends[number + 1]]
        if len(mine):
            albedo[:, mine] = surface.material(seen.u[mine], seen.v[mine], seen.part[mine])
    through, gloss = (np.array([getattr(s, a) for s in surfaces], np.float32)[seen.owner] for a in ("through", "gloss"))
    depth, mask = np.zeros((2, size * size), np.float32)
    depth[seen.pixel], mask[seen.pixel] = seen.depth, 1
    depth, mask = depth.reshape(size, size), mask.reshape(size, size)
    open_sky, lit = _occlusion(depth, mask, light, size)
    colour = np.zeros((size * size, 3), np.float32)
    np.clip(albedo, 0, 1, out=albedo)
    for start in range(0, len(seen.pixel), CHUNK):
        now = slice(start, start + CHUNK)
        pixel = seen.pixel[now]
        exposed = (open_sky.ravel()[pixel], lit.ravel()[pixel])
        colour[pixel] = _shade(albedo[:, now], seen.normal[:, now], (through[now], gloss[now]), exposed, light).T
    layer = Layer(colour.reshape(size, size, 3), mask, depth)
    for bundle in threads:
        _draw_threads(layer, bundle, light, size)
    return layer


@dataclass(frozen=True)
class _Seen:
    """What each of M covered pixels shows: surface, part of it, place on it, depth and normal (3, M)."""

    pixel: NDArray[np.intp]
    owner: NDArray[np.intp]
    part: NDArray[np.intp]
    u: Floats
    v: Floats
    depth: Floats
    normal: Floats


def _visible(surfaces: Sequence[Surface], cells: list[_Cells], size: int) -> _Seen:
    """Sample every cell densely and keep the nearest sample of each pixel.

    A sample is one integer, depth above its cell's number (24 bits) above its place in the cell (12 bits), so that the
    depth buffer is a single `maximum.at`. Cells are sampled together with others of about their size.
    """
    owner = np.repeat(np.arange(len(cells)), [len(c.part) for c in cells])
    x, y, z = np.concatenate([c.corners for c in cells], axis=1)
    u, v = (np.concatenate([getattr(c, name) for c in cells], axis=1) for name in "uv")
    along = np.maximum(_apart(x, y, 0, 2), _apart(x, y, 1, 3))
    across = np.maximum(_apart(x, y, 0, 1), _apart(x, y, 2, 3))
    nu, nv = (np.searchsorted(_COUNTS, np.minimum(a * DENSITY, _COUNTS[-1])) for a in (along, across))
    bucket = nu * len(_COUNTS) + nv
    order = np.argsort(bucket, kind="stable")
    starts = np.flatnonzero(np.diff(bucket[order], prepend=-1))
    buffer = np.zeros(size * size, np.int64)
    cuts = [(number, surface.cut) for number, surface in enumerate(surfaces) if surface.cut is not None]
    for mine, weights in _batches(order, starts, nu, nv):
        column, row = (x[mine] @ weights).astype(np.int32), (y[mine] @ weights).astype(np.int32)
        # As unsigned numbers the negative ones are large: one comparison tests both sides of the frame.
        keep = (column.view(np.uint32) < size) & (row.view(np.uint32) < size)
        for number, cut in cuts:
            own = slice(*np.searchsorted(owner[mine], [number, number + 1]))
            if own.start < own.stop:
                keep[own] &= cut(_at(u[:, mine[own]], weights, 2, 3), _at(v[:, mine[own]], weights, 1, 3))
        code = ((z[mine] @ weights + 4) * np.float32(2**19)).astype(np.int64)
        code <<= 36
        code |= (mine << 12)[:, None] | np.arange(weights.shape[1])[None, :]
        row *= size
        row += column
        if keep.all():
            np.maximum.at(buffer, row.ravel(), code.ravel())
        else:
            np.maximum.at(buffer, row[keep], code[keep])
    _close(buffer.reshape(size, size))
    pixel = np.flatnonzero(buffer)
    found = buffer[pixel]
    cell, place = (found >> 12) & 0xFFFFFF, found & 0xFFF
    columns = _COUNTS[nv[cell]]
    fu = ((place // columns + 0.5) / _COUNTS[nu[cell]]).astype(np.float32)
    fv = ((place % columns + 0.5) / columns).astype(np.float32)
    # Which corner's normal a sample takes is dithered over 2 × 2 pixels; the reduction to the final size averages them.
    lower = fu > np.where(pixel & 1, np.float32(0.25), np.float32(0.75))
    right = fv > np.where((pixel // size) & 1, np.float32(0.25), np.float32(0.75))
    offset = np.cumsum([0, *(len(c.normals) for c in cells)])
    corners = np.concatenate([c.points + start for c, start in zip(cells, offset, strict=False)])
    normals = np.concatenate([c.normals for c in cells])[corners[cell, 2 * lower + right]]
    return _Seen(
        pixel,
        owner[cell],
        np.concatenate([c.part for c in cells])[cell],
        u[0, cell] + fu * u[1, cell],
        v[0, cell] + fv * v[1, cell],
        (found >> 36).astype(np.float32) / 2**19 - 4,
        np.ascontiguousarray(normals.T),
    )


def _batches(
    order: NDArray[np.intp], starts: NDArray[np.intp], nu: NDArray[np.intp], nv: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Cells with equal numbers of samples, and the weights of these, in portions that stay in the processor's cache."""
    for first, last in zip(starts, [*starts[1:], len(order)], strict=True):
        rows, columns = int(_COUNTS[nu[order[first]]]), int(_COUNTS[nv[order[first]]])
        portion = max(1, CHUNK // (rows * columns))
        for start in range(first, last, portion):
            yield order[start : min(start + portion, last)], _bilinear(rows, columns)


def _close(buffer: NDArray[np.int64]) -> None:
    """Give single pixels that all samples missed, so that what lies behind shows through, to their neighbour."""
    inner = buffer[1:-1, 1:-1]
    least = np.minimum(np.minimum(buffer[:-2, 1:-1], buffer[2:, 1:-1]), np.minimum(buffer[1:-1, :-2], buffer[1:-1, 2:]))
    pit = np.nonzero(inner < least - (np.int64(0.012 * 2**19) << 36))
    inner[pit] = least[pit]


def _apart(x: Floats, y: Floats, first: int, second: int) -> Floats:
    """Length in pixels of one edge of cells whose corners are x and y (C, 4)."""
    dx, dy = x[:, first] - x[:, second], y[:, first] - y[:, second]
    return np.asarray(np.sqrt(dx * dx + dy * dy))


def _at(span: Floats, weights: Floats, first: int, second: int) -> Floats:
    """u or v (C, samples) of the samples of cells from where they start and how far they reach."""
    return np.asarray(span[0][:, None] + span[1][:, None] * (weights[first] + weights[second])[None, :])


@lru_cache(maxsize=512)
def _ramp(low: float, high: float, count: int) -> Floats:
    return np.linspace(low, high, count, dtype=np.float32)


def _occlusion(depth: Floats, mask: Floats, light: Light, size: int) -> tuple[Floats, Floats]:
    """How open to the sky (ambient occlusion) and how lit (soft contact shadow) each pixel is, 0..1.

    Both read the depth map only: "unsharp masking the depth buffer" (Luft, Colditz, Deussen, SIGGRAPH 2006), and a
    march of the depth map towards the sun in which a thin occluder throws a shadow on what lies behind it.
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
        # With the sun behind the flower its slope is kept at grazing: what is lit through is handled as translucency.
        rise = reach * max(tz, 0.12) / flat
        shift = np.array([[1, 0, -reach * tx / flat * half / 2], [0, 1, reach * ty / flat * half / 2]], np.float32)
        there, there_cover = cv2.split(cv2.warpAffine(both, shift, shape, flags=cv2.INTER_LINEAR))
        above = there - z - np.float32(rise)
        step = np.clip((above - np.float32(0.003)) * np.float32(60), 0, 1)
        step[(above > 0.5) | (there_cover < 0.6)] = 0
        np.maximum(blocked, step * np.float32(1 - 1.8 * reach), out=blocked)
    lit = 1 - light.shadow * cv2.GaussianBlur(blocked, (0, 0), max(0.6, 0.006 * half))
    out = np.ones((2, size, size), np.float32)
    for plane, small in zip(out, (open_sky, lit), strict=True):
        plane[window] = cv2.resize(small, mask.shape[::-1])
    return out[0], out[1]


def _shade(
    albedo: Floats, normal: Floats, finish: tuple[Floats, Floats], exposed: tuple[Floats, Floats], light: Light
) -> Floats:
    """Light (3, M) that leaves M points towards the viewer; colours and normals are (3, M)."""
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
    # A very bright edge averaged before the tone curve stays bright, and so looks jagged: highlights roll off first.
    over = np.maximum(colour - np.float32(1.6), 0)
    return np.asarray(np.minimum(colour, np.float32(1.6)) + over / (1 + over))


def _draw_threads(layer: Layer, bundle: Threads, light: Light, size: int) -> None:
    """Blend lines over the layer from back to front in slabs, each dimmer the deeper it lies."""
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


# ---- shapes ---------------------------------------------------------------------------------------------------------


def petals(
    azimuth: Floats,
    theta: Floats,
    length: Floats,
    width: Floats,
    profile: Floats,
    *,
    radius: Any = 0.0,
    height: Any = 0.0,
    cup: Any = 0.0,
    roll: Any = 0.0,
    ruffle: Any = 0.0,
    waves: Any = 3.0,
    phase: Any = 0.0,
    edge: Any = 0.0,
    sway: Any = 0.0,
    columns: int = 9,
) -> Floats:
    """Points (n, U, V, 3) of n petals around the axis +z.

    A petal leaves the axis at `radius` and `height` in direction `azimuth`, climbs at angle `theta` (n, U) above the
    horizontal along its `length`, is `width` × `profile` (U or n, U) wide on each side, bends across by the curvature
    `cup` (n or n, U; positive closes towards the axis), leans by `roll`, waves at its margin by `ruffle`, curls its
    margin by `edge` and drifts sideways by `sway`.
    """
    n, rows = theta.shape

    def column(a: Any) -> Floats:
        a = np.asarray(a, np.float32)
        if a.ndim < 2:
            a = np.broadcast_to(a, (n,))[:, None]
        return np.asarray(a[:, :, None], np.float32)

    u = _ramp(0, 1, rows)[None, :, None]
    v = _ramp(-1, 1, columns)[None, None, :]
    step = column(length) / (rows - 1)
    middle = (theta + np.roll(theta, 1, axis=1)) / 2
    middle[:, 0] = theta[:, 0]
    run = np.cumsum(np.cos(middle), axis=1)[:, :, None] * step - np.cos(middle)[:, :1, None] * step + column(radius)
    rise = np.cumsum(np.sin(middle), axis=1)[:, :, None] * step - np.sin(middle)[:, :1, None] * step + column(height)
    half = column(width) * (profile[None, :, None] if profile.ndim == 1 else profile[:, :, None])
    bend = column(cup)
    safe = np.where(np.abs(bend) < 1e-3, 1e-3, bend)
    angle = half * v * safe
    across = np.sin(angle) / safe
    lift = (1 - np.cos(angle)) / safe
    lift = lift + column(ruffle) * u**1.5 * np.sin(column(waves) * v * 2 + column(phase) + 4 * u) * (0.25 + v * v)
    lift = lift - column(edge) * np.abs(v) ** 3 * u
    across = across + column(sway) * u * u
    tilt = column(roll) * np.ones_like(across)
    across, lift = across * np.cos(tilt) - lift * np.sin(tilt), across * np.sin(tilt) + lift * np.cos(tilt)
    out = run - np.sin(theta)[:, :, None] * lift
    up = rise + np.cos(theta)[:, :, None] * lift
    c, s = np.cos(column(azimuth)), np.sin(column(azimuth))
    return np.stack([c * out - s * across, s * out + c * across, up], axis=-1).astype(np.float32)


@lru_cache(maxsize=512)
def outline(rows: int, *knots: tuple[float, float]) -> Floats:
    """A smooth width profile (rows,) through (u, width) knots, by cubic Bézier-like (PCHIP-free) smoothstep pieces."""
    u = _ramp(0, 1, rows)
    x, y = np.array(knots, np.float32).T
    i = np.clip(np.searchsorted(x, u, side="right") - 1, 0, len(x) - 2)
    t = (u - x[i]) / (x[i + 1] - x[i])
    slope = np.gradient(y, x)
    slope[0], slope[-1] = (y[1] - y[0]) / (x[1] - x[0]) * 1.3, (y[-1] - y[-2]) / (x[-1] - x[-2]) * 1.5
    h = x[i + 1] - x[i]
    value = (
        (2 * t**3 - 3 * t**2 + 1) * y[i]
        + (t**3 - 2 * t**2 + t) * h * slope[i]
        + (3 * t**2 - 2 * t**3) * y[i + 1]
        + (t**3 - t**2) * h * slope[i + 1]
    )
    return np.asarray(np.maximum(value, 0.015), np.float32)


def domes(centre: Floats, normal: Floats, radius: Floats, height: Floats, *, rows: int = 4, columns: int = 7) -> Floats:
    """Points (n, rows, columns, 3) of n bumps: u runs from the top to the rim, v around."""
    n = len(centre)
    helper = np.where(np.abs(normal[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(normal, helper)
    right /= np.linalg.norm(right, axis=1, keepdims=True) + 1e-9
    ahead = np.cross(normal, right)
    a = _ramp(0.02, np.pi / 2, rows)[None, :, None, None]
    b = _ramp(-np.pi, np.pi, columns)[None, None, :, None]
    shape = (n, 1, 1, 3)
    ring = np.cos(b) * right.reshape(shape) + np.sin(b) * ahead.reshape(shape)
    out = centre.reshape(shape) + np.sin(a) * ring * radius.reshape(n, 1, 1, 1)
    return np.asarray(out + np.cos(a) * normal.reshape(shape) * height.reshape(n, 1, 1, 1), np.float32)


def bezier(*knots: Any, rows: int = 16) -> Floats:
    """Points (rows, 3) of the cubic Bézier curve with four control points."""
    t = _ramp(0, 1, rows)[:, None]
    a, b, c, d = (np.asarray(k, np.float32) for k in knots)
    return np.asarray((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t**3 * d, np.float32)


def _frame(path: Floats, side: Any) -> tuple[Floats, Floats]:
    """Unit vectors across and out of a path (rows, 3), the first as near to `side` as it can be."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    side = np.broadcast_to(np.asarray(side, np.float32), path.shape)
    across = side - along * np.sum(side * along, axis=1, keepdims=True)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    return across.astype(np.float32), np.cross(across, along).astype(np.float32)


def tube(path: Floats, radius: Any, columns: int = 9) -> Floats:
    """Points (1, rows, columns, 3) of a stem around a path."""
    across, out = _frame(path, (1.0, 0.0, 0.15))
    b = _ramp(-np.pi, np.pi, columns)[None, :, None]
    r = np.broadcast_to(np.asarray(radius, np.float32), (len(path),))[:, None, None]
    return np.asarray(path[:, None] + r * (np.cos(b) * across[:, None] + np.sin(b) * out[:, None]), np.float32)[None]


def blade(path: Floats, width: Floats, side: Any, *, fold: float = 0.3, wave: float = 0.0, columns: int = 9) -> Floats:
    """Points (1, rows, columns, 3) of a leaf along a path, `width` (rows,) to each side, folded at the midrib."""
    across, out = _frame(path, side)
    v = _ramp(-1, 1, columns)[None, :, None]
    u = _ramp(0, 1, len(path))[:, None, None]
    w = width[:, None, None]
    lift = fold * w * np.abs(v) ** 1.5 + wave * w * np.sin(9 * u + 2 * v) * np.abs(v)
    return np.asarray(path[:, None] + across[:, None] * v * w - out[:, None] * lift, np.float32)[None]


def spherical(n: int, cap: float = 1.0) -> Floats:
    """n unit vectors (n, 3) spread by the golden angle over a sphere (cap 1) or its upper part around +z."""
    i = np.arange(n, dtype=np.float32)
    z = 1 - 2 * cap * (i + 0.5) / n
    r = np.sqrt(np.maximum(0, 1 - z * z))
    return np.stack([r * np.cos(i * GOLDEN_ANGLE), r * np.sin(i * GOLDEN_ANGLE), z], axis=1).astype(np.float32)


# ---- planes and lens ------------------------------------------------------------------------------------------------


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur with sigma in pixels; wide ones are computed on a smaller copy."""
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
    """The layer at its final size: premultiplied colour and coverage average to anti-aliased edges."""
    planes = (
        cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA) for a in (layer.colour, layer.cover, layer.depth)
    )
    return Layer(*planes)


def cast_shadow(picture: Floats, layer: Layer, light: Light) -> Floats:
    """The picture with the soft shadow of a layer that stands a little before it."""
    size = picture.shape[0]
    away = -light.towards[:2] * size * 0.09
    shift = np.array([[1, 0, away[0]], [0, 1, -away[1]]], np.float32)
    shade = blur(cv2.warpAffine(layer.cover, shift, (size, size)), 0.025 * size)
    return np.asarray(picture * (1 - 0.5 * light.shadow * shade)[..., None])


def over(base: Floats, layer: Layer, opacity: float = 1.0) -> Floats:
    """The layer laid over an opaque picture (S, S, 3)."""
    return base * (1 - layer.cover * opacity)[..., None] + layer.colour * opacity


def fractal(rng: Rng, size: int, base: int, octaves: int, gain: float = 0.55) -> Floats:
    """Smooth noise (size, size), mean about 0, deviation about 1."""
    total, weight, norm = np.zeros((size, size), np.float32), 1.0, 0.0
    for octave in range(octaves):
        cells = min(size, base * 2**octave)
        grid = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
        step = size / cells
        wide = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        start = int(step)
        total += weight * wide[start : start + size, start : start + size]
        norm += weight * weight
        weight *= gain
    return total / np.float32(norm**0.5)


# A little of each channel reaches the others, as in film: pure petals keep detail where they are bright.
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


# ---- scenery --------------------------------------------------------------------------------------------------------

BACKDROPS = ("meadow", "foliage", "sky", "studio", "soil", "wall")

# Colours of flowers out of focus: every species of the set, so that no background tells the species.
FLOWER_COLOURS = (
    (250, 248, 242),
    (255, 205, 20),
    (250, 225, 70),
    (215, 25, 45),
    (240, 130, 165),
    (255, 165, 120),
    (150, 60, 140),
    (245, 120, 20),
)


def _green(rng: Rng) -> Floats:
    fresh = rng.uniform(0, 1)
    return mix(linear(38, 84, 34), linear(128, 160, 52), fresh) * np.float32(rng.uniform(0.75, 1.25))


def _blades(rng: Rng, picture: Floats, count: int, *, low: float, high: float, width: float) -> None:
    """Grass blades drawn upwards from below the lower edge of `picture`, in place."""
    size = picture.shape[0]
    t = np.linspace(0, 1, 9)
    foot, lean = rng.uniform(-0.1, 1.1, (count, 1)) * size, rng.normal(0, 0.14, (count, 1)) * size
    top = (1 - rng.uniform(low, high, (count, 1))) * size
    x, y = foot + lean * t**2, size * 1.05 + (top - size * 1.05) * t
    w = width * size * (1 - t**1.6) + 0.3
    polygons = np.concatenate([np.stack([x - w, y], 2), np.stack([x + w, y], 2)[:, ::-1]], axis=1)
    greens = [_green(rng) for _ in range(8)]
    for number, polygon in enumerate(np.rint(polygons * 8).astype(np.int32)):
        colour = greens[number % 8] * rng.uniform(0.5, 1.3)
        cv2.fillPoly(picture, [polygon], colour.tolist(), cv2.LINE_8, 3)


def _spots(rng: Rng, picture: Floats, count: int, radius: tuple[float, float], colours: Sequence[Floats]) -> None:
    """Soft translucent discs of light, as a lens draws bright points far from focus, in place."""
    size = picture.shape[0]
    glow = np.zeros_like(picture)
    base = rng.uniform(*radius)
    for _ in range(count):
        at = (int(rng.uniform(-0.05, 1.05) * size * 8), int(rng.uniform(-0.05, 1.05) * size * 8))
        r = base * rng.uniform(0.7, 1.2) * size * 8
        colour = colours[int(rng.integers(len(colours)))] * np.float32(rng.uniform(0.08, 0.42))
        cv2.circle(glow, at, int(r), (colour * 1.2).tolist(), -1, cv2.LINE_AA, 3)
        cv2.circle(glow, at, int(r * 0.82), colour.tolist(), -1, cv2.LINE_AA, 3)
    picture += blur(glow, 0.011 * size)


def backdrop(kind: str, rng: Rng, size: int, defocus: float) -> Floats:
    """An out-of-focus background (size, size, 3), in albedo-like linear colour; `defocus` is about 0 to 1."""
    return np.maximum(_PAINTERS[kind](rng, size, defocus), np.float32(0.002))


def _flower_colours(rng: Rng) -> list[Floats]:
    chosen = rng.choice(len(FLOWER_COLOURS), int(rng.integers(1, 4)), replace=False)
    return [linear(*FLOWER_COLOURS[int(i)]) for i in chosen]


def _meadow(rng: Rng, size: int, defocus: float) -> Floats:
    y = _ramp(0, 1, size)[:, None]
    far = mix(_green(rng) * 1.2, linear(205, 215, 190) * rng.uniform(0.5, 1.0), rng.uniform(0, 0.55))
    horizon = rng.uniform(-0.4, 0.45)
    picture = np.ascontiguousarray(mix(far, _green(rng) * 0.45, smooth(horizon - 0.25, 1.1, y + np.zeros((1, size)))))
    picture *= (1 + 0.28 * fractal(rng, size, 4, 3))[..., None].clip(0.3)
    _blades(rng, picture, 70, low=0.1, high=0.95, width=0.012)
    colours = _flower_colours(rng)
    for _ in range(int(rng.integers(0, 46))):
        height = rng.uniform(max(0.0, horizon), 1.05)
        r = (0.008 + 0.05 * height * rng.uniform(0.5, 1)) * size
        at = (int(rng.uniform(0, size) * 8), int(height * size * 8))
        colour = (colours[int(rng.integers(len(colours)))] * rng.uniform(0.55, 1)).tolist()
        axes = (int(r * 8), int(r * rng.uniform(0.45, 0.95) * 8))
        cv2.ellipse(picture, at, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA, 3)
    picture = blur(picture, (0.012 + 0.035 * defocus) * size)
    if rng.uniform() < 0.6:
        _spots(rng, picture, int(rng.integers(5, 24)), (0.02, 0.07), [*colours, far * 1.5])
    return picture


def _foliage(rng: Rng, size: int, defocus: float) -> Floats:
    picture = np.ones((size, size, 3), np.float32) * _green(rng) * np.float32(rng.uniform(0.06, 0.25))
    if rng.uniform() < 0.6:
        gaps = smooth(0.1, 2.0, fractal(rng, size, 3, 2))
        picture = mix(picture, linear(225, 232, 200) * rng.uniform(0.3, 0.9), gaps * 0.85)
    t = np.linspace(0, 2 * np.pi, 22)
    hue, slim = _green(rng), rng.uniform(0.22, 0.6)
    for layer in range(4):
        tone = 0.16 + 0.2 * layer
        for _ in range(int(rng.integers(8, 18))):
            r, turn = rng.uniform(0.06, 0.19) * size, rng.uniform(0, 2 * np.pi)
            x = r * np.cos(t)
            y = r * slim * rng.uniform(0.7, 1.2) * np.sin(t) * (1 - 0.35 * np.cos(t))
            c, s = np.cos(turn), np.sin(turn)
            at = rng.uniform(-0.05, 1.05, 2) * size
            polygon = np.rint(np.stack([at[0] + c * x - s * y, at[1] + s * x + c * y], 1) * 8).astype(np.int32)
            colour = mix(hue, _green(rng), 0.4) * tone * rng.uniform(0.4, 1.5)
            cv2.fillPoly(picture, [polygon], colour.tolist(), cv2.LINE_AA, 3)
            cv2.fillPoly(picture, [polygon[:11]], (colour * rng.uniform(1.1, 1.6)).tolist(), cv2.LINE_AA, 3)
        picture = blur(picture, (0.009 + 0.02 * defocus) * size)
    picture *= np.clip(1 + 0.22 * fractal(rng, size, 3, 2), 0.3, None)[..., None]
    if rng.uniform() < 0.4:
        _spots(rng, picture, int(rng.integers(5, 20)), (0.02, 0.06), [linear(220, 230, 190), *_flower_colours(rng)])
    return picture


def _sky(rng: Rng, size: int, defocus: float) -> Floats:
    y = _ramp(0, 1, size)[:, None] + np.zeros((1, size), np.float32)
    high = mix(linear(70, 125, 205), linear(120, 150, 185), rng.uniform(0, 1)) * rng.uniform(0.7, 1.1)
    low = mix(linear(190, 215, 240), linear(255, 214, 170), rng.uniform(0, 1) ** 2) * rng.uniform(0.8, 1.1)
    picture = mix(high, low, smooth(0, 1.1, y))
    clouds = smooth(rng.uniform(-0.4, 1.0), 2.2, fractal(rng, size, 3, 5))
    picture = mix(picture, linear(250, 250, 250), clouds * rng.uniform(0.2, 0.9))
    if rng.uniform() < 0.5:
        edge = rng.uniform(0.6, 0.98) + 0.05 * fractal(rng, size, 6, 3)[0]
        picture = mix(picture, _green(rng) * 0.4, smooth(-0.02, 0.02, y - edge[None, :]))
    return blur(picture, (0.01 + 0.03 * defocus) * size)


def _studio(rng: Rng, size: int, defocus: float) -> Floats:
    x, y = np.meshgrid(_ramp(-1, 1, size), _ramp(-1, 1, size))
    cx, cy = rng.uniform(-0.6, 0.6, 2)
    glow = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.4, 1.6))
    hue = mix(linear(60, 62, 70), linear(*rng.uniform(30, 110, 3)), rng.uniform(0, 0.9))
    picture = mix(hue * 0.06, hue * rng.uniform(0.25, 1.2), glow)
    return picture * (1 + 0.06 * fractal(rng, size, 3, 4))[..., None]


def _soil(rng: Rng, size: int, defocus: float) -> Floats:
    lumps = fractal(rng, size, 9, 5, 0.72)
    relief = cv2.Sobel(lumps, cv2.CV_32F, 1, 1, ksize=3)
    earth = mix(linear(60, 42, 30), linear(140, 105, 78), rng.uniform(0, 1)) * rng.uniform(0.7, 1.3)
    picture = earth * np.clip(0.75 + 0.25 * lumps - 0.18 * relief, 0.08, 2.2)[..., None]
    for _ in range(int(rng.integers(0, 14))):
        at = (int(rng.uniform(0, size) * 8), int(rng.uniform(0, size) * 8))
        axes = (int(rng.uniform(0.01, 0.045) * size * 8), int(rng.uniform(0.008, 0.03) * size * 8))
        stone = (mix(linear(150, 140, 130), _green(rng), float(rng.integers(0, 2))) * rng.uniform(0.4, 1)).tolist()
        cv2.ellipse(picture, at, axes, float(rng.uniform(0, 180)), 0, 360, stone, -1, cv2.LINE_AA, 3)
    return blur(picture, (0.006 + 0.02 * defocus) * size)


def _wall(rng: Rng, size: int, defocus: float) -> Floats:
    x, y = np.meshgrid(_ramp(0, 1, size), _ramp(0, 1, size))
    paint = linear(
        *rng.choice(np.array([(205, 196, 180), (170, 96, 72), (150, 140, 132), (120, 142, 158), (214, 184, 140)]))
    )
    picture = paint * (1 + 0.09 * fractal(rng, size, 6, 5))[..., None]
    pattern = rng.uniform()
    if pattern < 0.4:
        rows = int(rng.integers(6, 11))
        row = np.floor(y * rows)
        brick = np.floor(x * rows / 2.3 + 0.5 * (row % 2))
        tone = rng.uniform(0.7, 1.2, 997)[((row * 31 + brick * 7) % 997).astype(int)]
        joint = np.minimum(smooth(0, 0.12, (y * rows) % 1), smooth(0, 0.06, (x * rows / 2.3 + 0.5 * (row % 2)) % 1))
        picture = mix(linear(190, 184, 172), picture * tone[..., None], joint)
    elif pattern < 0.65:
        boards = int(rng.integers(4, 8))
        board = np.floor(x * boards).astype(int)
        grain = cv2.resize(fractal(rng, size, 24, 2)[: size // 6], (size, size), interpolation=cv2.INTER_LINEAR)
        tone = rng.uniform(0.7, 1.2, 16)[board] * (1 + 0.12 * grain) * (0.35 + 0.65 * smooth(0, 0.07, (x * boards) % 1))
        picture = picture * tone[..., None]
    slope = 1 + rng.uniform(-0.45, 0.45) * (x - 0.5) * 2 + rng.uniform(-0.35, 0.35) * (y - 0.5) * 2
    return blur(picture * (slope * rng.uniform(0.45, 1.0))[..., None], (0.004 + 0.02 * defocus) * size)


_PAINTERS: dict[str, Callable[[Rng, int, float], Floats]] = {
    "meadow": _meadow,
    "foliage": _foliage,
    "sky": _sky,
    "studio": _studio,
    "soil": _soil,
    "wall": _wall,
}


def foreground(rng: Rng, size: int) -> Layer:
    """One to four grass blades or leaves close to the lens: large, green and far out of focus."""
    small = size // 4
    colour, cover = np.zeros((small, small, 3), np.float32), np.zeros((small, small), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        x0, bend = rng.uniform(-0.1, 1.1) * small, rng.normal(0, 0.35) * small
        t = np.linspace(0, 1, 12)
        x, y = x0 + bend * t**2, small * (1.1 - rng.uniform(0.3, 1.0) * t)
        w = rng.uniform(0.012, 0.05) * small * np.sqrt(np.maximum(0, 1 - t**2)) + 0.2
        polygon = np.concatenate([np.stack([x - w, y], 1), np.stack([x + w, y], 1)[::-1]])
        corners = [np.rint(polygon * 8).astype(np.int32)]
        cv2.fillPoly(colour, corners, (_green(rng) * 0.9).tolist(), cv2.LINE_AA, 3)
        cv2.fillPoly(cover, corners, 1.0, cv2.LINE_AA, 3)
    sigma = rng.uniform(0.012, 0.035) * small
    colour, cover = blur(colour * cover[..., None], sigma), blur(cover, sigma)
    full = (size, size)
    return Layer(cv2.resize(colour, full), cv2.resize(cover, full) * np.float32(0.92))
