"""Synthetic flowers: a drawn data set of five species for machines that cannot download photos.

Each picture has its own generator, derived from (seed, species, index), so a set does not depend on how many
processes drew it. What was drawn (pose, light, background, bloom …) is written to `factors.csv` beside the pictures.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import DataError
from lib.synthetic_flowers.recipe_file import is_complete
from lib.synthetic_flowers.scene import FACTORS, SPECIES, draw

JPEG_QUALITY = 92
Progress = Callable[[int, int], None]


def _job(seed: int, number: int, per_class: int) -> tuple[str, str, int]:
    """Id, species and own seed of the picture with this number."""
    species, index = SPECIES[number // per_class], number % per_class + 1
    own = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return f"{species}/{species}_{index:04d}.jpg", species, own


def _write(root: Path, identity: str, species: str, seed: int, size: int) -> dict[str, Any]:
    from PIL import Image

    pixels, factors = draw(species, seed, size)
    path = root / identity
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=JPEG_QUALITY, subsampling=0)
    return {"id": identity, **factors}


def generate(
    root: Path,
    *,
    per_class: int = 240,
    size: int = 224,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Draw `per_class` pictures of each species into `root` (`<species>/<species>_0001.jpg`, `factors.csv`).

    A complete set at `root` is left alone. Pictures are drawn into a hidden sibling folder, which takes the name
    `root` when it is whole; what an interrupted run left there is replaced. `progress(done, total)` is called from
    the calling thread. Raises DataError when `root` holds something else.
    """
    if is_complete(root):
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is not empty and not a complete synthetic set; delete it or name another folder.")
    if per_class < 1 or size < 16:
        raise DataError(f"A set needs at least 1 picture per species of 16 px, not {per_class} of {size} px.")
    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    total = per_class * len(SPECIES)
    rows: dict[str, dict[str, Any]] = {}

    def take(row: dict[str, Any]) -> None:
        rows[row["id"]] = row
        if progress:
            progress(len(rows), total)

    spec = {"root": str(partial.absolute()), "per_class": per_class, "size": size, "seed": seed}
    if workers > 1:
        for row in _parallel(spec, min(workers, total)):
            take(row)
    for number in range(total):  # all of them, or those that a lost worker left
        job = _job(seed, number, per_class)
        if job[0] not in rows:
            take(_write(partial, *job, size))
    with (partial / "factors.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["id", *FACTORS])
        writer.writeheader()
        writer.writerows(rows[identity] for identity in sorted(rows))
    if root.exists():
        root.rmdir()
    partial.replace(root)


def _parallel(spec: dict[str, Any], workers: int) -> Iterator[dict[str, Any]]:
    """Rows from worker processes, as they come.

    Plain subprocesses rather than a process pool: a spawned pool imports the caller's main module again, which under
    Streamlit is the app itself, and fails for a program read from standard input. Fork is not safe after torch.
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
            command = [sys.executable, "-c", _WORKER, json.dumps(spec | {"share": share, "of": workers})]
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


# NumPy's BLAS reads its thread count when it is loaded: one per worker, or they wait for each other.
_WORKER = """
import os
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
from lib.synthetic_flowers.dataset import work
work()
"""


def work() -> None:
    """What a worker process does: draw its share of the set that the command line describes, print each row."""
    import ctypes

    import cv2

    cv2.setNumThreads(1)
    with contextlib.suppress(AttributeError, OSError, TypeError):
        # glibc hands large buffers back to the system at once; fetching them again was a tenth of the time.
        libc = ctypes.CDLL(None)
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    spec = json.loads(sys.argv[1])
    for number in range(spec["share"], spec["per_class"] * len(SPECIES), spec["of"]):
        job = _job(spec["seed"], number, spec["per_class"])
        print(json.dumps(_write(Path(spec["root"]), *job, spec["size"])), flush=True)
