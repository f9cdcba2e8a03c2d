"""Every figure beside its peer: `python -m benchmarks`, or `make bench`. Prints a table, writes `results.json`, and
puts the table into `docs/benchmarks.md`.

Each part runs in a process of its own, one after the other, since how many threads there are is decided at import. What
a part measured is kept as soon as it is done; parts that are not named keep their rows. `large` takes the better part
of an hour and runs by its name only.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from typing import Any

from benchmarks import report, timing
from benchmarks.timing import machine
from lib import artifacts
from lib.settings import PROJECT

PARTS = ("search", "images", "embedding", "map", "starting", "query", "screens", "epochs", "growth", "deletion")
BY_NAME = ("large",)
RESULTS, PAGE = PROJECT / "benchmarks" / "results.json", PROJECT / "docs" / "benchmarks.md"


def main() -> int:
    """Measure all parts, or the named ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS + BY_NAME)}; usually all but large"
    )
    parser.add_argument("--rounds", type=int, default=timing.USUAL_ROUNDS, help="turns that count; fewer are less sure")
    parser.add_argument("--docs", action="store_true", help=f"measure nothing; put the kept results into {PAGE.name}")
    options = parser.parse_args()
    known = PARTS + BY_NAME
    if unknown := set(options.parts) - set(known):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    results = artifacts.read_json(RESULTS) or {"rows": [], "parts": {}}
    if options.docs and not results["rows"]:
        parser.error("nothing is measured yet: run `make bench`")
    failed = []
    for part in () if options.docs else options.parts or PARTS:
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        start, load = time.perf_counter(), timing.load()
        rounds = min(options.rounds, timing.FEWER.get(part, options.rounds))
        command = [sys.executable, "-m", f"benchmarks.{part}", "--json", "--rounds", str(rounds)]
        done = subprocess.run(command, check=False, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        spent = round(time.perf_counter() - start, 1)
        if done.returncode:
            failed.append(part)
            continue
        print(f"{part}: {spent:.0f} s", file=sys.stderr, flush=True)
        results = merged(results, part, json.loads(done.stdout), known, seconds=spent, load=load, rounds=rounds)
        artifacts.write_json(RESULTS, results)
        report.rewrite(PAGE, results)
    if options.docs:
        report.rewrite(PAGE, results)
    print(report.table(results))
    total = sum(each["seconds"] for name, each in results["parts"].items() if name in PARTS)
    print(f"\nMeasuring these took {total / 60:.1f} minutes, {', '.join(BY_NAME)} left out.")
    for part in failed:
        print(f"{part} could not be measured; its rows are those of before. Run: python -m benchmarks.{part}")
    return 1 if failed else 0


def merged(
    results: dict[str, Any], part: str, rows: list[dict[str, Any]], order: tuple[str, ...], **about: float | None
) -> dict[str, Any]:
    """The results with the rows of one part replaced by new ones, measured now on this machine.

    `about` is kept with the part: the `seconds` that it took, in how many `rounds`, and the `load` when it began (how
    many programs wanted a processor).
    """
    kept = [row for row in results["rows"] if row["part"] != part and row["part"] in order]
    new = [*kept, *({"part": part, **row} for row in rows)]
    new.sort(key=lambda row: order.index(row["part"]))
    measured = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    parts = {name: about for name, about in results["parts"].items() if name in order}
    parts[part] = {**about, "measured": measured, "machine": machine()}
    return {"machine": machine(), "measured": measured, "parts": parts, "rows": new}


if __name__ == "__main__":
    sys.exit(main())
