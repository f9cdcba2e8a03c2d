"""The machinery of `make bench`: which way a ratio points, how results are kept, and that the docs have them.

Nothing here is about how fast anything is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as bench
from benchmarks import growth, report, timing
from benchmarks.timing import Row
from lib.settings import PROJECT

RESULTS = json.loads(bench.RESULTS.read_text(encoding="utf-8"))
FIELDS = {"path", "ours", "peer", "unit", "ratio", "goal", "limit", "share", "met", "why"}
HERE = {"cpu": "a processor", "cores": 2, "vectors": ["avx2"], "system": "x", "python": "3.11"}


class Clock:
    """Seconds that pass only when work says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Any:
        """Work that takes these seconds, turn by turn."""
        left = iter(seconds)

        def step() -> None:
            self.now += next(left)

        return step


def row(path: str = "a way", ours: float = 2.0, peer: float = 6.0, **more: Any) -> dict[str, Any]:
    return {"part": "search", **Row(path, ours, peer, "ms, processor", peer / ours, 2.5, **more).as_dict()}


# -- rows -----------------------------------------------------------------------------------------------------------


def test_medians_are_of_turns_and_the_first_counts_for_nothing() -> None:
    clock = Clock()
    taken = timing.medians(clock.work(90, 1, 2, 9), clock.work(80, 5, 4, 3), rounds=3, clock=clock)
    assert taken == (2, 4)


def test_a_ratio_above_one_means_that_we_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "medians", lambda *work, rounds: (0.002, 0.006))
    result = timing.compared("a way", lambda: None, lambda: None, 2.5).as_dict()
    assert (result["ours"], result["peer"], result["ratio"], result["met"]) == (2, 6, 3, True)
    assert not timing.compared("a way", lambda: None, lambda: None, 3.5).as_dict()["met"]


@pytest.mark.parametrize(("value", "met"), [(250.0, True), (300.0, True), (301.0, False)])
def test_what_may_be_at_most_is_met_from_below(value: float, met: bool) -> None:
    result = timing.most("a way", value, 300.0, "ms, wall", note="more")
    assert (result.peer, result.goal, result.ratio >= result.goal) == (300, 1, met)
    assert result.as_dict()["met"] == met
    assert report.is_limit(result.as_dict()) and result.note.endswith("; more")


def test_growth_is_the_exponent() -> None:
    sizes = [4_000, 20_000, 100_000]
    assert growth.growth(sizes, [3e-6 * size**1.25 for size in sizes]) == pytest.approx(1.25)
    assert growth.growth(sizes, [7.0, 7.0, 7.0]) == pytest.approx(0, abs=1e-9)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory is anonymous")
def test_the_most_memory_of_a_process_is_seen() -> None:
    code = "import time; held = bytearray(b'x') * 150_000_000; time.sleep(0.3); print(len(held)); del held"
    printed, peak = timing.watched([sys.executable, "-c", code])
    assert printed.strip() == "150000000"
    assert 150 < peak < 400
    assert timing.anonymous(os.getpid()) > 1
    with pytest.raises(subprocess.CalledProcessError):
        timing.watched([sys.executable, "-c", "raise SystemExit(3)"])


# -- results --------------------------------------------------------------------------------------------------------


def test_a_part_replaces_its_own_rows_only() -> None:
    order = ("search", "growth")
    kept = {
        "rows": [row("old"), {**row("grown"), "part": "growth"}, {**row("gone"), "part": "no more"}],
        "parts": {"growth": {"seconds": 3.0, "measured": "2026-01-01T00:00:00+00:00", "machine": HERE}},
    }
    result = bench.merged(kept, "search", [row("new"), row("newer")], order, seconds=12.3, load=0.5)
    assert [each["path"] for each in result["rows"]] == ["new", "newer", "grown"]
    assert (result["parts"]["search"]["seconds"], result["parts"]["search"]["load"]) == (12.3, 0.5)
    assert result["parts"]["growth"]["machine"] == HERE
    assert set(result["machine"]) == set(HERE)


def test_every_part_is_a_module_with_a_word_on_what_it_times() -> None:
    for part in bench.PARTS + bench.BY_NAME:
        text = (PROJECT / "benchmarks" / f"{part}.py").read_text(encoding="utf-8")
        assert text.startswith('"""') and "def main() -> None:" in text, part
        assert f"`{part}`" in (PROJECT / "benchmarks" / "README.md").read_text(encoding="utf-8"), part


