"""Which surface each pixel shows: surfaces are sampled densely, projected, and kept by a depth buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats
from lib.synthetic_flowers.surfaces import Surface, project

DENSITY = 1.04  # samples per pixel along each side of a cell; the few pixels they miss are closed
CHUNK = 16384  # values per step, so that temporary arrays stay in the cache


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


@dataclass(frozen=True)
class Seen:
    """What each of M covered pixels shows: surface, part of it, place on it, depth and normal (3, M)."""

    pixel: NDArray[np.intp]
    owner: NDArray[np.intp]
    part: NDArray[np.intp]
    u: Floats
    v: Floats
    depth: Floats
    normal: Floats


def visible(surfaces: Sequence[Surface], size: int) -> Seen:
    """Sample every cell densely and keep the nearest sample of each pixel.

    A sample is one integer, depth above its cell's number (24 bits) above its place in the cell (12 bits), so that the
    depth buffer is a single `maximum.at`. Cells are sampled together with others of about their size.
    """
    cells = [_cells(surface, size) for surface in surfaces]
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
    return Seen(
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
