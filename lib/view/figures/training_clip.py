"""A training as a short clip: the map of its epochs and its curves, as an animated GIF.

Between two epochs the points go straight, slow at both ends, as on the page; these places are only animation.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lib.text import visible

SIZE = (640, 480)
MOST_FRAMES = 90  # of the movement, over all epochs
STEPS = 10  # frames between two epochs, where there are few epochs
STEP_MS, HOLD_MS, LAST_MS = 70, 500, 2000
MOST_CLASSES = 12  # in the legend
NOTE = "Places between epochs are only animation."
_MAP = (16, 62, 424, 452)
_CURVES = (474, 300, 624, 420)
_GROUND = {False: ("#ffffff", "#241f29", "#6b6673", "#d9d5de"), True: ("#16131a", "#f4f0f7", "#a9a3b2", "#3a3541")}
_ACCURACY, _PURITY = {False: "#7a3fc4", True: "#c09cff"}, {False: "#00664b", True: "#35c79b"}


@dataclass(frozen=True)
class Clip:
    """What a clip shows: `planes` (n, 2) by epoch, the classes `labels` (n) and their `colours` by name.

    `accuracy` and `purity` are values from 0 to 1 by epoch. `title` and `subtitle` are lines of text; `comment` is the
    provenance inside the file.
    """

    planes: Mapping[int, np.ndarray]
    labels: Sequence[str]
    colours: Mapping[str, str]
    accuracy: Mapping[int, float]
    purity: Mapping[int, float]
    title: str
    subtitle: str
    comment: str


def gif(clip: Clip, *, dark: bool) -> bytes:
    """The clip as a GIF of `SIZE`, endless; at least one epoch is needed."""
    epochs = sorted(clip.planes)
    steps = max(1, min(STEPS, MOST_FRAMES // max(1, len(epochs) - 1)))
    low, high = _bounds(clip.planes)
    base = _base(clip, dark)
    frames, durations = [], []
    for place, epoch in enumerate(epochs):
        last = place == len(epochs) - 1
        for step in range(1 if last else steps):
            xy = clip.planes[epoch]
            if step:
                share = (1 - np.cos(np.pi * step / steps)) / 2
                xy = xy + share * (clip.planes[epochs[place + 1]] - xy)
            frames.append(_frame(base, clip, (xy, low, high), epoch, epochs[-1], dark))
            hold = HOLD_MS if len(epochs) <= 12 else 2 * STEP_MS
            durations.append(LAST_MS if last else STEP_MS if step else hold)
    # The last frame has every colour: all curves are drawn, and every point.
    palette = frames[-1].quantize(128)
    indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    out = io.BytesIO()
    indexed[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=indexed[1:],
        duration=durations,
        loop=0,
        comment=clip.comment.encode("utf-8", "replace"),
    )
    return out.getvalue()


def _bounds(planes: Mapping[int, np.ndarray]) -> tuple[np.ndarray, float]:
    """The centre of all points (2,), and the larger half of their extent."""
    everything = np.concatenate(list(planes.values()))
    low, high = everything.min(axis=0), everything.max(axis=0)
    return (low + high) / 2, float(max((high - low).max() / 2, 1e-9))


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _short(text: str, length: int) -> str:
    # The font of Pillow has no other letters than these.
    known = visible(text).encode("latin-1", "replace").decode("latin-1")
    return known if len(known) <= length else known[: length - 3] + "..."


def _base(clip: Clip, dark: bool) -> Image.Image:
    """What all frames share: ground, title, legend, axes."""
    ground, ink, faint, line = _GROUND[dark]
    image = Image.new("RGB", SIZE, ground)
    pen = ImageDraw.Draw(image)
    pen.text((16, 10), _short(clip.title, 62), ink, _font(18))
    pen.text((16, 35), _short(clip.subtitle, 100), faint, _font(12))
    pen.rectangle(_MAP, outline=line)
    pen.text((16, 458), NOTE, faint, _font(11))
    names = [name for name in clip.colours if name in set(clip.labels)]
    top = 96
    for name in names[:MOST_CLASSES]:
        pen.ellipse((440, top + 2, 450, top + 12), fill=clip.colours[name])
        pen.text((456, top), _short(name, 24), ink, _font(12))
        top += 16
    if len(names) > MOST_CLASSES:
        pen.text((456, top), f"and {len(names) - MOST_CLASSES} more", faint, _font(12))
    left, upper, _, lower = _CURVES
    pen.rectangle(_CURVES, outline=line)
    for value in (0, 50, 100):
        y = lower - (lower - upper) * value / 100
        pen.text((left - 4, y), f"{value} %", faint, _font(10), anchor="rm")
    pen.text((440, 428), "validation accuracy", _ACCURACY[dark], _font(12))
    pen.text((440, 443), "purity of 5 nearest, all dimensions", _PURITY[dark], _font(11))
    return image


def _frame(
    base: Image.Image,
    clip: Clip,
    place: tuple[np.ndarray, np.ndarray, float],
    epoch: int,
    last: int,
    dark: bool,
) -> Image.Image:
    """One frame: the points of `place` (their xy, and the plane's centre and half extent), the curves up to `epoch`."""
    image = base.copy()
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = _MAP
    xy, centre, extent = place
    scale = 0.94 * min(right - left, bottom - top) / 2 / extent
    x = (left + right) / 2 + (xy[:, 0] - centre[0]) * scale
    y = (top + bottom) / 2 - (xy[:, 1] - centre[1]) * scale
    for i, label in enumerate(clip.labels):
        pen.ellipse((x[i] - 3, y[i] - 3, x[i] + 3, y[i] + 3), fill=clip.colours.get(label, _GROUND[dark][2]))
    pen.text((440, 64), f"epoch {epoch} of {last}", _GROUND[dark][1], _font(18))
    for values, colour in ((clip.purity, _PURITY[dark]), (clip.accuracy, _ACCURACY[dark])):
        points = [_on_curves(each, value, last) for each, value in sorted(values.items()) if each <= epoch]
        if len(points) > 1:
            pen.line(points, fill=colour, width=2)
        if points:
            (cx, cy) = points[-1]
            pen.ellipse((cx - 3, cy - 3, cx + 3, cy + 3), fill=colour)
    return image


def _on_curves(epoch: int, value: float, last: int) -> tuple[float, float]:
    left, top, right, bottom = _CURVES
    share = epoch / last if last else 0.5
    return left + 5 + (right - left - 10) * share, bottom - (bottom - top) * min(1.0, max(0.0, value))
