"""The catalog: one row per readable image of a data folder, which `layout` reads.

Columns: `id` (POSIX path relative to the data folder, unique; rows are sorted by id), `label` (name of the class, with
composed accents; "" in all rows without labels), `split`, `width` and `height` (of the upright picture, px), `sha256`
(of the decoded RGB pixels), `bytes`, `changed_ns` (computed from the file's times, to detect a changed file without
decoding it). A `factors.csv` in the folder adds a `factor_…` column for each of its columns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from lib import artifacts
from lib.data import factor_table, images, sampling, splits, unreadable
from lib.data.layouts import layout
from lib.data.scanning import FACTORS_FILE, skipped_file
from lib.documents.labels import OverlayFacts
from lib.documents.prepare import DatasetSummary, SkippedFile
from lib.errors import DataError, ImageError, Remedy
from lib.progress import Progress, no_progress
from lib.settings import LayoutChoice
from lib.text import composed, look_alikes, natural_key

if TYPE_CHECKING:
    import pandas as pd


SCHEMA = 1
SPLITS = splits.SPLITS
split_of = splits.split_of
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
    # How the folder was read (`Layout.facts`), with `empty`, the class folders that yielded no image. Empty in catalogs
    # of versions that knew class folders only.
    layout: dict[str, Any] = field(default_factory=dict)
    # The facts of the label review that is applied (`label_overlay.applied`).
    review: OverlayFacts | None = None

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

    @cached_property
    def _row_by_composed_id(self) -> dict[str, int]:
        return {composed(image_id): row for row, image_id in enumerate(self.ids)}

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

    def picture(self, row: int) -> Image.Image:
        """As `open`, but a file with unchanged size and times is not hashed again."""
        if self.decoder != images.DECODER or not self.is_unchanged(row):
            return self.open(row)
        with _read_again(self.ids[row]):
            return images.open_rgb(self.path(self.ids[row]))

    def pixels(self, row: int, side: int) -> np.ndarray | Image.Image:
        """The picture of a row as `images.open_pixels` decodes it, for use at `side` px.

        Raises the errors of `open`. A file with unchanged size and times is not hashed again.
        """
        if not self.is_unchanged(row):
            return self.open(row)
        with _read_again(self.ids[row]):
            return images.open_pixels(self.path(self.ids[row]), side)

    def is_unchanged(self, row: int) -> bool:
        """Whether size and times of the file are those in the row; `build` decides alike which files to decode."""
        stamp = self.frame["bytes"].iloc[row], self.frame["changed_ns"].iloc[row]
        try:
            return stamp == file_stamp(self.path(self.ids[row]))
        except OSError:
            return False

    @cached_property
    def classes(self) -> dict[str, int]:
        """Number of images by class name, in natural order (2 before 10); empty without labels. Do not modify it."""
        counts = {str(label): int(count) for label, count in self.frame["label"].value_counts().items() if label}
        return {label: counts[label] for label in sorted(counts, key=natural_key)}

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
        facts = self.frame.to_csv(index=False), self.skipped, self.seed, self.limit, str(self.root)
        # Catalogs of plain class folders keep the names that earlier versions gave them.
        worth_keeping = {name: value for name, value in self.layout.items() if value and name not in {"kind", "reason"}}
        more = (self.layout,) if worth_keeping or self.layout.get("kind", "classes") != "classes" else ()
        return artifacts.digest(*facts, *more, *((self.review,) if self.review else ()))[:8]

    def row(self, image_id: str) -> int | None:
        """The row of an image, whichever Unicode form its id is written in; None for an unknown id."""
        row = self._row_by_id.get(image_id)
        return row if row is not None or image_id.isascii() else self._row_by_composed_id.get(composed(image_id))

    def label_named(self, name: str) -> str:
        """The class called `name`, whichever Unicode form it is written in; `name` itself where there is none."""
        if name in self.classes:
            return name
        return next((label for label in self.classes if composed(label) == composed(name)), name)

    @property
    def given_splits(self) -> list[str]:
        """The splits that the folders or the table give; the others are drawn out of training. Empty: all are drawn."""
        return list(self.layout.get("given_splits", []))

    @cached_property
    def split_key(self) -> str:
        """What beside the seed decides the split: "" where all of it is drawn, else a hash of pictures and splits."""
        if not self.given_splits:
            return ""
        return artifacts.digest(sorted(zip(self.hashes, self.frame["split"], strict=True)))[:16]

    def copies(self, sha256: str) -> list[int]:
        """The rows with this pixel hash."""
        return [int(row) for row in (self.frame["sha256"] == sha256).to_numpy().nonzero()[0]]

    def all_copies(self) -> list[list[int]]:
        """For each row, the rows with the same pixels, itself included."""
        groups = self.frame.groupby("sha256", sort=False).indices
        return [groups[sha256].tolist() for sha256 in self.frame["sha256"]]

    def reseeded(self, seed: int) -> Catalog:
        """The same images with the splits of another seed. Splits that the folders or the table give stay."""
        own: dict[str, str] = {}
        if self.given_splits:  # a row of another split was drawn out of training
            rows = zip(self.ids, self.frame["split"], strict=True)
            own = {image_id: split if split in self.given_splits else "train" for image_id, split in rows}
        return replace(self, frame=splits.with_splits(self.frame, own, seed), seed=seed)

    @property
    def empty_classes(self) -> list[str]:
        """Ids of the class folders that yielded no image."""
        return list(self.layout.get("empty", []))

    @property
    def look_alikes(self) -> list[list[str]]:
        """Groups of classes whose names look alike."""
        return look_alikes(self.classes)

    def summary(self) -> DatasetSummary:
        """The `dataset` object of the command-line contract."""
        facts = self.layout or {"kind": "classes", "reason": "class folders"}
        document: DatasetSummary = {
            "name": self.name,
            "root": str(self.root),
            "images": len(self.frame),
            "classes": self.classes,
            "split": self.splits,
            "fingerprint": self.fingerprint,
            "skipped": cast("list[SkippedFile]", self.skipped),
            "factors": self.factors,
            "layout": {
                "kind": facts["kind"],
                "reason": facts["reason"],
                "root": str(self.root.joinpath(*PurePosixPath(facts.get("root", "")).parts)),
                "wrappers": list(facts.get("wrappers", [])),
                "labels": facts.get("labels"),
                "notes": list(facts.get("notes", [])),
                "given_splits": self.given_splits,
                "others": list(facts.get("others", [])),
            },
            "empty_classes": self.empty_classes,
            "look_alikes": self.look_alikes,
        }
        if self.review:
            changed, left_out = len(self.review["labels"]), len(self.review["left_out"])
            document["review"] = {"relabelled": changed, "excluded": left_out}
        return document


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
    choice: LayoutChoice | None = None,
    progress: Progress = no_progress,
    decode: Callable[[Path], Image.Image] = images.open_rgb,
) -> Catalog:
    """The catalog of the folder `root`. Rows of unchanged files are copied from `previous` instead of decoded.

    `limit` is the largest number of images, spread over the classes as evenly as possible. `choice` is how the user
    wants the folder read. Raises DataError when the folder is missing, cannot be read in one way only, or has no
    readable image.
    """
    import pandas as pd

    found = layout.read(root, choice)
    skipped = list(found.skipped)
    previous_rows = {} if previous is None else {str(row["id"]): row for row in previous.frame.to_dict("records")}

    def reusable(name: str) -> dict[str, Any] | None:
        row = previous_rows.get(name)
        same_decoder = previous is None or previous.decoder == images.DECODER
        return row if row is None or same_decoder or not images.has_foreign_colours(root / name) else None

    queues = sampling.shuffled_by_class(found.labels)
    target = len(found.labels) if limit is None else min(limit, len(found.labels))
    rows: list[dict[str, Any]] = []
    counts = dict.fromkeys(queues, 0)
    done = 0
    # Threads suffice, since Pillow releases the interpreter lock while it decodes.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        while len(rows) < target and (names := sampling.next_block(queues, counts, min(BLOCK, target - len(rows)))):
            for row in pool.map(lambda name: _read(root, name, reusable(name), decode), names):
                if "reason" in row:
                    skipped.append(row)
                else:
                    rows.append(row | {"label": found.labels[row["id"]]})
                    counts[rows[-1]["label"]] += 1
                done += 1
                progress(done if limit is None else len(rows), target)
    if not rows:
        raise unreadable.no_image_error(root, found.labels, skipped)
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    frame = splits.with_splits(frame, found.splits, seed)
    factors = factor_table.join(frame[COLUMNS], root / FACTORS_FILE)
    # A class whose photos a limit leaves out is not empty.
    waiting = {label for label, queue in queues.items() if queue}
    return Catalog(
        name=name,
        root=root,
        frame=factors.frame,
        skipped=sorted(skipped, key=lambda entry: entry["id"]),
        fingerprint=fingerprint(zip(frame["sha256"], frame["label"], strict=True)),
        seed=seed,
        limit=limit,
        factors=factors.note,
        layout=found.facts() | {"empty": unreadable.empty_folders(found, frame["id"], waiting)},
    )


def _read(
    root: Path, name: str, previous_row: dict[str, Any] | None, decode: Callable[[Path], Image.Image]
) -> dict[str, Any]:
    """The row of a file, without its label and split; an entry of `skipped` when the file cannot be read."""
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
