"""requirements.lock has every package of requirements.txt, with the hash of every file."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lib.settings import PROJECT


def pinned(text: str) -> dict[str, str]:
    """The version of each package in a requirements file."""
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    requirements = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
    }


def locked() -> dict[str, list[str]]:
    """The blocks of requirements.lock: a requirement, and the hashes of its files."""
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z])", text.replace("\\\n", " "))
    return {block.split(" --hash")[0].strip(): re.findall(r"--hash=(\S+)", block) for block in blocks[1:]}


def test_the_lock_has_every_requirement_at_its_version() -> None:
    required = pinned((PROJECT / "requirements.txt").read_text(encoding="utf-8"))
    assert "streamlit" in required
    locked_versions = pinned("\n".join(locked()))
    assert {name: locked_versions.get(name) for name in required} == required, "run `make lock`"


def test_everything_in_the_lock_has_one_version_and_its_hashes() -> None:
    blocks = locked()
    assert len(blocks) > len(pinned((PROJECT / "requirements.txt").read_text(encoding="utf-8")))
    for requirement, hashes in blocks.items():
        assert re.fullmatch(r"==[^,*]+", str(Requirement(requirement).specifier)), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement


def test_make_installs_from_the_lock() -> None:
    assert "--require-hashes -r requirements.lock" in (PROJECT / "Makefile").read_text(encoding="utf-8")
