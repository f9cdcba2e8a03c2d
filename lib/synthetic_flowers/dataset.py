"""Synthetic flowers: a rendered data set of five species for machines that cannot download photos.

Each picture has its own random generator, derived from (seed, species, index), so the set does not depend on the number
of processes. The factors of each picture (pose, light, background, bloom …) are in `factors.csv` beside the pictures.
"""

from __future__ import annotations

import contextlib
import csv
import json
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np

from lib.errors import DataError
from lib.progress import Progress, no_progress
from lib.synthetic_flowers.plant import Factors
from lib.synthetic_flowers.recipe_file import is_complete
from lib.synthetic_flowers.scene import FACTORS, SPECIES, draw

JPEG_QUALITY = 92


class _SetDescription(TypedDict):
    """The arguments of `generate`, in the form in which worker processes receive them."""

    root: str
    per_class: int
    size: int
    seed: int


def _picture(seed: int, number: int, per_class: int) -> tuple[str, str, int]:
    """Id, species and seed of the picture with this number in the set with this seed."""
    species, index = SPECIES[number // per_class], number % per_class + 1
    picture_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return f"{species}/{species}_{index:04d}.jpg", species, picture_seed


def _write(root: Path, image_id: str, species: str, seed: int, size: int) -> Factors:
    """Draw a picture to its file. Returns its row of the factor table."""
    from PIL import Image

    pixels, factors = draw(species, seed, size)
    path = root / image_id
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=JPEG_QUALITY, subsampling=0)
    return {"id": image_id, **factors}


def generate(
    root: Path,
    *,
    per_class: int = 240,
    size: int = 224,
    seed: int = 0,
    workers: int = 2,
    progress: Progress = no_progress,
) -> None:
    """Draw `per_class` pictures of each species to `root` (`<species>/<species>_0001.jpg`, `factors.csv`).

    A complete set at `root` stays unchanged. Pictures are drawn to a hidden folder beside `root`, which is renamed when
    it is complete; leftovers of an interrupted run are replaced. `progress(done, total)` is called from the calling
    thread. Raises DataError when `root` has other contents.
    """
    if is_complete(root):
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is neither empty nor a complete synthetic set; delete it or name another folder.")
    if per_class < 1 or size < 16:
        raise DataError(f"A set needs at least 1 picture per species of 16 px, not {per_class} of {size} px.")
    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    total = per_class * len(SPECIES)
    rows: dict[str, Factors] = {}

    def add(row: Factors) -> None:
        rows[str(row["id"])] = row
        progress(len(rows), total)

    if workers > 1:
        description = _SetDescription(root=str(partial.absolute()), per_class=per_class, size=size, seed=seed)
        for row in _drawn_in_parallel(description, min(workers, total)):
            add(row)
    for number in range(total):  # without workers all pictures, else those of a worker that died
        image_id, species, picture_seed = _picture(seed, number, per_class)
        if image_id not in rows:
            add(_write(partial, image_id, species, picture_seed, size))
    with (partial / "factors.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["id", *FACTORS])
        writer.writeheader()
        writer.writerows(rows[image_id] for image_id in sorted(rows))
    if root.exists():
        root.rmdir()
    partial.replace(root)


def _drawn_in_parallel(description: _SetDescription, workers: int) -> Iterator[Factors]:
    """Rows of the factor table in the order in which worker processes draw the pictures.

    Plain subprocesses instead of a process pool: a spawned pool imports the caller's main module again, which is the
    app itself under Streamlit, and fails for a program read from standard input. A fork is not safe after torch.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    processes: list[subprocess.Popen[str]] = []

    def read(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    try:
        for share in range(workers):
            command = [sys.executable, "-c", _WORKER, json.dumps({**description, "share": share, "of": workers})]
            try:
                process = subprocess.Popen(
                    command,
                    cwd=Path(__file__).resolve().parents[2],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            except OSError:
                break
            processes.append(process)
            threading.Thread(target=read, args=(process,), daemon=True).start()
        running = len(processes)
        while running:
            line = lines.get()
            if line is None:
                running -= 1
            elif line.endswith("\n"):
                yield json.loads(line)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
            if process.stdout:
                process.stdout.close()


# NumPy's BLAS reads the number of its threads on import. One for each worker, since more would wait for each other.
_WORKER = """
import os
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
from lib.synthetic_flowers.dataset import draw_share
draw_share()
"""


def draw_share() -> None:
    """Run a worker process: draw its share of the set described on the command line, and print each row as JSON."""
    import ctypes

    import cv2

    cv2.setNumThreads(1)
    with contextlib.suppress(AttributeError, OSError, TypeError):
        # glibc returns large buffers to the system at once; allocating them again took a tenth of the time.
        libc = ctypes.CDLL(None)
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    share = json.loads(sys.argv[1])
    for number in range(share["share"], share["per_class"] * len(SPECIES), share["of"]):
        picture = _picture(share["seed"], number, share["per_class"])
        print(json.dumps(_write(Path(share["root"]), *picture, share["size"])), flush=True)
