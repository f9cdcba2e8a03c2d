"""All photos to vectors, cold, beside the script that one would write: `python -m benchmarks.embedding`.

Ours is `python -m lib embed` into an empty folder: catalog with hashes and split, checks of every file, vectors with
provenance. The peer is `benchmarks/plain.py`: ImageFolder, a DataLoader with two workers, torch eager. Each in a fresh
process with all cores, wall time, since that is the point; medians of two rounds that take turns (three minutes each).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.timing import FEWER, ROUNDS, Row, children_seconds, tell
from lib import settings as settings_module
from lib.embed import extract
from lib.errors import WeightsError
from lib.learn import backbone
from lib.prepare import workspace
from lib.settings import PROJECT

TURNS = min(ROUNDS, FEWER["embedding"])


def main() -> None:
    """Measure, and print."""
    settings = settings_module.from_environment()
    root, weights = workspace.open_workspace(settings).dataset.root, backbone.choose(settings)
    side = weights.preprocess.input_size
    plain = [sys.executable, "-m", "benchmarks.plain", str(root), str(weights.path), str(side)]
    words = ["--data", str(root), "--weights", settings.weights or weights.name]
    ours = [sys.executable, "-m", "lib", "embed", *words]
    ways = {"plain": plain, "fp32": [*ours, "--precision", "fp32"], "bf16": [*ours, "--precision", "bf16"]}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            for name, command in list(ways.items()):
                target = Path(folder) / f"{name}-{turn}"
                last = [str(target.with_suffix(".npy"))] if name == "plain" else ["--artifacts", str(target)]
                seconds = _timed([*command, *last])
                if seconds is None:
                    del ways[name]
                else:
                    taken[name].append(seconds)
        loaded = extract.load(next(Path(folder).glob("fp32-0/sets/*/spaces/*")))
        assert loaded is not None
        same = _distance(loaded.values, np.load(Path(folder) / "plain-0.npy"))
        rows = [_row(name, taken, side, len(loaded.values), same) for name in ("fp32", "bf16") if name in ways]
    tell(rows)


def _timed(command: Sequence[str]) -> tuple[float, float] | None:
    """Wall and processor seconds; None for a precision that this machine does not have."""
    start, used = time.perf_counter(), children_seconds()
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        if "has no bfloat16" in done.stderr:
            return None
        raise WeightsError(done.stderr)
    return time.perf_counter() - start, children_seconds() - used


def _distance(computed: np.ndarray, wanted: np.ndarray) -> float:
    a, b = computed.astype(np.float64), wanted.astype(np.float64)
    return float((1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).max())


def _row(name: str, taken: dict[str, list[tuple[float, float]]], side: int, count: int, same: float) -> Row:
    (ours, used), (peer, peer_used) = (
        tuple(statistics.median(column) for column in zip(*taken[way], strict=True)) for way in (name, "plain")
    )
    note = f"{TURNS} rounds; processor seconds {used:.0f} against {peer_used:.0f}, {peer_used / used:.2f} times"
    if name == "fp32":
        note += f"; cosine distance to the script's vectors at most {same:.0e}"
    return Row(
        f"embed, {count:,} photos at {side} px, {name}, cold, against a DataLoader and torch eager in fp32",
        ours,
        peer,
        "s, wall",
        peer / ours,
        1.5,
        note=note,
        why=f"at {side} px the network is nine tenths of the work and 1.2 times as fast; see benchmarks/engines.md",
    )


if __name__ == "__main__":
    main()
