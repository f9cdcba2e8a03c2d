"""What starting costs: `python -m benchmarks.starting`.

Importing what a page that only reads artifacts imports, against importing streamlit and pandas; and `prepare` with
nothing to do, against the first one. Fresh processes, processor seconds of them and their children.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile

from benchmarks.timing import ROUNDS, Row, children_seconds, tell
from lib.settings import PROJECT

PAGE = (
    "from lib.view import cached, page_frame; from lib.view.embedding_map import fidelity, findings, map_choice, plot, "
    "selected_photos, uploaded_photo, what_training_does"
)
HEAVY = ("torch", "torchvision", "umap", "sklearn")
PHOTOS = 1_000


def main() -> None:
    """Measure, and print."""
    tell([imports(), again()])


def _spent(command: list[str]) -> float:
    before = children_seconds()
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return children_seconds() - before


def imports() -> Row:
    """The embedding map's page, which reads more than any other."""
    check = f"import sys; {PAGE}; sys.exit(any(name in sys.modules for name in {HEAVY!r}))"
    subprocess.run([sys.executable, "-c", check], cwd=PROJECT, check=True)
    taken: dict[str, list[float]] = {PAGE: [], "import streamlit, pandas": []}
    for turn in range(ROUNDS + 1):
        for code, seconds in taken.items():
            spent = _spent([sys.executable, "-c", code])
            if turn:
                seconds.append(spent)
    ours, peer = (1000 * statistics.median(seconds) for seconds in taken.values())
    return Row(
        "import of the map's page, against streamlit and pandas",
        ours,
        peer,
        "ms, processor",
        peer / ours,
        1 / 1.3,
        note=f"none of {', '.join(HEAVY)} is imported",
        why="see the import times of each module: python -X importtime",
    )


def again() -> Row:
    """A second `prepare` of the user's first photos, in artifacts of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lib", "prepare", "--limit", str(PHOTOS), "--artifacts", f"{folder}/artifacts"]
        first = _spent(command)
        second = statistics.median(_spent(command) for _ in range(3))
    return Row(
        f"prepare again with nothing changed, {PHOTOS:,} photos, against the first",
        1000 * second,
        1000 * first,
        "ms, processor",
        first / second,
        20.0,
        why="what is left is importing and checking that every file is unchanged",
    )


if __name__ == "__main__":
    main()
