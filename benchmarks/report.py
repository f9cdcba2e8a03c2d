"""The measured rows as text: a table for the terminal, and the section of `docs/benchmarks.md`, which a test checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.timing import USUAL_ROUNDS

# The page's section lies between these two lines.
BEGIN, END = "<!-- from benchmarks/results.json, by `make bench` -->", "<!-- end of what was measured -->"
ALLOWED = "peer: the most that is allowed"
Rows = list[dict[str, Any]]


def amount(value: float, unit: str) -> str:
    """A figure with its unit, in three digits or so; the clock (`ms, wall`) is told elsewhere."""
    name = unit.partition(",")[0].strip()
    if name == "ms" and value >= 10_000:
        value, name = value / 1000, "s"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {name}".strip()


def is_limit(row: dict[str, Any]) -> bool:
    """Whether the peer of a row is no competitor but the most that is allowed."""
    return ALLOWED in row["note"]


def table(results: dict[str, Any]) -> str:
    """All that is known of the rows, as Markdown."""
    lines = ["| path | ours | peer | unit | ratio | at least | |", "|---|---:|---:|---|---:|---:|---|"]
    for row in results["rows"]:
        missed = "" if row["met"] else f"**missed**: {why(row, results)}"
        remark = "; ".join(filter(None, (row["note"], missed)))
        ours, peer = (amount(value, row["unit"]) for value in (row["ours"], row["peer"]))
        cells = (row["path"], ours, peer, row["unit"], f"{row['ratio']:.2f}", f"{row['goal']:.3g}", remark)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def section(results: dict[str, Any]) -> str:
    """The page's section: on what it was measured, a line for each row, and why some miss their aim."""
    rows = results["rows"]
    met = sum(row["met"] for row in rows)
    lines = [
        BEGIN,
        f"Measured {results['measured'][:10]} on {machine_words(results['machine'])}: {met} of {len(rows)} figures "
        f"reach their aim.{_elsewhere(results)}",
        "",
        "| what | Petalscope | beside it | ratio | aim | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    missed = []
    for row in rows:
        mark = "✓"
        if not row["met"]:
            missed.append(f"{len(missed) + 1}. {row['path']}: {why(row, results)}.")
            mark = f"✗ {len(missed)}"
        ours, peer = (amount(value, row["unit"]) for value in (row["ours"], row["peer"]))
        beside = f"at most {peer}" if is_limit(row) else peer
        cells = (_escaped(row["path"]), ours, beside, f"{row['ratio']:.2f}", f"{row['goal']:.3g}", mark)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *(["", "What misses its aim, and why:", "", *missed] if missed else []), END])


def is_busy(part: dict[str, Any]) -> bool:
    """Whether other programs kept the processors busy while a part was measured: wall times are then too long."""
    return part.get("load") is not None and part["load"] > 2 * part["machine"]["cores"]


def why(row: dict[str, Any], results: dict[str, Any]) -> str:
    """Why a row misses its aim, as far as it is known."""
    part = results["parts"].get(row["part"], {"load": None})
    late = is_busy(part) and "wall" in row["unit"]
    busy = f"measured while other programs kept the machine busy (load {part['load']:g})" if late else ""
    return "; ".join(filter(None, (row["why"], busy))) or "not explained yet"


def machine_words(on: dict[str, Any]) -> str:
    """A machine in a few words."""
    vectors = f" ({', '.join(on['vectors'])})" if on["vectors"] else ""
    return f"{on['cores']} cores of {on['cpu']}{vectors}, Python {on['python']}"


def _elsewhere(results: dict[str, Any]) -> str:
    """Which parts were measured on another day or machine than the rest, or in fewer rounds than usual."""
    of = {
        name: (part["measured"][:10], machine_words(part["machine"])) for name, part in sorted(results["parts"].items())
    }
    usual = (results["measured"][:10], machine_words(results["machine"]))
    quick = [
        f"`{name}` in {part['rounds']} round{'' if part['rounds'] == 1 else 's'} instead of {USUAL_ROUNDS}"
        for name, part in sorted(results["parts"].items())
        if part.get("rounds", USUAL_ROUNDS) < USUAL_ROUNDS
    ]
    others = [f"`{name}` {day} on {words}" for name, (day, words) in of.items() if (day, words) != usual]
    apart = f" Measured apart: {'; '.join(others)}." if others else ""
    return f"{apart} Measured quickly: {'; '.join(quick)}." if quick else apart


def rewrite(page: Path, results: dict[str, Any]) -> None:
    """Put the section of these results into the page. Raises ValueError where it has no place for one."""
    text = page.read_text(encoding="utf-8")
    start, end = text.index(BEGIN), text.index(END) + len(END)
    page.write_text(text[:start] + section(results) + text[end:], encoding="utf-8")


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
