"""What a folder's name means: a split (training, validation, test), or no class at all (`images`, `part_1`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lib.text import composed

_SPLITS = {
    "train": "train training trn traindata trainset trainval learn learning",
    "val": "val valid validation validate dev devel development valset",
    "test": "test testing tst eval evaluation testset holdout heldout",
}
# The split of a word in a name.
SPLIT_WORDS = {word: split for split, words in _SPLITS.items() for word in words.split()}
# One of these beside class folders is more likely a split than a class.
PLAIN_SPLIT_WORDS = frozenset(["train", "training", "val", "valid", "validation", "test", "testing"])
# Words of folders that only hold photos: they name no class.
_CONTAINER_WORDS = frozenset(
    {
        *("image", "images", "img", "imgs", "photo", "photos", "pic", "pics", "picture", "pictures", "jpg"),
        *("jpgs", "jpeg", "jpegs", "png", "pngs", "data", "dataset", "datasets", "set", "sets", "split"),
        *("splits", "part", "parts", "batch", "batches", "folder", "dir", "all", "raw", "file", "files"),
        *("sample", "samples", "original", "originals", "resized", "full", "input", "inputs", "upload"),
        *("uploads",),
    }
)
# Those of them that mean photos: even among class folders such a folder is no class.
_PHOTO_WORDS = frozenset(
    {"images", "image", "img", "imgs", "photos", "photo", "pictures", "pics", "jpg", "jpeg", "png"}
)


def words(name: str) -> list[str]:
    """The words of a folder's name, in small letters and without numbers: `Train_Set2` gives train, set."""
    spaced = re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", composed(name))
    return re.findall(r"[^\W\d_]+", spaced.lower())


def split_of(name: str, common: Sequence[str] = ()) -> str | None:
    """The split that a folder's name means (`01_train`: train); None for a name that means none, or several.

    `common` are words to ignore, since the split folders beside it share them: `seg` of seg_train and seg_test.
    """
    splits = set()
    for word in words(name):
        if word in SPLIT_WORDS:
            splits.add(SPLIT_WORDS[word])
        elif word not in _CONTAINER_WORDS and word not in common:
            return None
    return splits.pop() if len(splits) == 1 else None


def splits_of(names: Sequence[str]) -> dict[str, str]:
    """The splits, by name, of folders that lie beside each other; names that mean no split are left out."""
    # Only of those that name a split: other folders may lie beside seg_train and seg_test.
    common = common_words([name for name in names if SPLIT_WORDS.keys() & set(words(name))])
    found = {name: split_of(name, common) for name in names}
    return {name: split for name, split in found.items() if split is not None}


def common_words(names: Sequence[str]) -> list[str]:
    """The words that all of two or more names have."""
    if len(names) < 2:
        return []
    return sorted(set.intersection(*(set(words(name)) for name in names)) - SPLIT_WORDS.keys())


def are_containers(names: Sequence[str]) -> bool:
    """Whether no name of these folders can be a class's: `images`; `photos_part_1`, `photos_part_2`; `train`."""
    common = common_words(names)
    # Classes called flower_1 and flower_2 have only a word in common, too, but not one of a container.
    if not all(words(name) for name in names):
        return False
    return all(
        all(word in _CONTAINER_WORDS or word in SPLIT_WORDS or word in common for word in words(name))
        and any(word in _CONTAINER_WORDS or word in SPLIT_WORDS for word in words(name))
        for name in names
    )


def means_photos(name: str) -> bool:
    """Whether a name is exactly a word for photos, such as `images`."""
    return composed(name).strip().lower() in _PHOTO_WORDS


def is_plain_split(name: str) -> bool:
    """Whether a name is exactly one of the usual words for a split."""
    return composed(name).strip().lower() in PLAIN_SPLIT_WORDS
