"""Properties of each image in a space, as columns that colour a map and describe a selection.

Every trait is row for row with the catalog; its `about` defines it in one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from lib import artifacts
from lib.data.catalog import Catalog
from lib.data.tags import Tags
from lib.embed import spaces
from lib.search import neighbourhoods
from lib.search.neighbourhoods import K, Neighbourhoods
from lib.text import counted

FACTOR = "factor_"
# The names of the traits that are clusters begin with this.
CLUSTER = "cluster_"
# Columns about files, and columns that are traits already.
_NOT_SHOWN = {"id", "sha256", "changed_ns", "label", "split"}
# Traits that mean nothing without labels.
_OF_CLASSES = {"label", "predicted", "right", "confidence", "purity"}
# Colours can distinguish at most this many categories.
MOST_VALUES = 12
RIGHT, WRONG = "right", "wrong"
Kind = Literal["class", "category", "number"]


@dataclass(frozen=True)
class Trait:
    """A column. `values` (n,) are strings ("" for unknown) or floats (NaN for unknown); those of the kind "class" are
    class names, and a "number" has a colour scale from `low` to `high`.

    Where values stand for classes, such as clusters named by their majority, `classes` has the class of each; a map
    writes the names of such values on it.
    """

    name: str
    title: str
    about: str
    kind: Kind
    values: np.ndarray
    low: float = 0.0
    high: float = 1.0
    classes: Mapping[str, str] = field(default_factory=dict)


def traits(
    catalog: Catalog,
    space: str,
    near: Neighbourhoods,
    runs: Sequence[Mapping[str, Any]] = (),
    others: Sequence[Trait] = (),
) -> dict[str, Trait]:
    """The traits of every image in a space, by name; without labels there are none about classes.

    `runs` are training records; that of the space's own network adds its predictions for the test images. `others` are
    traits that are measured on request, such as clusters.
    """
    labels = catalog.frame["label"].to_numpy(dtype=object)
    classes = list(catalog.classes)
    codes = np.array([classes.index(label) if classes else 0 for label in labels], dtype=np.int64)
    cosine = near.rows["cosine"]
    predicted, share = neighbourhoods.votes(cosine, codes)
    predictions = np.array([classes[code] if code >= 0 else "" for code in predicted], dtype=object)
    note = _approximation_note(near, "cosine")
    neighbours = f"the {K} nearest neighbours under cosine (without copies of the image{note})"
    hubness = neighbourhoods.hubness(cosine).astype(np.float64)
    distance = neighbourhoods.mean_knn_distance(near.values["cosine"]).astype(np.float64)
    columns = [
        Trait("label", "Class", "The name of the image's folder.", "class", labels),
        Trait("split", "Split", "Training, validation or test.", "category", catalog.frame["split"].to_numpy(object)),
        Trait("predicted", "Prediction", f"The majority class of {neighbours}.", "class", predictions),
        Trait(
            "right",
            "Right or wrong",
            f"Whether the majority class of {neighbours} is the image's class.",
            "category",
            _correctness(predictions, labels),
        ),
        Trait("confidence", "Confidence", f"Share of {neighbours} with the predicted class.", "number", share),
        Trait(
            "purity",
            "Purity",
            f"Share of {neighbours} with the image's class.",
            "number",
            neighbourhoods.purity(cosine, codes),
        ),
        Trait(
            "disagreement",
            "L1 against cosine",
            f"1 − overlap of the {K} nearest neighbours under L1 and under cosine: 0 for the same images, 1 for none "
            f"in common{_approximation_note(near, 'cosine', 'l1')}.",
            "number",
            neighbourhoods.disagreement(cosine, near.rows["l1"]),
        ),
        Trait(
            "hubness",
            "Hubness",
            f"The number of images that have this image among their {K} nearest neighbours under cosine{note}.",
            "number",
            hubness,
            0,
            _upper_end(hubness),
        ),
        Trait(
            "remoteness",
            "Mean k-NN distance",
            f"Mean cosine distance to {neighbours}.",
            "number",
            distance,
            *_scale(distance),
        ),
        *_network_traits(catalog, space, labels, runs),
        *others,
        *_columns(catalog.frame),
    ]
    return {trait.name: trait for trait in columns if classes or trait.name not in _OF_CLASSES}


def tag_traits(catalog: Catalog, tags: Tags) -> dict[str, Trait]:
    """A trait for each of the user's tags that some of the photos have and others have not: whether a photo has it."""
    found = {}
    rows: dict[str, list[int]] = {}
    for row, sha256 in enumerate(catalog.hashes):
        rows.setdefault(sha256, []).append(row)
    for name in tags.names:
        has = np.zeros(len(catalog.hashes), dtype=bool)
        has[[row for sha256 in tags.pictures[name] for row in rows.get(sha256, ())]] = True
        if 0 < has.sum() < len(has):
            # The hash tells two states of a tag from each other, for what is derived from the sentence.
            state = artifacts.digest(sorted(tags.pictures[name]))[:6]
            about = f"Whether the photo has your tag {name}: {counted(int(has.sum()), 'photo')} ({state})."
            key = f"tag_{artifacts.digest(name)[:8]}"
            found[key] = Trait(key, f"Tag {name}", about, "category", np.where(has, "yes", "no").astype(object))
    return found


