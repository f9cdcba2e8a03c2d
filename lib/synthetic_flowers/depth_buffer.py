"""Visibility: surfaces are sampled densely, projected, and resolved by a depth buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lib.synthetic_flowers.colours import Floats
from lib.synthetic_flowers.surfaces import Surface, project

DENSITY = 1.04  # samples per pixel along each side of a cell; `_fill_pits` closes the few pixels without a sample
CHUNK = 16384  # values per step, so that temporary arrays stay in the processor's cache


@lru_cache(maxsize=512)
def _weights(count: int, coarse: int) -> Floats:
    """Catmull-Rom weights (dense, coarse) that resample a row of `coarse` points to `dense` points."""
    t = np.linspace(0, coarse - 1, count)
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
    matrix = np.zeros((count, coarse))
    rows = np.arange(count)
    for j in range(4):
        np.add.at(matrix, (rows, np.clip(i + j - 1, 0, coarse - 1)), basis[j])
    return matrix.astype(np.float32)


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
    """The same patches with cells of one to nine pixels, as far as the grid allows.

    Straight cells of that size follow the curves.
    """
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
    """The quadrilaterals of a surface that lie in the frame."""

    corners: Floats  # (3, C, 4): column, row, depth
    points: NDArray[np.intp]  # (C, 4): indices of the corners among the surface's grid points
    normals: Floats  # (points, 3)
    part: NDArray[np.intp]
    u: Floats  # (2, C): the value at the first corner, and the extent of the cell
    v: Floats


def _cells(surface: Surface, size: int) -> _Cells:
    points = _refine(surface.points, size)
    x, y, z = project(points, size)
    _, rows, columns = x.shape

    def overlaps_frame(a: Floats) -> NDArray[np.bool_]:
        if a.min() > 0 and a.max() < size:
            return np.ones((len(a), rows - 1, columns - 1), bool)
        low, high = a > 0, a < size
        top_corners = (slice(None, -1), slice(None, -1)), (slice(None, -1), slice(1, None))
        all_corners = (*top_corners, (slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None)))
        any_low, any_high = low[:, *all_corners[0]], high[:, *all_corners[0]]
        for cut in all_corners[1:]:
            any_low, any_high = any_low | low[:, *cut], any_high | high[:, *cut]
        return np.asarray(any_low & any_high)

    part, iu, iv = np.nonzero(overlaps_frame(x) & overlaps_frame(y))
    first = (part * rows + iu) * columns + iv
    places = first[:, None] + np.array([0, 1, columns, columns + 1])
    du, dv = np.float32(1 / (rows - 1)), np.float32(2 / (columns - 1))
    u = np.stack([iu * du, np.full(len(iu), du)]).astype(np.float32)
    v = np.stack([iv * dv - 1, np.full(len(iv), dv)]).astype(np.float32)
    corners = np.stack([a.ravel()[places] for a in (x, y, z)])
    return _Cells(corners, places, _normals(points).reshape(-1, 3), part, u, v)


@dataclass(frozen=True)
class VisiblePixels:
    """The M covered pixels: surface (`owner`), part, coordinates u and v, depth, each (M,), and normal (3, M)."""

    pixel: NDArray[np.intp]
    owner: NDArray[np.intp]
    part: NDArray[np.intp]
    u: Floats
    v: Floats
    depth: Floats
    normal: Floats


def visible_pixels(surfaces: Sequence[Surface], size: int) -> VisiblePixels:
    """Sample every cell densely and keep the nearest sample of each pixel.

    A sample is one integer: depth, the number of its cell (24 bits), its place in the cell (12 bits), from high to low
    bits. So the depth buffer is a single `maximum.at`. Cells of similar size are sampled together.
    """
    cells = [_cells(surface, size) for surface in surfaces]
    owner = np.repeat(np.arange(len(cells)), [len(c.part) for c in cells])
    x, y, z = np.concatenate([c.corners for c in cells], axis=1)
    u, v = (np.concatenate([getattr(c, name) for c in cells], axis=1) for name in "uv")
    along = np.maximum(_edge_length(x, y, 0, 2), _edge_length(x, y, 1, 3))
    across = np.maximum(_edge_length(x, y, 0, 1), _edge_length(x, y, 2, 3))
    nu, nv = (np.searchsorted(_COUNTS, np.minimum(a * DENSITY, _COUNTS[-1])) for a in (along, across))
    bucket = nu * len(_COUNTS) + nv
    order = np.argsort(bucket, kind="stable")
    starts = np.flatnonzero(np.diff(bucket[order], prepend=-1))
    buffer = np.zeros(size * size, np.int64)
    cuts = [(number, surface.cut) for number, surface in enumerate(surfaces) if surface.cut is not None]
    for members, weights in _batches(order, starts, nu, nv):
        column, row = (x[members] @ weights).astype(np.int32), (y[members] @ weights).astype(np.int32)
        # As unsigned numbers the negative ones are large: one comparison tests both sides of the frame.
        keep = (column.view(np.uint32) < size) & (row.view(np.uint32) < size)
        for number, cut in cuts:
            owned = slice(*np.searchsorted(owner[members], [number, number + 1]))
            if owned.start < owned.stop:
                keep[owned] &= cut(
                    _sample_coordinates(u[:, members[owned]], weights, 2, 3),
                    _sample_coordinates(v[:, members[owned]], weights, 1, 3),
                )
        code = ((z[members] @ weights + 4) * np.float32(2**19)).astype(np.int64)
        code <<= 36
        code |= (members << 12)[:, None] | np.arange(weights.shape[1])[None, :]
        row *= size
        row += column
        if keep.all():
            np.maximum.at(buffer, row.ravel(), code.ravel())
        else:
            np.maximum.at(buffer, row[keep], code[keep])
    _fill_pits(buffer.reshape(size, size))
    pixel = np.flatnonzero(buffer)
    codes = buffer[pixel]
    cell, place = (codes >> 12) & 0xFFFFFF, codes & 0xFFF
    columns = _COUNTS[nv[cell]]
    fu = ((place // columns + 0.5) / _COUNTS[nu[cell]]).astype(np.float32)
    fv = ((place % columns + 0.5) / columns).astype(np.float32)
    # A sample takes the normal of one corner, dithered over 2 × 2 pixels; the reduction to the final size averages it.
    lower = fu > np.where(pixel & 1, np.float32(0.25), np.float32(0.75))
    right = fv > np.where((pixel // size) & 1, np.float32(0.25), np.float32(0.75))
    offset = np.cumsum([0, *(len(c.normals) for c in cells)])
    corners = np.concatenate([c.points + start for c, start in zip(cells, offset, strict=False)])
    normals = np.concatenate([c.normals for c in cells])[corners[cell, 2 * lower + right]]
    return VisiblePixels(
        pixel,
        owner[cell],
        np.concatenate([c.part for c in cells])[cell],
        u[0, cell] + fu * u[1, cell],
        v[0, cell] + fv * v[1, cell],
        (codes >> 36).astype(np.float32) / 2**19 - 4,
        np.ascontiguousarray(normals.T),
    )


def _batches(
    order: NDArray[np.intp], starts: NDArray[np.intp], nu: NDArray[np.intp], nv: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Cells with equal numbers of samples, and the samples' weights, in portions that fit the processor's cache."""
    for first, last in zip(starts, [*starts[1:], len(order)], strict=True):
        rows, columns = int(_COUNTS[nu[order[first]]]), int(_COUNTS[nv[order[first]]])
        portion = max(1, CHUNK // (rows * columns))
        for start in range(first, last, portion):
            yield order[start : min(start + portion, last)], _bilinear(rows, columns)


def _fill_pits(buffer: NDArray[np.int64]) -> None:
    """Give pixels without a sample of the front surface, which show the one behind it, to a neighbour."""
    inner = buffer[1:-1, 1:-1]
    least = np.minimum(np.minimum(buffer[:-2, 1:-1], buffer[2:, 1:-1]), np.minimum(buffer[1:-1, :-2], buffer[1:-1, 2:]))
    pit = np.nonzero(inner < least - (np.int64(0.012 * 2**19) << 36))
    inner[pit] = least[pit]


def _edge_length(x: Floats, y: Floats, first: int, second: int) -> Floats:
    """Length in pixels of one edge of cells whose corners are x and y (C, 4)."""
    dx, dy = x[:, first] - x[:, second], y[:, first] - y[:, second]
    return np.asarray(np.sqrt(dx * dx + dy * dy))


def _sample_coordinates(span: Floats, weights: Floats, first: int, second: int) -> Floats:
    """u or v of the samples of cells, (C, samples), from the cells' first values and extents."""
    return np.asarray(span[0][:, None] + span[1][:, None] * (weights[first] + weights[second])[None, :])
