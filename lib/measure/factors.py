"""Scores by what is in the pictures: the mean over the queries of each value of a factor (pose, light, background)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from lib.measure.traits import FACTOR, MOST_VALUES
from lib.search.evaluation import bootstrap_interval, mean
from lib.search.metrics import Floats

# Of a number, so many groups of equal size.
GROUPS = 4


def factors(frame: pd.DataFrame) -> dict[str, str]:
    """Titles of the catalog's factor columns by their names, those with one value or far too many words left out, and
    those that only name the class again."""
    found, labels = {}, [str(label) for label in frame["label"]]
    for name in frame.columns:
        if not name.startswith(FACTOR):
            continue
        values = groups(frame[name])
        if 1 < len(set(values)) <= MOST_VALUES and values != labels:
            found[name] = name.removeprefix(FACTOR).replace("_", " ").capitalize()
    return found


def groups(column: pd.Series) -> list[str]:
    """For each row the group that its value belongs to, "" where it is unknown: words and few whole numbers as they
    are, other numbers in quarters of equal size."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return [str(value) for value in column.astype("object").where(column.notna(), "")]
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = values[np.isfinite(values)]
    if len(set(known.tolist())) <= GROUPS + 1:
        return [f"{value:g}" if np.isfinite(value) else "" for value in values]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, GROUPS + 1)))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges)]
    return [names[place] if np.isfinite(value) else "" for place, value in zip(places, values, strict=True)]


def order(column: pd.Series) -> list[str]:
    """The groups of a column, numbers from the least on, words by the alphabet."""
    found = groups(column)
    if pd.api.types.is_numeric_dtype(column):
        first = column.groupby(np.array(found, dtype=object)).min().sort_values()
        return [str(name) for name in first.index if name != ""]
    return sorted(set(found) - {""})


def table(column: pd.Series, rows: np.ndarray, values: Floats) -> list[dict[str, Any]]:
    """For each group of `column` (n,) the queries in it, of those in `rows` (q,), and the mean of their `values` (q,)
    with its 95 % bootstrap interval; None for what no query defines."""
    mine = np.array(groups(column), dtype=object)[rows]
    found = []
    for name in order(column):
        part = values[mine == name]
        interval = bootstrap_interval(part)
        if not len(part):
            continue
        found.append(
            {
                "value": name,
                "queries": len(part),
                "mean": mean(part),
                "low": interval[0] if interval else None,
                "high": interval[1] if interval else None,
            }
        )
    return found