def _approximation_note(near: Neighbourhoods, *metrics: str) -> str:
    """The note on the recall of approximate neighbours; "" for exact neighbours."""
    note = neighbourhoods.recall_note(near.facts, metrics)
    return f"; approximate: {note}" if note else ""


def _correctness(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.where(predictions == "", "", np.where(predictions == labels, RIGHT, WRONG)).astype(object)


def _scale(values: np.ndarray) -> tuple[float, float]:
    """The ends of a colour scale: without its upper end, a few extreme values would leave one colour for the rest."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), _upper_end(values)) if len(finite) else (0.0, 1.0)


def _upper_end(values: np.ndarray) -> float:
    """The 99th percentile, or more where that is the minimum."""
    finite = values[np.isfinite(values)]
    top = float(np.quantile(finite, 0.99)) if len(finite) else 1.0
    return top if not len(finite) or top > finite.min() else float(finite.min()) + 1.0


def _network_traits(catalog: Catalog, space: str, labels: np.ndarray, runs: Sequence[Mapping[str, Any]]) -> list[Trait]:
    """Predictions of the space's network for the test images, from the best run on exactly these photos."""
    regime = spaces.get(space).regime or ("transfer" if spaces.get(space).needs_weights else None)
    fitting = [
        (run["val_accuracy"] or 0.0, run["id"], run)
        for run in runs
        if regime
        and run["regime"] == regime
        and (run.get("network") or "resnet18") == spaces.get(space).network
        and run["dataset"]["fingerprint"] == catalog.fingerprint
    ]
    if not fitting:
        return []
    _, name, run = max(fitting, key=lambda each: each[:2])
    by_id = {row["id"]: row for row in run["predictions"]}
    rows = [by_id.get(image_id) for image_id in catalog.ids]
    predictions = np.array([str(row["predicted"]) if row else "" for row in rows], dtype=object)
    confidence = np.array([_number(row["confidence"]) if row else np.nan for row in rows])
    source = f"the network of the run {name}, test images only"
    return [
        Trait("network", "Network's prediction", f"The class predicted by {source}.", "class", predictions),
        Trait(
            "network_right",
            "Network right or wrong",
            f"Whether the prediction is correct: {source}.",
            "category",
            _correctness(predictions, labels),
        ),
        Trait(
            "network_confidence",
            "Network's confidence",
            f"The probability of the predicted class: {source}.",
            "number",
            confidence,
        ),
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _columns(frame: pd.DataFrame) -> list[Trait]:
    """The catalog's own columns and the factors of the user, as far as colours can show them."""
    columns = []
    for name in frame.columns:
        if name in _NOT_SHOWN:
            continue
        column, title = frame[name], name.removeprefix(FACTOR).replace("_", " ")
        about = f"The column {title} of {'factors.csv' if name.startswith(FACTOR) else 'the catalog'}."
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append(Trait(name, title.capitalize(), about, "number", values, *_scale(values)))
        else:
            texts = column.astype("object").where(column.notna(), "").astype(str).to_numpy(dtype=object)
            if 1 < len(set(texts)) <= MOST_VALUES:
                columns.append(Trait(name, title.capitalize(), about, "category", texts))
    return columns
