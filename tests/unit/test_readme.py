"""The README tells the truth about commands, targets, files and variables."""

from __future__ import annotations

import re
import shlex

import pytest

from lib.commands import options
from lib.learn import results, runs
from lib.learn.normalise_record import normalise
from lib.settings import PROJECT, Settings

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^ +(?:\$ |\S+/)?python -m lib ([^#\n]+)", README, re.M)))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str) -> None:
    parsed = options.parser().parse_args(shlex.split(line.strip()))
    assert callable(parsed.run)


def test_every_command_is_in_the_readme() -> None:
    parser = options.parser()
    names = next(action.choices for action in parser._actions if action.choices)
    assert {line.split()[0] for line in COMMANDS} == set(names)


def test_every_make_target_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z-]+)", README)) - {"a"}:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_file_it_points_to_is_there() -> None:
    for path in re.findall(r"\]\((lib/[^)]+)\)", README) + re.findall(r"`(lib/assets/[^`]+)`", README):
        assert (PROJECT / path).exists(), path


def test_every_variable_is_read() -> None:
    settings = (PROJECT / "lib" / "settings.py").read_text(encoding="utf-8")
    for name in set(re.findall(r"\b(?:PETALSCOPE|MILVUS)_[A-Z]+\b", README)):
        assert name in settings, name


def test_the_layout_names_every_module_folder() -> None:
    for folder in (PROJECT / "lib").iterdir():
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert f"lib/{folder.name}/" in README, folder.name


def results_table() -> str:
    """The README's table of results, as the recorded runs have it: what to paste there when they change."""
    lines = [
        "| | test accuracy: mean (least to most) | 95 % interval of one run | seeds | one run took | published |",
        "|---|---|---|---|---|---|",
    ]
    for row in results.table(map(normalise, runs.load(Settings(artifacts=PROJECT / "nowhere")))):
        accuracy, published = (
            f"{100 * row[name]:.{places}f} %" for name, places in (("accuracy", 1), ("published", 2))
        )
        least, most, low, high = (
            f"{100 * bound:.1f}" for bound in (*(row["band"] or row["accuracies"] * 2), *row["ci95"])
        )
        seeds, minutes = ", ".join(map(str, row["seeds"])), f"{row['cpu_seconds'] / 60:.0f} min"
        cells = (row["title"], f"**{accuracy}** ({least} to {most})", f"{low} to {high}", seeds, minutes, published)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_of_results_is_that_of_the_records() -> None:
    assert results_table() in README
