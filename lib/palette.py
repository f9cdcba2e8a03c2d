"""The colours of classes and of a query: colour-blind safe, and the same on every page and in every exported map."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

from lib.text import natural_key

# Okabe & Ito ("Color Universal Design", 2008) without black and yellow, which vanish on dark or light ground.
CLASS_COLOURS = ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#56B4E9")
# Unlike any class colour, and visible on light and dark ground.
QUERY = "#7a5cff"


def class_colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each class, by its position among all class names in order; from the seventh on, generated hues."""
    # A trait of numbers comes here as well, and needs no natural order.
    names = sorted(set(labels), key=lambda name: natural_key(name) if isinstance(name, str) else ((), name))
    return {name: CLASS_COLOURS[i] if i < len(CLASS_COLOURS) else generated(i) for i, name in enumerate(names)}


def generated(position: int) -> str:
    """The colour (#rrggbb) of the class at a position beyond the palette."""
    # Steps of the golden angle keep any number of hues apart; three lightnesses distinguish neighbouring hues.
    hue, lightness = position * 0.618034 % 1.0, (0.45, 0.6, 0.35)[position % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
