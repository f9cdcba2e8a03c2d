"""Two photos side by side with heat over them: where a metric's value between them comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lib.view import theme
from lib.view.components import assets


@dataclass(frozen=True)
class HeatPhoto:
    """One photo of a pair: its picture `src`, its `name` and a `note` in the caption, the `box` that its cells cover
    (left, top, right and bottom in percent), and the `parts` of its cells, row by row, none without heat."""

    src: str
    alt: str
    name: str
    note: str
    box: tuple[float, float, float, float]
    parts: list[float]


def show(
    photos: tuple[HeatPhoto, HeatPhoto],
    *,
    key: str,
    title: str,
    about: str,
    grid: tuple[int, int],
    binding: int,
    total: float,
    unit: str,
    hint: str,
    places: str,
    matches: Sequence[float | None] | None,
    pairs: Sequence[float] | None,
) -> None:
    """Draw the query and the answer with heat over their `grid` (rows, columns) of cells.

    `binding` is the sign of the parts that bring the photos together. `total` is what the parts make up, and `unit`
    says so in words; `about` is a sentence below the title, `hint` one while no cell is pointed at. `matches` and
    `pairs` are matrices (query's cells × answer's cells) in flat lists: the cosines of local features, None where one
    is zero, and the value's split over pairs of cells. Without `matches`, cells are compared place by place, which
    `places` says.
    """
    data = {
        "id": key,
        "photos": [asdict(photo) for photo in photos],
        "title": title,
        "about": about,
        "grid": grid,
        "binding": binding,
        "total": total,
        "unit": unit,
        "hint": hint,
        "places": places,
        "matches": matches,
        "pairs": pairs,
        "colours": {"binds": theme.BINDS, "divides": theme.DIVIDES},
    }
    assets.component("heat_pair")(data=data, key=key)
