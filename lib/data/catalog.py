"""The catalog: one row per readable image of a folder of class sub-folders.

Columns: `id` (path relative to the data folder, POSIX, unique; rows are sorted by it), `label` (name of the class
folder), `split`, `width`, `height` (of the upright picture, px), `sha256` (of the decoded RGB pixels), `bytes`,
`changed_ns` (to notice a changed file without decoding it) and, where the folder holds a `factors.csv`, one
`factor_…` column for each of its columns.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lib import artifacts
from lib.data import images
from lib.errors import DataError, ImageError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
SPLITS = ("train", "val", "test")
FACTORS_FILE = "factors.csv"
# What operating systems and archives leave about; nobody misses them in a list of skipped files.
NOISE = {".ds_store", "thumbs.db", "desktop.ini", "__macosx"}
Progress = Callable[[int, int | None], None]


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

    @property
    def ids(self) -> list[str]:
        """Image ids in row order (ascending)."""
        return list(self.frame["id"])

    def path(self, image_id: str) -> Path:
        """Where the file of `image_id` lies."""
        return self.root.joinpath(*PurePosixPath(image_id).parts)

    @property
    def classes(self) -> dict[str, int]:
        """Images per class, by class name."""
        return {str(label): int(count) for label, count in self.frame["label"].value_counts().sort_index().items()}

    @property
    def splits(self) -> dict[str, int]:
        """Images per split."""
        counts = self.frame["split"].value_counts()
        return {split: int(counts.get(split, 0)) for split in SPLITS}

    @property
    def contents(self) -> str:
        """Hash of everything a Milvus row holds beside its vector: ids, labels and splits, in row order."""
        return artifacts.digest(*(list(self.frame[column]) for column in ("id", "label", "split")))

    @property
    def key(self) -> str:
        """Short name of exactly these rows."""
        return artifacts.digest(self.frame.to_csv(index=False), self.skipped, self.seed, self.limit, str(self.root))[:8]

    def row(self, image_id: str) -> int | None:
        """The row of an image, or None."""
        place = int(self.frame["id"].searchsorted(image_id))
        return place if place < len(self.frame) and self.frame["id"].iloc[place] == image_id else None

    def copies(self, sha256: str) -> list[int]:
        """The rows whose decoded pixels have this hash."""
        return [int(row) for row in (self.frame["sha256"] == sha256).to_numpy().nonzero()[0]]

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
) -> Catalog:
    """Read the folder `root`; rows whose file has not changed are taken from `previous` instead of decoding it.

    `limit` keeps that many images, spread over the classes. Raises DataError when the folder is missing, holds no
    class folders, or none of its images can be read.
    """
    import pandas as pd

    files, skipped = scan(root)
    known = {} if previous is None else {str(row["id"]): row for row in previous.frame.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for done, row in enumerate(_read_all(root, _spread(files), known, limit), start=1):
        (skipped if "reason" in row else rows).append(row)
        if progress is not None:
            progress(done, limit or len(files))
        if limit is not None and len(rows) >= limit:
            break
    if not rows:
        raise DataError(
            f"{root} has no readable image in a class sub-folder; name a folder like DIR/daisy/photo.jpg with --data."
        )
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    frame["split"] = [split_of(sha256, seed) for sha256 in frame["sha256"]]
    frame = frame[["id", "label", "split", "width", "height", "sha256", "bytes", "changed_ns"]]
    return Catalog(
        name=name,
        root=root,
        frame=_with_factors(frame, root / FACTORS_FILE),
        skipped=sorted(skipped, key=lambda entry: entry["id"]),
        fingerprint=fingerprint(zip(frame["sha256"], frame["label"], strict=True)),
        seed=seed,
        limit=limit,
    )


def scan(root: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Ids of the files in the class folders of `root`, sorted, and the files that are left out, with reasons.

    Symbolic links are followed only inside `root`, and a folder is never entered twice.
    """
    try:
        home = root.resolve(strict=True)
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except (OSError, RuntimeError) as error:
        raise DataError(f"The data folder {root} cannot be read; name one with --data or PETALSCOPE_DATA.") from error
    files: list[str] = []
    skipped: list[dict[str, str]] = []
    entered = {home}

    def walk(folder: Path, prefix: str) -> None:
        try:
            children = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            skipped.append(_skip(prefix.rstrip("/"), f"cannot be opened: {error.strerror}"))
            return
        for child in children:
            visit(child, prefix + child.name)

    def visit(entry: os.DirEntry[str], name: str) -> None:
        if entry.name.lower() in NOISE or entry.name.startswith("._"):
            return
        if not images.is_plain_name(entry.name):
            skipped.append(_skip(name, "has a name that is not valid UTF-8; rename it"))
            return
        try:
            target = Path(entry.path).resolve(strict=True) if entry.is_symlink() else Path(entry.path)
        except (OSError, RuntimeError):
            skipped.append(_skip(name, "is a link that leads nowhere"))
            return
        if entry.is_symlink() and not target.is_relative_to(home):
            skipped.append(_skip(name, "is a link that leads out of the data folder"))
        elif target.is_dir():
            real = target.resolve()
            if real in entered:
                skipped.append(_skip(name, "is a link to a folder that is already read"))
            else:
                entered.add(real)
                walk(Path(entry.path), f"{name}/")
        elif "/" in name:
            files.append(name)
        elif entry.name.lower() not in {FACTORS_FILE, "license.txt", "readme.md", "readme.txt"}:
            skipped.append(_skip(name, "lies in no class folder"))

    # Real folders first, so that a link to one of them is what counts as the second way in.
    for entry in sorted(entries, key=lambda entry: entry.is_symlink()):
        visit(entry, entry.name)
    return sorted(files), skipped