def test_an_unknown_part_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit) as left:
        bench.main()
    assert left.value.code == 2
    assert "there is no part speed" in capsys.readouterr().err


def test_the_results_have_every_field_and_explain_what_is_missed() -> None:
    assert set(RESULTS) >= {"machine", "rows"}
    for each in RESULTS["rows"]:
        assert set(each) >= FIELDS, each["path"]
        assert each["part"] in bench.PARTS + bench.BY_NAME
        assert each["met"] == (each["ratio"] >= each["goal"])
        shown_text = report.why(each, RESULTS)
        assert each["met"] or shown_text != "not explained yet", f"{each['path']} misses its aim and nothing says why"
        assert each["share"] is None or 0 < each["share"] <= 1.5
    assert len({each["path"] for each in RESULTS["rows"]}) == len(RESULTS["rows"])


# -- the docs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (8.43, "ms, processor", "8.43 ms"),
        (417.4, "ms, wall", "417 ms"),
        (31_395.0, "ms, processor", "31.4 s"),
        (1.04, "slope", "1.04 slope"),
        (1_500.0, "MB", "1,500 MB"),
    ],
)
def test_figures_have_three_digits_or_so(value: float, unit: str, expected: str) -> None:
    assert report.amount(value, unit) == expected


def test_the_section_tells_limits_and_misses() -> None:
    limit = {"part": "query", **timing.most("b | c", 600.0, 500.0, "ms, wall", why="it draws | too much").as_dict()}
    parts = {
        "search": {"seconds": 1.0, "measured": "2026-02-03T00:00:00+00:00", "machine": HERE},
        "large": {"rounds": 2, "measured": "2026-01-01T00:00:00+00:00", "machine": {**HERE, "cpu": "another"}},
    }
    results = {"machine": HERE, "measured": "2026-02-03T04:05:06+00:00", "parts": parts, "rows": [row(), limit]}
    shown_text = report.section(results).splitlines()
    assert shown_text[1].startswith("Measured 2026-02-03 on 2 cores of a processor (avx2), Python 3.11: 1 of 2 figures")
    apart = "Measured apart: `large` 2026-01-01 on 2 cores of another (avx2), Python 3.11."
    assert shown_text[1].endswith(f" {apart} Measured quickly: `large` in 2 rounds instead of 7.")
    assert "| a way | 2.00 ms | 6.00 ms | 3.00 | 2.5 | ✓ |" in shown_text
    assert r"| b \| c | 600 ms | at most 500 ms | 0.83 | 1 | ✗ 1 |" in shown_text
    assert "1. b | c: it draws | too much." in shown_text
    assert report.table(results).count("**missed**: it draws") == 1
    # What is read back from the file, where names are sorted, is told alike.
    assert report.section({**results, "parts": dict(reversed(parts.items()))}).splitlines() == shown_text


@pytest.mark.parametrize(("load", "expected"), [(None, "no"), (2.5, "no"), (4.5, "busy (load 4.5)")])
def test_a_busy_machine_is_named_beside_what_misses(load: float | None, expected: str) -> None:
    missed = {"part": "query", **timing.most("a way", 600.0, 500.0, "ms, wall", why="because").as_dict()}
    results = {"parts": {"query": {"load": load, "machine": HERE}}, "rows": [missed]}
    assert report.why(missed, results).startswith("because")
    assert (expected in report.why(missed, results)) == (expected != "no")
    # Processor time does not count what others do.
    assert report.why({**missed, "unit": "ms, processor"}, results) == "because"
    assert report.why({**missed, "part": "gone", "why": ""}, results) == "not explained yet"


def test_rewriting_touches_nothing_but_the_section(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.rewrite(page, RESULTS)
    assert page.read_text(encoding="utf-8") == f"before\n{report.section(RESULTS)}\nafter\n"
    page.write_text("no place", encoding="utf-8")
    with pytest.raises(ValueError, match="substring not found"):
        report.rewrite(page, RESULTS)


def test_the_page_has_what_was_measured() -> None:
    assert report.section(RESULTS) in bench.PAGE.read_text(encoding="utf-8")
