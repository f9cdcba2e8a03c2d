"""Colours: a palette each for classes, regimes and metrics, of which no two can be taken for one another.

Class colours are colour-blind safe and the same on every page, whichever classes it shows. The colours of regimes and
metrics have 3 : 1 against both grounds, and no class's colour (`tests/unit/view/test_theme.py` measures both).
"""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Iterable, Mapping

from lib import palette

CLASS_COLOURS, class_colours, QUERY = palette.CLASS_COLOURS, palette.class_colours, palette.QUERY
SPLIT_COLOURS = {"train": "#0072B2", "val": "#E69F00", "test": "#CC79A7"}
# Bright, from violet (nothing pretrained) to red. A regime has a marker as well, for those who see hues alike.
REGIME_COLOURS = {"scratch": "#9080e0", "transfer": "#9010f8", "finetune": "#c00080", "init": "#f83850"}
REGIME_MARKERS = {"scratch": "circle", "transfer": "square", "finetune": "diamond", "init": "triangle-up"}
# Earthy. Metrics beyond these five get them again.
METRIC_COLOURS = {"mse": "#706848", "l1": "#889800", "l2": "#207800", "cosine": "#007070", "ncc": "#885850"}
# Spaces are not classes, so their colours differ.
SPACE_COLOURS = ("#9a93a3", "#7a5cff", "#2aa198", "#b58900", "#c2477f")
RIGHT, WRONG = "#009E73", "#D55E00"
MUTED = "#8c8794"
# Perceptually even and safe for the colour-blind, dark to light.
SCALE = "Viridis"
# Over a grey photo, from the weakest part to the strongest: what brings two photos together, and what holds them apart.
# Amber and blue stay apart for every colour-blind eye, and both become lighter with strength.
BINDS, DIVIDES = ("#d9480f", "#ffc72c"), ("#2747c7", "#74b9ff")


def majority_colours(classes: Mapping[str, str], colours: Mapping[str, str]) -> dict[str, str]:
    """A colour for each group of photos, by the class of most of them (`classes`): the first group of a class has the
    class's colour, further ones have hues of their own; without classes, each group has a class's colour."""
    if not colours:
        return class_colours(classes)
    groups: dict[str, str] = {}
    for group, label in classes.items():
        colour = colours.get(label, MUTED)
        groups[group] = colour if colour not in groups.values() else palette.generated(len(colours) + len(groups))
    return groups


def space_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each space, by its place among the prepared spaces; no two are the same: beyond the palette, hues
    are generated."""
    return {
        name: SPACE_COLOURS[i] if i < len(SPACE_COLOURS) else _seen_on_both_grounds(i) for i, name in enumerate(names)
    }


def _seen_on_both_grounds(position: int) -> str:
    """A generated hue of middle luminance, 3 : 1 against a light and a dark ground alike."""
    hue = position * 0.618034 % 1.0
    # Two luminances distinguish neighbouring hues.
    wanted, low, high = (0.17, 0.25)[position % 2], 0.0, 1.0
    for _ in range(16):
        lightness = (low + high) / 2
        rgb = colorsys.hls_to_rgb(hue, lightness, 0.6)
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        below = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < wanted
        low, high = (lightness, high) if below else (low, lightness)
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)


def metric_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each metric; those that are not of the palette take its colours in turn."""
    palette = itertools.cycle(METRIC_COLOURS.values())
    return {name: METRIC_COLOURS.get(name) or next(palette) for name in names}
