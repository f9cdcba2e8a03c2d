"""The catalog: one row per readable image of a folder of class sub-folders.

Columns: `id` (POSIX path relative to the data folder, unique; rows are sorted by id), `label` (name of the class
folder), `split`, `width` and `height` (of the upright picture, px), `sha256` (of the decoded RGB pixels), `bytes`,
`changed_ns` (computed from the file's times, to detect a changed file without decoding it). A `factors.csv` in the
folder adds a `factor_…` column for each of its columns.
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
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data import factor_table, images, skipped_files
from lib.data.scanning import FACTORS_FILE, scan, skipped_file
from lib.documents.prepare import DatasetSummary, SkippedFile
from lib.errors import DataError, ImageError, Remedy
from lib.progress import Progress, no_progress
from lib.text import counted

if TYPE_CHECKING:
    import pandas as pd


SCHEMA = 1
SPLITS = ("train", "val", "test")
COLUMNS = ["id", "label", "split", "width", "height", "sha256", "bytes", "changed_ns"]
OTHER_COLOURS = "was prepared by an earlier version, which did not convert its colours to sRGB"
BLOCK = 256  # photos decoded between two checks of the limit


@contextmanager
def _read_again(image_id: str) -> Iterator[None]:
    """Turns the ImageError of a photo that was readable before into a DataError."""
    try:
        yield
    except ImageError as error:
        raise DataError(f"{image_id} {error} now, but not a moment ago", remedy=Remedy.RUN_AGAIN) from error


@dataclass(frozen=True)
class Catalog:
    """The images of a data folder. `frame` has the rows; `skipped` lists the other files by `id` and `reason`."""

    name: str
    root: Path
    frame: pd.DataFrame
    skipped: list[dict[str, str]]
    fingerprint: str
    seed: int
    limit: int | None
    # The version of `images` that decoded the photos.
    decoder: int = images.DECODER
    # A clause about the factor table, see `factor_table`.
    factors: str = ""

    @cached_property
    def ids(self) -> list[str]:
        """Image ids in row order (ascending). Do not modify the list."""
        return list(self.frame["id"])

    @cached_property
    def labels(self) -> list[str]:
        """The class of each row. Do not modify the list."""
        return [str(label) for label in self.frame["label"]]

    @cached_property
    def hashes(self) -> list[str]:
        """The pixel hash of each row. Do not modify the list."""
        return [str(sha256) for sha256 in self.frame["sha256"]]

    @cached_property
    def _row_by_id(self) -> dict[str, int]:
        return {image_id: row for row, image_id in enumerate(self.ids)}

    def path(self, image_id: str) -> Path:
        """The file of an image."""
        return self.root.joinpath(*PurePosixPath(image_id).parts)

    def open(self, row: int) -> Image.Image:
        """The picture of a row, upright RGB.

        Raises DataError when the file cannot be read, or has become another picture.
        """
        image_id = str(self.frame["id"].iloc[row])
        with _read_again(image_id):
            image = images.open_rgb(self.path(image_id))
        if images.pixel_hash(image) != self.frame["sha256"].iloc[row]:
            if self.decoder != images.DECODER and images.has_foreign_colours(self.path(image_id)):
                raise DataError(f"{image_id} {OTHER_COLOURS}", remedy=Remedy.PREPARE)
            raise DataError(f"{image_id} changed while it was being read", remedy=Remedy.RUN_AGAIN)
        return image

    def pixels(self, row: int, side: int) -> np.ndarray | Image.Image:
        """The picture of a row as `images.open_pixels` decodes it, for use at `side` px.

        Raises the errors of `open`. A file with unchanged size and times is not hashed again.
        """
        if not self._is_unchanged(row):
            return self.open(row)
        with _read_again(self.ids[row]):
            return images.open_pixels(self.path(self.ids[row]), side)

    def _is_unchanged(self, row: int) -> bool:
        """Whether size and times of the file are those in the row; `build` decides alike which files to decode."""
        stamp = self.frame["bytes"].iloc[row], self.frame["changed_ns"].iloc[row]
        try:
            return stamp == file_stamp(self.path(self.ids[row]))
        except OSError:
            return False

    @cached_property
    def classes(self) -> dict[str, int]:
        """Number of images by class name, sorted by name. Do not modify the dictionary."""
        return {str(label): int(count) for label, count in self.frame["label"].value_counts().sort_index().items()}

    @property
    def splits(self) -> dict[str, int]:
        """Number of images by split."""
        counts = self.frame["split"].value_counts()
        return {split: int(counts.get(split, 0)) for split in SPLITS}

    @cached_property
    def contents(self) -> str:
        """Hash of the fields of a Milvus row beside its vector: ids, labels and splits, in row order."""
        return artifacts.digest(*(list(self.frame[column]) for column in ("id", "label", "split")))

    @property
    def key(self) -> str:
        """A short hash of the rows and of all other fields."""
        return artifacts.digest(self.frame.to_csv(index=False), self.skipped, self.seed, self.limit, str(self.root))[:8]

    def row(self, image_id: str) -> int | None:
        """The row of an image; None for an unknown id."""
        return self._row_by_id.get(image_id)

    def copies(self, sha256: str) -> list[int]:
        """The rows with this pixel hash."""
        return [int(row) for row in (self.frame["sha256"] == sha256).to_numpy().nonzero()[0]]

    def all_copies(self) -> list[list[int]]:
        """For each row, the rows with the same pixels, itself included."""
        groups = self.frame.groupby("sha256", sort=False).indices
        return [groups[sha256].tolist() for sha256 in self.frame["sha256"]]

    def reseeded(self, seed: int) -> Catalog:
        """The same images with the splits of another seed."""
        frame = self.frame.assign(split=[split_of(sha256, seed) for sha256 in self.frame["sha256"]])
        return replace(self, frame=frame, seed=seed)

    def summary(self) -> DatasetSummary:
        """The `dataset` object of the command-line contract."""
        return {
            "name": self.name,
            "root": str(self.root),
            "images": len(self.frame),
            "classes": self.classes,
            "split": self.splits,
            "fingerprint": self.fingerprint,
            "skipped": cast("list[SkippedFile]", self.skipped),
            "factors": self.factors,
        }


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


def fingerprint(pictures: Iterable[tuple[str, str]]) -> str:
    """Hash of (sha256, label) pairs, independent of their order and of file names."""
    return artifacts.digest("petalscope-data", SCHEMA, sorted(pictures))


def build(
    name: str,
    root: Path,
    *,
    seed: int,
    limit: int | None = None,
    previous: Catalog | None = None,
    progress: Progress = no_progress,
    decode: Callable[[Path], Image.Image] = images.open_rgb,
) -> Catalog:
    """The catalog of the folder `root`. Rows of unchanged files are copied from `previous` instead of decoded.

    `limit` is the largest number of images, spread over the classes as evenly as possible. Raises DataError when the
    folder is missing, has no class folders, or has no readable image in them.
    """
    import pandas as pd

    files, skipped = scan(root)
    previous_rows = {} if previous is None else {str(row["id"]): row for row in previous.frame.to_dict("records")}

    def reusable(name: str) -> dict[str, Any] | None:
        row = previous_rows.get(name)
        same_decoder = previous is None or previous.decoder == images.DECODER
        return row if row is None or same_decoder or not images.has_foreign_colours(root / name) else None

    queues = _shuffled_by_class(files)
    target = len(files) if limit is None else min(limit, len(files))
    rows: list[dict[str, Any]] = []
    counts = dict.fromkeys(queues, 0)
    done = 0
    # Threads suffice, since Pillow releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        while len(rows) < target and (names := _next_block(queues, counts, min(BLOCK, target - len(rows)))):
            for row in pool.map(lambda name: _read(root, name, reusable(name), decode), names):
                if "reason" in row:
                    skipped.append(row)
                else:
                    rows.append(row)
                    counts[row["label"]] += 1
                done += 1
                progress(done if limit is None else len(rows), target)
    if not rows:
        raise DataError(_nothing_readable(root, files, skipped), remedy=Remedy.CHOOSE_DATA)
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    frame["split"] = [split_of(sha256, seed) for sha256 in frame["sha256"]]
    factors = factor_table.join(frame[COLUMNS], root / FACTORS_FILE)
    return Catalog(
        name=name,
        root=root,
        frame=factors.frame,
        skipped=sorted(skipped, key=lambda entry: entry["id"]),
        fingerprint=fingerprint(zip(frame["sha256"], frame["label"], strict=True)),
        seed=seed,
        limit=limit,
        factors=factors.note,
    )


def _nothing_readable(root: Path, files: list[str], skipped: list[dict[str, str]]) -> str:
    problem = f"{root} has no readable image in a class sub-folder"
    if not files:
        return problem
    folders = counted(len({name.split("/", 1)[0] for name in files}), "class folder")
    unread = [entry for entry in skipped if entry["id"] in set(files)]
    return f"{problem}: of {counted(len(files), 'file')} in {folders}, {skipped_files.by_kind(unread)}"


def _shuffled_by_class(files: list[str]) -> dict[str, list[str]]:
    """Ids by class in a fixed shuffle. A limit takes ids from the end of each list."""
    queues: dict[str, list[str]] = {}
    for name in sorted(files, key=lambda name: hashlib.sha256(name.encode()).digest(), reverse=True):
        queues.setdefault(name.split("/", 1)[0], []).append(name)
    return queues


def _next_block(queues: dict[str, list[str]], counts: dict[str, int], size: int) -> list[str]:
    """Remove up to `size` ids from `queues`, each from the class with the fewest images so far.

    `counts` is the number of images by class before the block.
    """
    smallest = [(counts[label], label) for label in queues if queues[label]]
    heapq.heapify(smallest)
    block: list[str] = []
    while smallest and len(block) < size:
        count, label = smallest[0]
        block.append(queues[label].pop())
        if queues[label]:
            heapq.heapreplace(smallest, (count + 1, label))
        else:
            heapq.heappop(smallest)
    return block


def _read(
    root: Path, name: str, previous_row: dict[str, Any] | None, decode: Callable[[Path], Image.Image]
) -> dict[str, Any]:
    """The row of a file, without its split; an entry of `skipped` when the file cannot be read."""
    path = root / name
    try:
        # Read before the pixels: a file that changes in between is decoded again next time.
        size, changed_ns = file_stamp(path)
        if previous_row is not None and (previous_row["bytes"], previous_row["changed_ns"]) == (size, changed_ns):
            return previous_row
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


def file_stamp(path: Path) -> tuple[int, int]:
    """Size of a file, and a number that changes whenever the file is written or replaced. Raises OSError.

    The number is the sum of the file's times, modulo 2**63, since times range from 1901 to 9999. It includes the change
    time, which no program can set, of the file and of a link to it.
    """
    status = path.stat()
    return status.st_size, (status.st_mtime_ns + status.st_ctime_ns + path.lstat().st_ctime_ns) % 2**63
