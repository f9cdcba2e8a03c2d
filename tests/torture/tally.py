"""How much the torture tests do, and what they did: the counts of the last line that `make torture` prints.

The environment decides how much (`TORTURE`: nothing, `full` or `long`), and into which file it is noted
(`TORTURE_TALLY`), since tests run in several processes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

COUNTED = ("kills", "sessions", "bad_inputs", "fuzz", "layouts", "lost")


@dataclass(frozen=True)
class Scale:
    """`kills` per place, `fuzz` executions per path, `layouts` of a kind, `sessions` at once, and their `seconds`."""

    name: str
    kills: int
    fuzz: int
    layouts: int
    sessions: int
    seconds: float

    @property
    def short(self) -> bool:
        """Whether this is the part that belongs to `make test`."""
        return self.name == ""


SCALES = {
    scale.name: scale
    for scale in (
        Scale("", kills=1, fuzz=60, layouts=8, sessions=6, seconds=2),
        Scale("full", kills=6, fuzz=1_500, layouts=75, sessions=16, seconds=60),
        Scale("long", kills=30, fuzz=15_000, layouts=750, sessions=16, seconds=300),
    )
}


def scale() -> Scale:
    """How much is asked for."""
    return SCALES[os.environ.get("TORTURE", "")]


def note(kind: str, count: int = 1, what: str = "") -> None:
    """Count something that really happened; `what` is kept to be read by people."""
    assert kind in COUNTED
    if place := os.environ.get("TORTURE_TALLY"):
        line = json.dumps([kind, count, what]) + "\n"
        handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())  # one write to a file opened for appending: whole lines only
        finally:
            os.close(handle)


def counted(place: Path) -> Counter[str]:
    """The sums of what was noted in the file `place`."""
    collected: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    if place.is_file():
        for line in place.read_text(encoding="utf-8").splitlines():
            kind, count, _ = json.loads(line)
            collected[kind] += count
    return collected


def noted(place: Path) -> list[str]:
    """What is to be read by people, in order."""
    if not place.is_file():
        return []
    return [what for _, _, what in map(json.loads, place.read_text(encoding="utf-8").splitlines()) if what]
