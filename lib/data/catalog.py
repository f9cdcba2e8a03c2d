"""The catalog: one row per readable image of a folder of class sub-folders.

Columns: `id` (path relative to the data folder, POSIX, unique; rows are sorted by it), `label` (name of the class
folder), `split`, `width`, `height` (of the upright picture, px), `sha256` (of the decoded RGB pixels), `bytes`,
`changed_ns` (made of the file's times, to notice a changed file without decoding it) and, where the folder holds a
`factors.csv`, one `factor_…` column for each of its columns.
"""

from __future__ import annotations

import hashlib
import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data import images
from lib.data.scanning import FACTORS_FILE, scan, skipped_file
from lib.errors import DataError, ImageError

if TYPE_CHECKING:
    import pandas as pd


SCHEMA = 1


SPLITS = ("train", "val", "test")


COLUMNS = ["id", "label", "split", "width", "height", "sha256", "bytes", "changed_ns"]


# Photos decoded between two looks at whether there are enough.
BLOCK = 256


Progress = Callable[[int, int | None], None]


@contextmanager
def _still_readable(image_id: str) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise DataError(f"{image_id} {error} now, but not a moment ago; run the command again.") from error


@dataclass(frozen=True)
class Catalog:
    """The images of one data folder. `frame` holds the rows; `skipped` names every file left out, with the reason."""

    name: str
    root: Path
    frame: pd.DataFrame
    skipped: list[dict[str, str]]
    fingerprint: str
    seed: int
    limit: int | None

    @cached_property
    def ids(self) -> list[str]:
        """Image ids in row order (ascending). Not to be changed."""
        return list(self.frame["id"])

    @cached_property
    def labels(self) -> list[str]:
        """The class of each row. Not to be changed."""
        return [str(label) for label in self.frame["label"]]

    @cached_property
    def hashes(self) -> list[str]:
        """The pixel hash of each row. Not to be changed."""
        return [str(sha256) for sha256 in self.frame["sha256"]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {image_id: place for place, image_id in enumerate(self.ids)}

    def path(self, image_id: str) -> Path:
        """Where the file of `image_id` lies."""
        return self.root.joinpath(*PurePosixPath(image_id).parts)

    def open(self, row: int) -> Image.Image:
        """The picture of a row, upright RGB.

        Raises DataError when it cannot be read, or is not the picture that the row is about any more.
        """
        image_id = str(self.frame["id"].iloc[row])
        with _still_readable(image_id):
            image = images.open_rgb(self.path(image_id))
        if images.pixel_hash(image) != self.frame["sha256"].iloc[row]:
            raise DataError(f"{image_id} changed while it was being read; run the command again.")
        return image

    def pixels(self, row: int, side: int) -> np.ndarray | Image.Image:
        """The picture of a row for something that looks at `side` px of it, perhaps smaller: `images.open_pixels`.

        Raises DataError as `open` does; a file whose size and times are unchanged is not hashed again.
        """
        if not self._is_untouched(row):
            return self.open(row)
        with _still_readable(self.ids[row]):
            return images.open_pixels(self.path(self.ids[row]), side)

    def _is_untouched(self, row: int) -> bool:
        """Whether the file is the one that was read, by size and times: as `build` decides what to read again."""
        known = self.frame["bytes"].iloc[row], self.frame["changed_ns"].iloc[row]
        try:
            return known == _status(self.path(self.ids[row]))
        except OSError:
            return False

    @cached_property
    def classes(self) -> dict[str, int]:
        """Images per class, by class name. Not to be changed."""
        return {str(label): int(count) for label, count in self.frame["label"].value_counts().sort_index().items()}

    @property
    def splits(self) -> dict[str, int]:
        """Images per split."""
        counts = self.frame["split"].value_counts()
        return {split: int(counts.get(split, 0)) for split in SPLITS}

    @cached_property
    def contents(self) -> str:
        """Hash of everything a Milvus row holds beside its vector: ids, labels and splits, in row order."""
        return artifacts.digest(*(list(self.frame[column]) for column in ("id", "label", "split")))

    @property
    def key(self) -> str:
        """Short name of exactly these rows."""
        return artifacts.digest(self.frame.to_csv(index=False), self.skipped, self.seed, self.limit, str(self.root))[:8]

    def row(self, image_id: str) -> int | None:
        """The row of an image, or None."""
        return self._places.get(image_id)

    def copies(self, sha256: str) -> list[int]:
        """The rows whose decoded pixels have this hash."""
        return [int(row) for row in (self.frame["sha256"] == sha256).to_numpy().nonzero()[0]]

    def all_copies(self) -> list[list[int]]:
        """For each row the rows with its decoded pixels, itself included."""
        groups = self.frame.groupby("sha256", sort=False).indices
        return [groups[sha256].tolist() for sha256 in self.frame["sha256"]]

    def reseeded(self, seed: int) -> Catalog:
        """The same images, split by another seed."""
        frame = self.frame.assign(split=[split_of(sha256, seed) for sha256 in self.frame["sha256"]])
        return replace(self, frame=frame, seed=seed)

    def summary(self) -> dict[str, Any]:
        """The `dataset` object of the command-line contract."""
        return {
            "name": self.name,
            "root": str(self.root),
            "images": len(self.frame),
            "classes": self.classes,
            "split": self.splits,
            "fingerprint": self.fingerprint,
            "skipped": self.skipped,
        }


def split_of(sha256: str, seed: int) -> str:
    """The split of a picture: 10 % test, 10 % of the rest validation, the remainder training.

    Decided by a hash of the picture's own pixels and the seed, so it does not move when other pictures come or go,
    and equal pictures always share a split.
    """
    draw = hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
    first, second = (int.from_bytes(draw[start : start + 8]) / 2**64 for start in (0, 8))
    if first < 0.1:
        return "test"
    return "val" if second < 0.1 else "train"


def fingerprint(pictures: Iterable[tuple[str, str]]) -> str:
    """Hash of (sha256, label) pairs in any order: equal for equal pictures under equal labels, wherever they lie."""
    return artifacts.digest("petalscope-data", SCHEMA, sorted(pictures))


def build(
    name: str,
    root: Path,
    *,
    seed: int,
    limit: int | None = None,
    previous: Catalog | None = None,
    progress: Progress | None = None,
    decode: Callable[[Path], Image.Image] = images.open_rgb,
) -> Catalog:
    """Read the folder `root`; rows whose file has not changed are taken from `previous` instead of decoding it.

    `limit` keeps that many images, as evenly spread over the classes as they allow. Raises DataError when the folder
    is missing, holds no class folders, or none of its images can be read.
    """
    import pandas as pd

    files, skipped = scan(root)
    known = {} if previous is None else {str(row["id"]): row for row in previous.frame.to_dict("records")}
    waiting = _by_class(files)
    wanted = len(files) if limit is None else min(limit, len(files))
    rows: list[dict[str, Any]] = []
    taken = dict.fromkeys(waiting, 0)
    done = 0
    # Pillow decodes without holding the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        while len(rows) < wanted and (names := _next_block(waiting, taken, min(BLOCK, wanted - len(rows)))):
            for row in pool.map(lambda name: _read(root, name, known.get(name), decode), names):
                if "reason" in row:
                    skipped.append(row)
                else:
                    rows.append(row)
                    taken[row["label"]] += 1
                done += 1
                if progress is not None:
                    progress(done if limit is None else len(rows), wanted)
    if not rows:
        raise DataError(
            f"{root} has no readable image in a class sub-folder; name a folder like DIR/daisy/photo.jpg with --data."
        )
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    frame["split"] = [split_of(sha256, seed) for sha256 in frame["sha256"]]
    frame = frame[COLUMNS]
    return Catalog(
        name=name,
        root=root,
        frame=_with_factors(frame, root / FACTORS_FILE),
        skipped=sorted(skipped, key=lambda entry: entry["id"]),
        fingerprint=fingerprint(zip(frame["sha256"], frame["label"], strict=True)),
        seed=seed,
        limit=limit,
    )


def _by_class(files: list[str]) -> dict[str, list[str]]:
    """Ids by class, in the reverse of the order in which a limit takes them: a fixed shuffle."""
    by_class: dict[str, list[str]] = {}
    for name in sorted(files, key=lambda name: hashlib.sha256(name.encode()).digest(), reverse=True):
        by_class.setdefault(name.split("/", 1)[0], []).append(name)
    return by_class


def _next_block(waiting: dict[str, list[str]], taken: dict[str, int], size: int) -> list[str]:
    """Remove up to `size` ids from `waiting`, each from the class that would have the fewest images so far."""
    fewest = [(taken[label], label) for label in waiting if waiting[label]]
    heapq.heapify(fewest)
    block: list[str] = []
    while fewest and len(block) < size:
        count, label = fewest[0]
        block.append(waiting[label].pop())
        if waiting[label]:
            heapq.heapreplace(fewest, (count + 1, label))
        else:
            heapq.heappop(fewest)
    return block


def _read(root: Path, name: str, known: dict[str, Any] | None, decode: Callable[[Path], Image.Image]) -> dict[str, Any]:
    path = root / name
    try:
        # Asked before the pixels are read: a file that changes in between is read again next time.
        size, changed_ns = _status(path)
        if known is not None and (known["bytes"], known["changed_ns"]) == (size, changed_ns):
            return known
        image = decode(path)
    except ImageError as error:
        return skipped_file(name, str(error))
    except OSError as error:
        return skipped_file(name, f"cannot be opened: {error.strerror}")
    return {
        "id": name,
        "label": name.split("/", 1)[0],
        "width": image.width,
        "height": image.height,
        "sha256": images.pixel_hash(image),
        "bytes": size,
        "changed_ns": changed_ns,
    }


def _status(path: Path) -> tuple[int, int]:
    """Size of a file and a number made of its times, which differs whenever the file was written or replaced.

    The inode's own time is part of it, since that one cannot be set by hand; so is the link's, where `path` is one.
    Times may lie anywhere between 1901 and 9999, so the sum is cut to what 64 bits hold.
    """
    status = path.stat()
    return status.st_size, (status.st_mtime_ns + status.st_ctime_ns + path.lstat().st_ctime_ns) % 2**63


def _with_factors(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file() or not file.resolve().is_relative_to(file.parent.resolve()):
        return frame
    try:
        factors = pd.read_csv(file, dtype={"id": str}, low_memory=False)
        if not isinstance(factors.index, pd.RangeIndex):
            raise ValueError("rows are longer than the header")
        factors = factors.drop_duplicates("id").set_index("id").add_prefix("factor_")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} is not a table with an `id` column; repair or remove it.") from error
    if not factors.index.isin(frame["id"]).any():
        return frame
    # Columns of several kinds become text, since a Parquet file cannot keep them.
    mixed = factors.columns[factors.dtypes == "object"]
    return frame.join(factors.astype(dict.fromkeys(mixed, "str")), on="id")
