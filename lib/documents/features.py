"""Types of the `features` document. Fields may be added, never renamed: other programs read it."""

from __future__ import annotations

from typing import TypedDict


class FeaturePhoto(TypedDict):
    """A photo that excites a feature, and the feature's value in it."""

    id: str
    value: float


class FeaturePartner(TypedDict):
    """The other feature that a feature is most correlated with (Pearson's r, of either sign)."""

    dimension: int
    correlation: float


class FeatureDocument(TypedDict):
    """One dimension of a space. `selectivity`, its 95 % interval and its `class` are None where it is undefined,
    `partner` where it has none; `chance` is the selectivity that shuffled labels give. `top` has the photos with the
    largest values first."""

    dimension: int
    selectivity: float | None
    ci95: list[float] | None
    chance: float | None
    mean: float
    dead: bool
    redundant: bool
    partner: FeaturePartner | None
    top: list[FeaturePhoto]


# `class` is a keyword of Python, so that field needs the other way to write a type.
_Class = TypedDict("_Class", {"class": str | None})


class FeatureEntry(FeatureDocument, _Class):
    """A `FeatureDocument` with the class that the feature is most active for."""


class FeaturesDocument(TypedDict):
    """What `python -m lib features --json` prints. `redundant_above` is the |r| from which a feature is redundant, None
    where the space has too many dimensions to compare them; `dead_below` the value up to which one is dead."""

    space: str
    images: int
    redundant_above: float | None
    dead_below: float
    dimensions: list[FeatureEntry]
