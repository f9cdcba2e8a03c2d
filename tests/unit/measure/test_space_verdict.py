"""lib.measure.space_verdict: no more is claimed than the intervals allow."""

from __future__ import annotations

from typing import Any

import pytest

from lib.measure import space_verdict

TITLES = {"pixels": "Raw pixels", "resnet18": "ResNet18 features", "init": "Init features"}


def space(name: str, silhouette: float | None, half: float = 0.01) -> dict[str, Any]:
    interval = None if silhouette is None else [silhouette - half, silhouette + half]
    return {
        "name": name, "dim": 512, "images": 4064, "sample": 1000, "seed": 0, "silhouette": silhouette,
        "intrinsic_dimension": 15.4, "ci95": {"silhouette": interval},
    }  # fmt: skip


def pair(a: str, b: str, share: float) -> dict[str, Any]:
    return {
        "a": a, "b": b, "mutual_knn": share, "k": 10, "ci95": {"mutual_knn": [share - 0.01, share + 0.01]},
        "chance": {"mutual_knn": 0.0025},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spaces", "pairs", "words"),
    [
        (
            [space("pixels", -0.02), space("resnet18", 0.06)],
            [pair("pixels", "resnet18", 0.07)],
            "Classes lie furthest apart in ResNet18 features: silhouette 0.060 [0.050, 0.070], then Raw pixels -0.020 "
            "[-0.030, -0.010]; the two share 7.0% [6.0, 8.0] of a photo's 10 nearest (chance 0.2%), 4,064 photos.",
        ),
        (
            [space("resnet18", 0.06), space("init", 0.07)],
            [pair("resnet18", "init", 0.4)],
            "In no space the classes surely lie furthest apart: Init features silhouette 0.070",
        ),
        (
            [space("pixels", 0.0), space("resnet18", 0.2), space("init", 0.4)],
            [pair("pixels", "init", 0.1), pair("resnet18", "init", 0.5), pair("pixels", "resnet18", 0.2)],
            "closest are ResNet18 features and Init features, which share 50.0%",
        ),
        ([space("resnet18", 0.06)], [], "the photos fill about 15 of its 512 dimensions (TwoNN), 4,064 photos."),
        ([space("resnet18", None)], [], "Without two classes, there is nothing that a space can keep apart"),
    ],
)
def test_the_sentence(spaces: list[Any], pairs: list[Any], words: str) -> None:
    answer = space_verdict.verdict({"spaces": spaces, "pairs": pairs}, TITLES)
    assert answer is not None
    assert words in answer.text
    assert "Rousseeuw" in answer.about


def test_no_space_has_no_verdict() -> None:
    assert space_verdict.verdict({"spaces": [], "pairs": []}, TITLES) is None
