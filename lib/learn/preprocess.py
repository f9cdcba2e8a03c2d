"""The preprocessing of a network's photos, and the cards (JSON files beside weights) that describe it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lib import artifacts
from lib.errors import WeightsError

# Sides that a card may set, px. ResNet18 halves its input five times, so 32 px is the smallest.
SMALLEST_SIDE, LARGEST_SIDE = 32, 4096
BILINEAR, BICUBIC = "bilinear", "bicubic"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """The evaluation transform of a photo: resize, centre crop, scale to 0–1, normalise per channel.

    `resize` is the new (height, width), or one number for the shorter side; `crop` is the side of the centre crop, px,
    or None. `interpolation` is `bilinear` or `bicubic`.
    """

    resize: tuple[int, ...]
    crop: int | None
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    interpolation: str = BILINEAR

    def as_dict(self) -> dict[str, Any]:
        """The fields that fingerprints hash: bilinear resampling is left out, as when there was no other."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("interpolation", BILINEAR)}

    @property
    def input_size(self) -> int:
        """Side of the square input, px."""
        return self.crop or self.resize[-1]

    @property
    def short(self) -> int:
        """Length of the shorter side after resizing, px."""
        return min(self.resize)


def read_card(card: Path) -> dict[str, Any]:
    """The object in a card. Raises WeightsError when it cannot be read."""
    try:
        content = json.loads(artifacts.read_text(card))
        if not isinstance(content, dict):
            raise ValueError
        return content
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(card) from error


def preprocess_of(content: dict[str, Any], card: Path, least: int = SMALLEST_SIDE) -> Preprocess:
    """The preprocessing that a card describes, with sides of at least `least` px. Raises WeightsError when it is not
    valid."""
    try:
        sides = content["resize"] if isinstance(content["resize"], list) else [content["resize"]]
        preprocess = Preprocess(
            resize=tuple(int(side) for side in sides),
            crop=int(content["crop"]) if content.get("crop") is not None else None,
            mean=tuple(float(value) for value in content["mean"]),
            std=tuple(float(value) for value in content["std"]),
            # Cards describe bilinear resampling in words of their own.
            interpolation=BICUBIC if content.get("interpolation") == BICUBIC else BILINEAR,
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _invalid(card) from error
    resize, crop = preprocess.resize, preprocess.crop
    # Without a crop, a single number for the shorter side would give every photo another size.
    square = crop is not None or (len(resize) == 2 and resize[0] == resize[1])
    usable = (
        len(resize) in {1, 2}
        and square
        and all(least <= side <= LARGEST_SIDE for side in (*resize, *([crop] if crop is not None else [])))
        and (crop or 0) <= min(resize)
        and len(preprocess.mean) == len(preprocess.std) == 3
        and all(math.isfinite(value) for value in (*preprocess.mean, *preprocess.std))
        and min(preprocess.std) > 0
    )
    if not usable:
        raise _invalid(card)
    return preprocess


def invalid_card(card: Path) -> str:
    """The error of a card without usable preprocessing."""
    return f"{card} has no valid preprocessing (resize, crop, mean and std); repair or remove it."


def _invalid(card: Path) -> WeightsError:
    return WeightsError(invalid_card(card))