def _spread(files: list[str]) -> list[str]:
    """Files in the order in which a limit takes them: one of each class in turn, in a fixed shuffle within a class."""
    by_class: dict[str, list[str]] = {}
    for name in sorted(files, key=lambda name: hashlib.sha256(name.encode()).digest()):
        by_class.setdefault(name.split("/", 1)[0], []).append(name)
    turns = itertools.zip_longest(*(by_class[label] for label in sorted(by_class)))
    return [name for turn in turns for name in turn if name is not None]


def _read_all(
    root: Path, names: list[str], known: dict[str, dict[str, Any]], limit: int | None
) -> Iterator[dict[str, Any]]:
    # Pillow decodes without holding the interpreter lock, so threads are enough. Small blocks keep memory bounded and
    # let a limit stop early.
    block = 256 if limit is None else max(8, min(limit, 256))
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), block):
            yield from pool.map(lambda name: _read(root, name, known.get(name)), names[start : start + block])


def _read(root: Path, name: str, known: dict[str, Any] | None) -> dict[str, Any]:
    path = root / name
    try:
        status = path.stat()
        if known is not None and _unchanged(known, status):
            return known
        image = images.open_rgb(path)
    except ImageError as error:
        return _skip(name, str(error))
    except OSError as error:
        return _skip(name, f"cannot be opened: {error.strerror}")
    return {
        "id": name,
        "label": name.split("/", 1)[0],
        "width": image.width,
        "height": image.height,
        "sha256": images.pixel_hash(image),
        "bytes": status.st_size,
        "changed_ns": _changed_ns(status),
    }


def _skip(name: str, reason: str) -> dict[str, str]:
    return {"id": name.encode("utf-8", "backslashreplace").decode(), "reason": reason}


def _with_factors(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file():
        return frame
    try:
        factors = pd.read_csv(file)
        factors["id"] = factors["id"].astype(str)
        factors = factors.drop_duplicates("id").set_index("id").add_prefix("factor_")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} is not a table with an `id` column; repair or remove it.") from error
    return frame.join(factors, on="id")


def changes(catalog: Catalog) -> dict[str, int]:
    """Files that were added, removed or changed in the data folder since `catalog` was made (by name, size and time).

    A catalog made with a limit leaves files out on purpose: then nothing counts as added.
    """
    files, _ = scan(catalog.root)
    known = {str(row["id"]): row for row in catalog.frame.to_dict("records")}
    listed = set(files)
    left_out = {entry["id"] for entry in catalog.skipped}
    changed = 0
    for name, row in known.items():
        if name in listed:
            try:
                changed += not _unchanged(row, (catalog.root / name).stat())
            except OSError:
                changed += 1
    return {
        "added": 0 if catalog.limit is not None else len(listed - set(known) - left_out),
        "removed": len(set(known) - listed),
        "changed": changed,
    }


def _unchanged(row: dict[str, Any], status: os.stat_result) -> bool:
    return bool(row["bytes"] == status.st_size and row["changed_ns"] == _changed_ns(status))


def _changed_ns(status: os.stat_result) -> int:
    # The inode's own time cannot be set by hand, so a replaced file with an old date is noticed too.
    return max(status.st_mtime_ns, status.st_ctime_ns)


def save(catalog: Catalog, path: Path) -> None:
    """Write `catalog` to the Parquet file `path`, atomically; everything but the rows goes into its metadata."""
    frame = catalog.frame.copy()
    frame.attrs = {
        "schema": SCHEMA,
        "name": catalog.name,
        "root": str(catalog.root),
        "fingerprint": catalog.fingerprint,
        "seed": catalog.seed,
        "limit": catalog.limit,
        "skipped": catalog.skipped,
    }
    with artifacts.replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def load(path: Path) -> Catalog | None:
    """The catalog at `path`; None when there is none or another version of Petalscope wrote it.

    Raises ArtifactError when the file is damaged.
    """
    import pandas as pd

    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
        facts = frame.attrs
        if facts["schema"] != SCHEMA:
            return None
        return Catalog(
            name=facts["name"],
            root=Path(facts["root"]),
            frame=frame,
            skipped=facts["skipped"],
            fingerprint=facts["fingerprint"],
            seed=facts["seed"],
            limit=facts["limit"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise artifacts.damaged(path) from error
