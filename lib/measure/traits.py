"""What is known of each image in a space, as columns that a map can be coloured by and a selection listed with.

Every trait is row for row with the catalog and says in one sentence what it is and how it was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from lib.data.catalog import Catalog
from lib.embed import spaces
from lib.search import neighbourhoods
from lib.search.neighbourhoods import K, Neighbourhoods

FACTOR = "factor_"
# Columns of files, not of pictures: nobody wants to see a map coloured by them.
_NOT_SHOWN = {"id", "sha256", "changed_ns", "label", "split"}
# More values than this are no categories that colours can tell apart.
MOST_VALUES = 12
RIGHT, WRONG = "right", "wrong"
Kind = Literal["class", "category", "number"]


@dataclass(frozen=True)
class Trait:
    """One column. `values` (n,) are strings ("" for unknown) or float (NaN for unknown); `kind` "class" has class names
    as values, and a "number" goes from `low` to `high` on a colour scale."""

    name: str
    title: str
    about: str
    kind: Kind
    values: np.ndarray
    low: float = 0.0
    high: float = 1.0


def traits(
    catalog: Catalog, space: str, near: Neighbourhoods, runs: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Trait]:
    """The traits of every image in a space by name; `runs` are training records, of which the one of this space's
    network tells what it took the test images for."""
    labels = catalog.frame["label"].to_numpy(dtype=object)
    classes = list(catalog.classes)
    codes = np.array([classes.index(label) for label in labels], dtype=np.int64)
    cosine = near.rows["cosine"]
    predicted, share = neighbourhoods.votes(cosine, codes)
    guessed = np.array([classes[code] if code >= 0 else "" for code in predicted], dtype=object)
    rough = _rough(near, "cosine")
    voters = f"its {K} nearest under cosine (of those other images, copies left out{rough})"
    hubs = neighbourhoods.hubness(cosine).astype(np.float64)
    remote = neighbourhoods.mean_knn_distance(near.values["cosine"]).astype(np.float64)
    found = [
        Trait("label", "Class", "The folder that the image is in.", "class", labels),
        Trait("split", "Split", "Training, validation or test.", "category", catalog.frame["split"].to_numpy(object)),
        Trait("predicted", "Prediction", f"The class of most of {voters}.", "class", guessed),
        Trait(
            "right",
            "Right or wrong",
            f"Whether most of {voters} are of its class.",
            "category",
            _right(guessed, labels),
        ),
        Trait("confidence", "Confidence", f"Share of {voters} that voted for the prediction.", "number", share),
        Trait(
            "purity",
            "Purity",
            f"Share of {voters} that are of its class.",
            "number",
            neighbourhoods.purity(cosine, codes),
        ),
        Trait(
            "disagreement",
            "L1 against cosine",
            f"1 − overlap of its {K} nearest under L1 and under cosine: 0 is the same images, 1 is none in common"
            f"{_rough(near, 'cosine', 'l1')}.",
            "number",
            neighbourhoods.disagreement(cosine, near.rows["l1"]),
        ),
        Trait(
            "hubness",
            "Hubness",
            f"How many images have it among their {K} nearest under cosine{rough}.",
            "number",
            hubs,
            0,
            _top(hubs),
        ),
        Trait("remoteness", "Remoteness", f"Mean cosine distance to {voters}.", "number", remote, *_range(remote)),
        *_tested(catalog, space, labels, runs),
        *_columns(catalog.frame),
    ]
    return {trait.name: trait for trait in found}


def _rough(near: Neighbourhoods, *metrics: str) -> str:
    """What to add where the nearest are approximate ones; "" where they are exact."""
    told = neighbourhoods.recall_note(near.facts, metrics)
    return f"; approximate: {told}" if told else ""


def _right(guessed: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.where(guessed == "", "", np.where(guessed == labels, RIGHT, WRONG)).astype(object)


def _range(values: np.ndarray) -> tuple[float, float]:
    """From the least to nearly the most: a few far-off values would leave one colour for all others."""
    known = values[np.isfinite(values)]
    return (float(known.min()), _top(values)) if len(known) else (0.0, 1.0)


def _top(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    top = float(np.quantile(known, 0.99)) if len(known) else 1.0
    return top if not len(known) or top > known.min() else float(known.min()) + 1.0


def _tested(catalog: Catalog, space: str, labels: np.ndarray, runs: Sequence[Mapping[str, Any]]) -> list[Trait]:
    """What the network of this space took the test images for, by the best run on these very photos."""
    regime = spaces.get(space).regime or ("transfer" if spaces.get(space).needs_weights else None)
    fitting = [
        (run["val_accuracy"] or 0.0, run["id"], run)
        for run in runs
        if regime and run["regime"] == regime and run["dataset"]["fingerprint"] == catalog.fingerprint
    ]
    if not fitting:
        return []
    _, name, run = max(fitting, key=lambda each: each[:2])
    told = {row["id"]: row for row in run["predictions"]}
    rows = [told.get(image_id) for image_id in catalog.ids]
    guessed = np.array([str(row["predicted"]) if row else "" for row in rows], dtype=object)
    sure = np.array([_number(row["confidence"]) if row else np.nan for row in rows])
    by = f"the network of the run {name}, test images only"
    return [
        Trait("network", "Network's prediction", f"The class that it has for {by}.", "class", guessed),
        Trait(
            "network_right",
            "Network right or wrong",
            f"Whether it is right: {by}.",
            "category",
            _right(guessed, labels),
        ),
        Trait(
            "network_confidence", "Network's confidence", f"The probability of its prediction: {by}.", "number", sure
        ),
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _columns(frame: pd.DataFrame) -> list[Trait]:
    """The catalog's own columns, and those that the user brought, as far as colours can show them."""
    found = []
    for name in frame.columns:
        if name in _NOT_SHOWN:
            continue
        column, title = frame[name], name.removeprefix(FACTOR).replace("_", " ")
        about = f"The column {title} of {'factors.csv' if name.startswith(FACTOR) else 'the catalog'}."
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            found.append(Trait(name, title.capitalize(), about, "number", values, *_range(values)))
        else:
            words = column.astype("object").where(column.notna(), "").astype(str).to_numpy(dtype=object)
            if 1 < len(set(words)) <= MOST_VALUES:
                found.append(Trait(name, title.capitalize(), about, "category", words))
    return found
