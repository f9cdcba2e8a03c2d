"""Whether one picture shows a part of another: template matching of small grey copies, at every place and size.

A re-encoded, resized, brightened or cropped copy of a photo equals a window of that photo up to brightness and
contrast. So the measure is the largest normalised cross-correlation between the copy and any window of the photo with
the copy's shape, by Fourier transforms (Lewis, Fast Normalized Cross-Correlation, 1995). Turned, mirrored and
recoloured copies, and crops of less than `LEAST_SIDE` of a side, are not detected.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

# Side in pixels of the grey copies, and of the coarser ones that most pairs end with.
SIDE, COARSE_SIDE = 64, 32
# Sides of a window, as shares of the photo's longer fit; a smaller window matches unrelated photos by chance.
LEAST_SIDE = 0.6
SIZES = tuple(float(size) for size in np.linspace(1.0, LEAST_SIDE, 14))
# Sides around the best of these, for the last steps.
AROUND = (-0.02, -0.01, 0.0, 0.01, 0.02)
# Measured on 1,000 of the flowers and 50 planted copies: the smallest coarse value of a copy is 0.92; 4 % of the other
# candidates reach COARSE.
COARSE = 0.85
# A pair is tried at a few of the sizes first, and done with if it stays below UNLIKE. Measured on 8,823 pairs of
# similar flowers: of the 436 values of at least COARSE, the least was 0.76 over the few sizes; four fifths of the pairs
# stay below UNLIKE.
FEW_SIZES, UNLIKE = SIZES[1::4], 0.65
BLOCK = 512
FLAT = 1.0  # standard deviation in grey levels below which a window has no pattern to match


def grey_copies(pixels: np.ndarray) -> np.ndarray:
    """Stretched grey copies of pictures (m, h, w, 3) uint8: (m, SIDE, SIDE) float32, 0–255."""
    copies = [Image.fromarray(each).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR) for each in pixels]
    return np.stack([np.asarray(each, np.float32) for each in copies]) if copies else np.zeros((0, SIDE, SIDE), "f4")


def overlap(first: np.ndarray, second: np.ndarray, aspect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The correlation of each pair of whole pictures, and the largest of one with a window of the other, −1 to 1.

    Returns two arrays (m,) float32; the second is nowhere smaller, and either picture may be the part. `first` and
    `second` (m, SIDE, SIDE) float32 are stretched grey copies, and `aspect` (m,) is the second's width per height
    divided by the first's. 0 where a picture has no pattern.
    """
    whole, window = np.zeros(len(first), np.float32), np.zeros(len(first), np.float32)
    # Pairs of one aspect have windows of the same shapes, which are compared together.
    order = np.argsort(aspect, kind="stable")

    def compare(start: int) -> None:
        block = order[start : start + BLOCK]
        a, b, ratio = first[block], second[block], np.asarray(aspect[block], float)
        small_a, small_b = (_resized(each, COARSE_SIDE, COARSE_SIDE) for each in (a, b))
        coarse = np.maximum(_coarse(small_a, small_b, ratio), _coarse(small_b, small_a, 1 / ratio))
        likely = np.nonzero(coarse >= COARSE)[0]
        coarse[likely] = np.maximum(
            _refined(a[likely], b[likely], ratio[likely]), _refined(b[likely], a[likely], 1 / ratio[likely])
        )
        whole[block] = _in_windows(_searched(a), b)
        window[block] = np.maximum(coarse, whole[block])

    # Threads suffice: NumPy and SciPy release the interpreter lock in what takes long here.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(compare, range(0, len(first), BLOCK)))
    return whole, window


@dataclass(frozen=True)
class _Searched:
    """Pictures (m, s, s) in which parts are searched for, with what every size of a part needs.

    `sums` and `squares` (m, s + 1, s + 1) float64 are summed-area tables of the grey levels and of their squares;
    `spectra` are the pictures' Fourier transforms.
    """

    pictures: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    spectra: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> _Searched:
        return _Searched(self.pictures[chosen], self.sums[chosen], self.squares[chosen], self.spectra[chosen])


def _searched(pictures: np.ndarray) -> _Searched:
    from scipy import fft

    wide = pictures.astype(np.float64)
    sums, squares = (np.pad(each, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2) for each in (wide, wide**2))
    return _Searched(pictures, sums, squares, fft.rfft2(pictures))


