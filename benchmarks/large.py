"""`prepare` of 100,000 images from nothing, and how much memory it holds: `python -m benchmarks large [--rows 100000]`.

The images are made up, 8×8 px of noise that leans to one colour for each of five classes, and the network sees them at
32 px: neither changes what `prepare` holds, and real photos would take hours. Everything else is the real thing, both
default spaces, all maps, all collections. Milvus Lite runs as a server of its own, so that what it holds is counted
apart. It takes the better part of an hour on two cores, so it is run by its name only.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.crowd import CLASSES
from benchmarks.timing import Watch, most, tell, watched
from lib.learn import backbone
from lib.settings import PROJECT

ROWS, MOST_MB = 100_000, 1_500.0


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_known_args()[0].rows  # there is one round of this
    with tempfile.TemporaryDirectory() as name, _milvus(Path(name)) as (uri, server):
        folder = Path(name)
        draw(folder / "noise", rows)
        start = time.perf_counter()
        command = [sys.executable, "-m", "lib", "prepare", "--json", "--milvus-uri", uri]
        command += ["--data", str(folder / "noise"), "--artifacts", str(folder / "artifacts")]
        command += ["--weights", str(_weights(folder))]
        with Watch(server) as theirs:
            printed, ours = watched(command, {**os.environ, "PETALSCOPE_OFFLINE": "1"})
        spent = time.perf_counter() - start
        done = json.loads(printed)
        assert done["dataset"]["images"] == rows
    tell(
        [
            most(
                f"prepare of {rows:,} images from nothing, memory beside Milvus Lite",
                ours,
                MOST_MB,
                "MB",
                note=f"{spent / 60:.0f} min, wall; Milvus Lite held {theirs.peak:,.0f} MB; images made up, 8×8 px",
            )
        ]
    )


def draw(root: Path, n: int) -> None:
    """`n` small pictures of noise in class folders, each another one."""
    rng = np.random.default_rng(0)
    lean = rng.integers(0, 128, (len(CLASSES), 3))
    for label in CLASSES:
        (root / label).mkdir(parents=True)
    for number in range(n):
        label = number % len(CLASSES)
        pixels = (lean[label] + rng.integers(0, 128, (8, 8, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(root / CLASSES[label] / f"{number:06}.png", compress_level=0)


def _weights(folder: Path) -> Path:
    """The bundled weights under a card that asks for 32 px."""
    path = folder / "small.safetensors"
    path.symlink_to(backbone.BUNDLED)
    card = {"resize": [32, 32], "crop": None, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return path


@contextmanager
def _milvus(folder: Path) -> Iterator[tuple[str, int]]:
    """A Milvus Lite server; its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "milvus").mkdir()
    command = [str(Path(sys.executable).parent / "milvus-lite"), "server", "--data-dir", str(folder / "milvus")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(60)


if __name__ == "__main__":
    main()
