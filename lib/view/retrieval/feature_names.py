"""Features by name: what they respond to in a few words, and the way to their photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lib.measure.feature_examples import FeatureExamples
from lib.prepare.workspace import Workspace
from lib.text import shown_name
from lib.view import cached_features, url_state
from lib.view.retrieval.section_links import FEATURES


@dataclass(frozen=True)
class FeatureName:
    """A feature with what it responds to: `text` is "217: sunflower, selectivity 0.62", not Markdown; `link` are the
    parameters of its place on the retrieval page."""

    dimension: int
    text: str
    link: dict[str, str]


def names(workspace: Workspace, space: str, dimensions: Iterable[int]) -> list[FeatureName]:
    """The names of some features of a space, in their order. Raises ArtifactError when the space is not prepared."""
    found = cached_features.examples(workspace, space)
    return [FeatureName(each, name(found, each), link(space, each)) for each in dimensions]


def name(found: FeatureExamples, dimension: int) -> str:
    """A feature in a few words: its number, its class and selectivity, or why it has none."""
    if found.dead[dimension]:
        return f"{dimension}: dead"
    if np.isnan(found.selectivity[dimension]):
        return f"{dimension}: no class"
    return f"{dimension}: {shown_name(found.classes[dimension])}, selectivity {found.selectivity[dimension]:.2f}"


def link(space: str, dimension: int) -> dict[str, str]:
    """The parameters of the retrieval page that show a feature by its photos."""
    return {"section": FEATURES, "space": space, "feature": str(dimension)}


def to_feature(space: str, dimension: int) -> Callable[[], None]:
    """A click handler that shows a feature by its photos; for a control on the retrieval page itself."""
    return lambda: url_state.write(**link(space, dimension))
