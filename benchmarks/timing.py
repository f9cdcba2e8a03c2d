"""How things are timed here: ours and a peer take turns, and the medians of their processor seconds are compared.

Processor time, since it does not count what else a machine is doing; one thread, unless a row says otherwise (the
environment variables in `ONE_THREAD` must be set before NumPy and torch are imported, so each file runs in a process
of its own). A ratio is the peer's time over ours: above 1 we are faster.
"""

from __future__ import annotations

import platform
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lib import documents
from lib.settings import PROJECT

USUAL_ROUNDS = 7
# Parts that take minutes a round.
FEWER = {"embedding": 2, "large": 1}
# `--rounds 2` makes any part quicker and less sure.
ROUNDS = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv[:-1] else USUAL_ROUNDS
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is oriented so that larger is better and `goal` is the least that it should be; `limit` says
    what bounds `ours` on any machine and `share` how near to it we are (1 is at the limit), None where unknown; `why`
    says what was tried where the goal is missed."""

    path: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float
    limit: str = ""
    share: float | None = None
    why: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `results.json`."""
        return {**asdict(self), "met": self.ratio >= self.goal}


def medians(*work: Callable[[], object], rounds: int = ROUNDS, clock: Clock = time.process_time) -> tuple[float, ...]:
    """Median seconds of each piece of work, which take turns; one turn before that counts for nothing."""
    taken: list[list[float]] = [[] for _ in work]
    for turn in range(rounds + 1):
        for each, seconds in zip(work, taken, strict=True):
            start = clock()
            each()
            if turn:
                seconds.append(clock() - start)
    return tuple(statistics.median(seconds) for seconds in taken)


def compared(
    path: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    goal: float,
    *,
    unit: str = "ms, processor",
    rounds: int = ROUNDS,
    **facts: Any,
) -> Row:
    """A row of the ratio of two medians, in milliseconds."""
    mine, theirs = medians(ours, peer, rounds=rounds)
    return Row(path, 1000 * mine, 1000 * theirs, unit, theirs / mine, goal, **facts)


def most(path: str, value: float, allowed: float, unit: str, **facts: Any) -> Row:
    """A row of a figure that may be at most `allowed`, which then stands in the place of a peer."""
    facts["note"] = "; ".join(part for part in ("peer: the most that is allowed", facts.get("note", "")) if part)
    return Row(path, value, allowed, unit, allowed / max(value, 1e-9), 1.0, **facts)


def children_seconds() -> float:
    """Processor seconds of all ended child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def anonymous(pid: int) -> float:
    """Memory of a process that no file backs, MB (10⁶ bytes): what it holds itself, without mapped vectors and code. 0
    where the system does not tell it (Linux does) or the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("RssAnon:")), 0.0)


class Watch:
    """The most anonymous memory of a process, looked at every 10 ms: `with Watch(pid) as seen: …; seen.peak` in MB."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak = pid, 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._end.wait(0.01):
            self.peak = max(self.peak, anonymous(self.pid))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def watched(command: list[str], environment: dict[str, str] | None = None) -> tuple[str, float]:
    """What a command printed, and the most anonymous memory that it held, MB. Raises CalledProcessError."""
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        with Watch(process.pid) as seen:
            printed, _ = process.communicate()
    finally:
        process.kill()  # still there only after an interruption
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed, seen.peak


def load() -> float | None:
    """How many programs wanted a processor in the last minute, on average; None where the system does not tell."""
    import os

    try:
        return round(os.getloadavg()[0], 1)
    except (OSError, AttributeError):
        return None


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import os

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "vectors": [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags],
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def tell(rows: list[Row]) -> None:
    """Print rows for the process that collects them (`--json`), or for a person."""
    if "--json" in sys.argv:
        print(documents.json_text([row.as_dict() for row in rows]))
        return
    for row in rows:
        mark = "met" if row.ratio >= row.goal else "MISSED"
        near = f"  {row.share:.0%} of {row.limit}" if row.share is not None else ""
        print(
            f"{row.path:58} {row.ours:10.1f} {row.peer:10.1f} {row.unit:14} {row.ratio:6.2f} × of {row.goal:g} {mark}",
            near,
            row.note,
        )


def timed(what: Callable[[], object], repeats: int = 7) -> float:
    """Median milliseconds of wall time: what waits for a server or a disk does not show in processor time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        what()
        times.append((time.perf_counter() - start) * 1000)
    return round(statistics.median(times), 1)
