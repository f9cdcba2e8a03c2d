"""The README tells the truth about commands, targets, files and variables."""

from __future__ import annotations

import re
import shlex

import pytest

from lib import cli
from lib.settings import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^ +(?:\$ |\S+/)?python -m lib ([^#\n]+)", README, re.M)))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str) -> None:
    options = cli._parser().parse_args(shlex.split(line.strip()))
    assert callable(options.run)


def test_every_command_is_in_the_readme() -> None:
    parser = cli._parser()
    names = next(action.choices for action in parser._actions if action.choices)
    assert {line.split()[0] for line in COMMANDS} == set(names)


def test_every_make_target_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)", README)) - {"a"}:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_file_it_points_to_is_there() -> None:
    for path in re.findall(r"\]\((lib/[^)]+)\)", README) + re.findall(r"`(lib/assets/[^`]+)`", README):
        assert (PROJECT / path).is_file(), path


def test_every_variable_is_read() -> None:
    settings = (PROJECT / "lib" / "settings.py").read_text(encoding="utf-8")
    for name in set(re.findall(r"\b(?:PETALSCOPE|MILVUS)_[A-Z]+\b", README)):
        assert name in settings, name


def test_the_layout_names_every_module_folder() -> None:
    for folder in (PROJECT / "lib").iterdir():
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert f"lib/{folder.name}/" in README, folder.name
