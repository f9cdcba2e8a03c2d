"""Scores by factor."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.measure import factors


def test_factors_are_grouped_and_averaged() -> None:
    frame = pd.DataFrame(
        {
            "id": list("abcdefgh"),
            "label": list("rosesrbb"),
            "factor_species": list("rosesrbb"),
            "factor_colour": ["red", "blue", None, "red", "blue", "red", "red", "blue"],
            "factor_size": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, np.nan],
            "factor_petals": [3, 5, 3, 5, 3, 5, 3, 5],
            "factor_same": ["x"] * 8,
        }
    )
    assert factors.factors(frame) == {
        "factor_colour": "Colour",
        "factor_size": "Size",
        "factor_petals": "Petals",
    }
    rows, values = np.array([0, 1, 2, 3]), np.array([1.0, 0.5, 0.9, 0.0])
    measured = factors.table(frame["factor_colour"], rows, values)
    assert [(row["value"], row["queries"], row["mean"]) for row in measured] == [("blue", 1, 0.5), ("red", 2, 0.5)]
    assert measured[1]["low"] <= 0.5 <= measured[1]["high"]
    assert [row["value"] for row in factors.table(frame["factor_petals"], rows, values)] == ["3", "5"]
    sizes = factors.groups(frame["factor_size"])
    assert len(set(sizes)) == 5 and sizes[7] == ""
    assert factors.order(frame["factor_size"])[0].startswith("0.1 to")


def test_a_query_that_does_not_count_is_in_no_group() -> None:
    colours, rows = pd.Series(["red", "blue", "red"]), np.array([0, 1, 2])
    (red,) = factors.table(colours, rows, np.array([0.25, np.nan, np.nan]))
    assert (red["value"], red["queries"], red["mean"]) == ("red", 1, 0.25)
    assert factors.table(colours, rows, np.full(3, np.nan)) == []
