"""The plan of a training: one run per regime and seed, with its recipe and initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lib import artifacts
from lib.data import labelled
from lib.data.catalog import Catalog
from lib.errors import Remedy, TrainingError, WeightsError
from lib.learn import backbone, network_weights, networks, photo_dataset, regimes
from lib.learn.backbone import RESNET18, Weights
from lib.learn.preprocess import Preprocess
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
        weights = (self.weights.sha256, self.weights.preprocess.as_dict())
        split = (self.catalog.split_key,) if self.catalog.split_key else ()
        photos = self.catalog.fingerprint, self.catalog.seed, *split
        # Of ResNet18 as ids were before there were other networks.
        network = () if self.network == RESNET18 else (self.network,)
        inputs = artifacts.digest(SCHEMA, self.recipe.as_dict(), weights, *photos, *network)
        return "-".join([self.regime, *network, self.preset, f"s{self.seed}", inputs[:8]])

    @property
    def network(self) -> str:
        """torchvision's name of the network that is trained."""
        return self.weights.network

    @property
    def title(self) -> str:
        """The name of the run on screens."""
        network = "" if self.network == RESNET18 else f" of {self.network}"
        return f"{self.regime}{network}, seed {self.seed}"

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
            hyperparameters = _fitting(hyperparameters, weights, overrides.get("image_size") is not None)
            preprocess = resized(weights.preprocess, hyperparameters.image_size)
            side = preprocess.input_size
            from_file = regimes.REGIMES[name].pretrained and weights.path is not None
            initial = replace(weights, seed=seed) if from_file else untrained(weights, seed)
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


def untrained(weights: Weights, seed: int) -> Weights:
    """Random weights of the network of `weights`."""
    if weights.network == RESNET18:
        return backbone.random(seed)
    return network_weights.random(weights.network, seed, weights.preprocess)


def _fitting(recipe: Recipe, weights: Weights, chosen: bool) -> Recipe:
    """A recipe as the network of `weights` can be trained with; `chosen` where the user chose the size of its input.

    What is made for the stages of ResNet18 is off for others. A network that does not take the recipe's sizes is
    trained at the size of its weights. Raises WeightsError when it does not take the size that the user chose.
    """
    if weights.network == RESNET18:
        return recipe
    recipe = replace(recipe, probe=False, zero_init_residual=False)
    full = recipe.image_size or weights.preprocess.input_size
    sides = {full, *(photo_dataset.input_side(recipe, epoch, full) for epoch in range(recipe.epochs))}
    if networks.takes(weights, sides):
        return recipe
    recipe = replace(recipe, first_size=1.0, last_size=1.0)
    if networks.takes(weights, {full}):
        return recipe
    if chosen:
        raise WeightsError(networks.wrong_side(weights.network, full))
    return replace(recipe, image_size=None)


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
