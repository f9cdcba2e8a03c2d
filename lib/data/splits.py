"""The split of each picture: the data's own, or drawn by a hash of its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "val", "test")


def split_of(sha256: str, seed: int) -> str:
    """The split of a picture: 10 % test, 10 % of the rest validation, the remainder training.

    A hash of the pixels and the seed decides. So the split does not depend on other pictures, and equal pictures share
    a split.
    """
    draw = hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
    first, second = (int.from_bytes(draw[start : start + 8]) / 2**64 for start in (0, 8))
    if first < 0.1:
        return "test"
    return "val" if second < 0.1 else "train"


def with_splits(frame: pd.DataFrame, given: Mapping[str, str], seed: int) -> pd.DataFrame:
    """`frame` with a split per row: the given one by id; a split that none is given is drawn out of training."""
    drawn_too = set(SPLITS) - set(given.values())

    def split(image_id: str, sha256: str) -> str:
        drawn = split_of(sha256, seed)
        if not given:
            return drawn
        own = given.get(image_id, "train")
        return drawn if own == "train" and drawn in drawn_too else own

    return frame.assign(split=[split(*row) for row in zip(frame["id"], frame["sha256"], strict=True)])
