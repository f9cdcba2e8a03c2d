"""`make torture`: all torture tests, then one line with what was done and what was lost.

The last line is `torture: kills=N sessions=N bad_inputs=N fuzz=N layouts=N lost=0`. The exit status is 0 only when
every test passed, nothing was lost, and no count fell short of what was promised.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lib.settings import PROJECT
from tests.torture import tally

# Fewer than this were not done, whatever the tests say: a part that skips itself must not look like one that passed.
LEAST = {"kills": 60, "sessions": 16, "bad_inputs": 400, "fuzz": 5_000, "layouts": 300}


def main() -> int:
    """Run the tests and say what came of it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="30 kills per place instead of 6, and more of the rest")
    parser.add_argument("only", nargs="*", help="words for pytest instead of all tests; nothing is promised then")
    options = parser.parse_args()
    began, cpu = time.monotonic(), os.times()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        place = Path(folder) / "tally"
        environment = {**os.environ, "TORTURE": "long" if options.long else "full", "TORTURE_TALLY": str(place)}
        words = options.only or ["-n", "2", "--dist", "loadfile", "tests/torture"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rs", "--durations=10", *words], cwd=PROJECT, env=environment, check=False
        )
        result = tally.counted(place)
        for what in tally.noted(place):
            print(what)
    used = os.times()
    worked = used.children_user + used.children_system - cpu.children_user - cpu.children_system
    print(f"{time.monotonic() - began:.0f} s, {worked:.0f} s of processor time")
    short = [name for name, least in LEAST.items() if result[name] < least and not options.only]
    for name in short:
        print(f"only {result[name]} {name.replace('_', ' ')}; {LEAST[name]} were promised")
    if done.returncode and not result["lost"]:
        print(f"pytest ended with status {done.returncode}")
    print("torture: " + " ".join(f"{name}={result[name]}" for name in tally.COUNTED), flush=True)
    return 1 if done.returncode or result["lost"] or short else 0


if __name__ == "__main__":
    sys.exit(main())