def _coarse(wholes: np.ndarray, parts: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The largest correlation over all sizes, or over a few of them for the pairs that these tell apart: (m,)."""
    searched = _searched(wholes)
    values = _best(searched, parts, ratio, FEW_SIZES)[0]
    likely = np.nonzero(values >= UNLIKE)[0]
    values[likely] = _best(searched[likely], parts[likely], ratio[likely])[0]
    return values


def _best(
    wholes: _Searched, parts: np.ndarray, ratio: np.ndarray, sizes: tuple[float, ...] = SIZES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The largest correlation over the sizes, and the window's height and width then, as shares: three arrays (m,).

    The window keeps the shape of the part; a stretched copy of the whole is tried, too.
    """
    tall, wide = np.minimum(1, 1 / ratio), np.minimum(1, ratio)
    best = np.full(len(parts), -1.0, np.float32)
    heights, widths = np.ones(len(parts)), np.ones(len(parts))
    shapes = [(tall * size, wide * size) for size in sizes] + [(np.ones(len(parts)), np.ones(len(parts)))]
    for height, width in shapes:
        values = _correlations(wholes, parts, height, width)
        better = values > best
        best[better], heights[better], widths[better] = values[better], height[better], width[better]
    return best, heights, widths


def _refined(wholes: np.ndarray, parts: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The largest correlation over all sizes, then over sizes and shapes close to the best: (m,) float32."""
    searched = _searched(wholes)
    best, heights, widths = _best(searched, parts, ratio)
    for taller in AROUND:
        for wider in AROUND:
            near = _correlations(searched, parts, np.minimum(1, heights + taller), np.minimum(1, widths + wider))
            best = np.maximum(best, near)
    return best


def _correlations(wholes: _Searched, parts: np.ndarray, height: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The largest correlation of each part with a window of its whole, of `height` × `width` (shares): (m,) float32."""
    side = parts.shape[1]
    rows, columns = (np.maximum(1, np.rint(side * share)).astype(int) for share in (height, width))
    values = np.zeros(len(parts), np.float32)
    for h, w, chosen in _by_shape(rows, columns):
        if min(h, w) >= LEAST_SIDE * side / 2:
            values[chosen] = _in_windows(wholes[chosen], _resized(parts[chosen], h, w))
    return values


def _by_shape(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Each pair of a row and a column count, with the places that have it."""
    shapes, inverse = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)
    for number, (h, w) in enumerate(shapes.T):
        yield int(h), int(w), np.nonzero(inverse.reshape(-1) == number)[0]


def _in_windows(wholes: _Searched, parts: np.ndarray) -> np.ndarray:
    """The largest correlation of the parts (m, h, w) with all windows of that size in the wholes (m, s, s): (m,)."""
    from scipy import fft

    side, (h, w) = wholes.pictures.shape[1], parts.shape[1:]
    parts = parts - parts.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt((parts**2).sum(axis=(1, 2)))
    if (h, w) == (side, side):
        products = (wholes.pictures * parts).sum(axis=(1, 2))[:, None, None]
    else:
        spectra = wholes.spectra * np.conj(fft.rfft2(parts, (side, side)))
        # A window that would leave the picture is cut off, so the product's wrapping round does not matter.
        products = fft.irfft2(spectra, (side, side))[:, : side - h + 1, : side - w + 1]
    variances = _window_sums(wholes.squares, h, w) - _window_sums(wholes.sums, h, w) ** 2 / (h * w)
    patterned = (variances >= FLAT**2 * h * w) & (lengths >= FLAT * np.sqrt(h * w))[:, None, None]
    scale = np.sqrt(np.maximum(variances, 1e-6)) * np.maximum(lengths, 1e-6)[:, None, None]
    correlations = np.where(patterned, products / scale, 0.0)
    return np.asarray(correlations.reshape(len(parts), -1).max(axis=1), np.float32)


def _window_sums(table: np.ndarray, h: int, w: int) -> np.ndarray:
    """Sums over all windows of h × w out of summed-area tables (m, s + 1, s + 1): (m, s − h + 1, s − w + 1)."""
    return np.asarray(table[:, h:, w:] - table[:, :-h, w:] - table[:, h:, :-w] + table[:, :-h, :-w])


def _resized(pictures: np.ndarray, h: int, w: int) -> np.ndarray:
    """Pictures (m, s, s) at h × w, antialiased: (m, h, w) float32."""
    side = pictures.shape[1]
    return np.asarray(_weights(side, h) @ pictures @ _weights(side, w).T, np.float32)


def _weights(side: int, length: int) -> np.ndarray:
    """The linear map that resamples `side` values to `length` with a triangle filter: (length, side) float32."""
    scale = side / length
    centres = (np.arange(length) + 0.5) * scale
    distances = np.abs(np.arange(side)[None, :] + 0.5 - centres[:, None]) / max(1.0, scale)
    weights = np.maximum(0.0, 1.0 - distances)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
