"""Every figure beside its peer: `python -m benchmarks`, or `make bench`. Prints a table and writes `results.json`.

Each part runs in a process of its own, one after the other, since how many threads there are is decided at import.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from typing import Any

from benchmarks.timing import machine
from lib import artifacts
from lib.settings import PROJECT

PARTS = ("search", "images", "embedding", "starting", "query")
RESULTS = PROJECT / "benchmarks" / "results.json"


def main() -> int:
    """Measure all parts, or the named ones; those that are not named keep their rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is named")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    kept = artifacts.read_json(RESULTS) or {"rows": []}
    rows = [row for row in kept["rows"] if row["part"] not in wanted]
    for part in wanted:
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"benchmarks.{part}", "--json"]
        done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, check=True, text=True)
        rows += [{"part": part, **row} for row in json.loads(done.stdout)]
    rows.sort(key=lambda row: PARTS.index(row["part"]))
    measured = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    artifacts.write_json(RESULTS, {"machine": machine(), "measured": measured, "rows": rows})
    print(table(rows))
    return 0


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| path | ours | peer | unit | ratio | at least | |", "|---|---:|---:|---|---:|---:|---|"]
    for row in rows:
        told = "; ".join(part for part in (row["note"], "" if row["met"] else f"**missed**: {row['why']}") if part)
        ours, peer = (f"{value:,.1f}" if value < 100 else f"{value:,.0f}" for value in (row["ours"], row["peer"]))
        ratio, goal = f"{row['ratio']:.2f}", f"{row['goal']:.3g}"
        lines.append(f"| {row['path']} | {ours} | {peer} | {row['unit']} | {ratio} | {goal} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
