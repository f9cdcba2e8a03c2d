"""Which runs there are to train: regime, seed, recipe, and the weights that each starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lib import artifacts
from lib.data.catalog import Catalog
from lib.errors import TrainingError
from lib.learn import backbone, regimes
from lib.learn.backbone import Preprocess, Weights
from lib.learn.recipes import Recipe, recipe

SCHEMA = 1


@dataclass(frozen=True)
class PlannedRun:
    """One run before it begins. `weights` are the ones that its network starts from, with its own input size."""

    regime: str
    preset: str
    seed: int
    recipe: Recipe
    weights: Weights
    catalog: Catalog

    @property
    def id(self) -> str:
        """Readable, and different for whatever makes the result different."""
        weights = (self.weights.sha256, asdict(self.weights.preprocess))
        made_of = artifacts.digest(SCHEMA, self.recipe.as_dict(), weights, self.catalog.fingerprint, self.catalog.seed)
        return f"{self.regime}-{self.preset}-s{self.seed}-{made_of[:8]}"

    @property
    def title(self) -> str:
        """For people."""
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
    **changed: Any,
) -> list[PlannedRun]:
    """The runs that were asked for: every regime under each seed, `changed` replacing fields of their recipes.

    Raises TrainingError when a split has too few photos, QueryError for unknown names.
    """
    _check(catalog)
    found = []
    for seed in seeds:
        for name in names:
            made = recipe(name, preset, **changed)
            preprocess = sized(weights.preprocess, made.image_size)
            side = preprocess.input_size
            from_file = regimes.REGIMES[name].pretrained and weights.path is not None
            start = replace(weights, seed=seed) if from_file else backbone.random(seed)
            about = start.about if start.preprocess == preprocess else f"{start.about}, used at {side} px"
            # From scratch at the same size as the others, so that they see the same photos.
            found.append(
                PlannedRun(
                    name,
                    preset,
                    seed,
                    replace(made, image_size=side),
                    replace(start, preprocess=preprocess, about=about),
                    catalog,
                )
            )
    return found


def _check(catalog: Catalog) -> None:
    splits = catalog.splits
    for split, least in (("train", 2), ("val", 1), ("test", 1)):
        if splits[split] < least:
            raise TrainingError(
                f"{catalog.name} has {splits[split]} photos in its {split} split, too few to train on "
                "(10 % are for testing, 10 % of the rest for validation); use more photos or another --seed."
            )
    trained = catalog.frame["label"][catalog.frame["split"] == "train"].nunique()
    if len(catalog.classes) < 2 or trained < 2:
        raise TrainingError(
            f"{catalog.name} has only one class to train on, so there is nothing to tell apart; add classes or photos."
        )


def sized(preprocess: Preprocess, side: int | None) -> Preprocess:
    """`preprocess` for another input size, its margin around the crop in proportion."""
    if side is None or side == preprocess.input_size:
        return preprocess
    share = side / preprocess.input_size
    crop = side if preprocess.crop is not None else None
    return replace(preprocess, resize=tuple(round(one * share) for one in preprocess.resize), crop=crop)
