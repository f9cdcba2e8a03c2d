"""Scores by factor: the mean over the queries with each value of pose, light, background and the like."""

from __future__ import annotations

import itertools
from typing import TypedDict

import numpy as np
import pandas as pd

from lib.measure.traits import FACTOR, MOST_VALUES
from lib.search.metrics import Floats
from lib.statistics import mean_interval

# Numbers are split into this many groups of equal size.
GROUPS = 4


class FactorRow(TypedDict):
    """The queries with one value of a factor: how many count (at least one), their mean score, its 95 % interval."""

    value: str
    queries: int
    mean: float
    low: float
    high: float


def factors(frame: pd.DataFrame) -> dict[str, str]:
    """Titles of the catalog's factor columns by name.

    Columns with a single value, with more than `MOST_VALUES` of them, or that repeat the class are left out.
    """
    titles, labels = {}, [str(label) for label in frame["label"]]
    for name in frame.columns:
        if not name.startswith(FACTOR):
            continue
        values = groups(frame[name])
        if 1 < len(set(values)) <= MOST_VALUES and values != labels:
            titles[name] = name.removeprefix(FACTOR).replace("_", " ").capitalize()
    return titles


def groups(column: pd.Series) -> list[str]:
    """The group of each row's value, "" where the value is unknown.

    Words, and numbers of at most five values, are their own groups; other numbers are split at their quartiles.
    """
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return [str(value) for value in column.astype("object").where(column.notna(), "")]
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    if len(set(finite.tolist())) <= GROUPS + 1:
        return [f"{value:g}" if np.isfinite(value) else "" for value in values]
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, GROUPS + 1)))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges)]
    return [names[place] if np.isfinite(value) else "" for place, value in zip(places, values, strict=True)]


def order(column: pd.Series) -> list[str]:
    """The groups of a column: numbers ascending, words in alphabetical order."""
    names = groups(column)
    if pd.api.types.is_numeric_dtype(column):
        first = column.groupby(np.array(names, dtype=object)).min().sort_values()
        return [str(name) for name in first.index if name != ""]
    return sorted(set(names) - {""})


def table(column: pd.Series, rows: np.ndarray, values: Floats) -> list[FactorRow]:
    """The scores `values` (q,) of the queries in `rows` (q,), averaged by the groups of `column` (n,).

    NaN marks a query that does not count; a group in which no query counts is left out.
    """
    group_of_query = np.array(groups(column), dtype=object)[rows]
    table_rows: list[FactorRow] = []
    for name in order(column):
        counted = values[(group_of_query == name) & ~np.isnan(values)]
        if interval := mean_interval(counted):
            low, high = interval
            table_rows.append(
                {"value": name, "queries": len(counted), "mean": float(counted.mean()), "low": low, "high": high}
            )
    return table_rows
