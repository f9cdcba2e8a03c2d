"""A small deferred renderer for plants: curved surfaces in, lit and anti-aliased pixels out.

Petals, leaves, stems and florets are grids of 3-D points. They are sampled densely, projected, and kept by a depth
buffer; colour, light, translucency, contact shadows and ambient occlusion are then computed once per visible pixel.

Units: the frame spans [-1, 1] in x (right) and y (up) at z = 0, z grows towards the viewer. Colours are linear RGB
(float32, 1 = white) until `lens.develop` turns them into sRGB bytes. Every random choice comes from the generator that
is passed in.
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

DENSITY = 1.04  # samples per pixel along each side of a cell; the few pixels they miss are closed
CHUNK = 16384  # values per step, so that temporary arrays stay in the cache
CAMERA = 6.0  # distance of the eye from the plane z = 0; gives a mild perspective


def linear(*rgb: float) -> Floats:
    """Linear light of an sRGB colour given in 0..255."""
    return (np.asarray(rgb, np.float32) / 255) ** np.float32(2.2)


def pigment(*rgb: float) -> Floats:
    """`linear` as a column (3, 1): surfaces compute channel first."""
    return linear(*rgb)[:, None]


def tint(rng: Rng, colour: Floats, spread: float = 0.06) -> Floats:
    """A colour (3, 1) like `colour`, each channel off by about `spread`."""
    return np.asarray(colour * np.exp(rng.normal(0, spread, (3, 1))), np.float32)


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


@lru_cache(maxsize=512)
def ramp(low: float, high: float, count: int) -> Floats:
    """`count` evenly spaced numbers; the array is shared, so it must not be written to."""
    return np.linspace(low, high, count, dtype=np.float32)


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


def stripes(v: Floats, count: float, depth: float, k: NDArray[np.intp]) -> Floats:
    """Parallel veins: 1 between them, 1 - depth on them."""
    wave = np.square(0.5 + 0.5 * np.cos(v * np.float32(np.pi * count) + (k * 1.7).astype(np.float32)))
    return np.asarray(1 - depth * wave * wave, np.float32)


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
