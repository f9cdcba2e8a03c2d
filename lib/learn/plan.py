"""The plan of a training: one run per regime and seed, with its recipe and initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lib import artifacts
from lib.data import labelled
from lib.data.catalog import Catalog
from lib.errors import Remedy, TrainingError
from lib.learn import backbone, regimes
from lib.learn.backbone import Preprocess, Weights
from lib.learn.recipes import Recipe, recipe

SCHEMA = 1


@dataclass(frozen=True)
class PlannedRun:
    """One run before it starts. `weights` are its initial weights, with the input size of its recipe."""

    regime: str
    preset: str
    seed: int
    recipe: Recipe
    weights: Weights
    catalog: Catalog

    @property
    def id(self) -> str:
        """Regime, preset, seed, and a hash of everything else that changes the result."""
        weights = (self.weights.sha256, asdict(self.weights.preprocess))
        split = (self.catalog.split_key,) if self.catalog.split_key else ()
        photos = self.catalog.fingerprint, self.catalog.seed, *split
        inputs = artifacts.digest(SCHEMA, self.recipe.as_dict(), weights, *photos)
        return f"{self.regime}-{self.preset}-s{self.seed}-{inputs[:8]}"

    @property
    def title(self) -> str:
        """The name of the run on screens."""
        return f"{self.regime}, seed {self.seed}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the network's outputs."""
        return tuple(self.catalog.classes)


def plan(
    catalog: Catalog,
    weights: Weights,
    *,
    names: Sequence[str],
    preset: str,
    seeds: Sequence[int],
    **overrides: Any,
) -> list[PlannedRun]:
    """One run of every regime in `names` under each seed, by seed; `overrides` replace fields of the recipes.

    Raises TrainingError when a split has too few photos or classes, QueryError for unknown names.
    """
    _check(catalog)
    runs = []
    for seed in seeds:
        for name in names:
            hyperparameters = recipe(name, preset, **overrides)
            # Random weights get the input size of the named weights, too, so that all regimes see the same photos.
            preprocess = resized(weights.preprocess, hyperparameters.image_size)
            side = preprocess.input_size
            from_file = regimes.REGIMES[name].pretrained and weights.path is not None
            initial = replace(weights, seed=seed) if from_file else backbone.random(seed)
            about = initial.about if initial.preprocess == preprocess else f"{initial.about}, used at {side} px"
            runs.append(
                PlannedRun(
                    name,
                    preset,
                    seed,
                    replace(hyperparameters, image_size=side),
                    replace(initial, preprocess=preprocess, about=about),
                    catalog,
                )
            )
    return runs


def _check(catalog: Catalog) -> None:
    labelled.require(catalog, "Classifiers")
    splits = catalog.splits
    for split, least in (("train", 2), ("val", 1), ("test", 1)):
        if splits[split] < least:
            raise TrainingError(
                f"{catalog.name} has {splits[split]} photos in its {split} split, too few to train on "
                "(10 % are for testing, 10 % of the rest for validation)",
                remedy=Remedy.MORE_PHOTOS,
            )
    trained = catalog.frame["label"][catalog.frame["split"] == "train"].nunique()
    if len(catalog.classes) < 2 or trained < 2:
        raise TrainingError(
            f"{catalog.name} has only one class to train on, and a classifier needs two; add classes or photos."
        )


def resized(preprocess: Preprocess, side: int | None) -> Preprocess:
    """`preprocess` with input size `side` (px, None for no change), and the margin around the crop in proportion."""
    if side is None or side == preprocess.input_size:
        return preprocess
    share = side / preprocess.input_size
    crop = side if preprocess.crop is not None else None
    return replace(preprocess, resize=tuple(round(length * share) for length in preprocess.resize), crop=crop)
