"""What commands print when they print no JSON."""

from __future__ import annotations

from collections.abc import Iterable


def printable(lines: Iterable[str]) -> str:
    """Lines as one text in which nothing is left that a terminal would obey: file names may hold anything."""
    return "\n".join("".join(letter if letter.isprintable() else "�" for letter in line) for line in lines)
