"""Text from outside (file names, servers, engines), made fit to print: no control characters, and a limited length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LONGEST_NAME: Final = 200


def visible(text: str) -> str:
    """`text` with the replacement character for every character that is not printable: a terminal would obey some."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def printable(lines: Iterable[str]) -> str:
    """Lines as one text for a terminal: only the line breaks between them are control characters."""
    return "\n".join(visible(line) for line in lines)


def one_line(text: str) -> str:
    """`text` as one line for a terminal: each run of white space becomes one space."""
    return visible(" ".join(text.split()))


def shortened(text: str, most: int = LONGEST_NAME) -> str:
    """`text` with at most `most` characters, the last of them an ellipsis where some were cut off."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown_name(name: str) -> str:
    """A name as it may stand in a sentence: printable and of limited length."""
    return shortened(visible(name))


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number and its noun: `1 photo`, `2,000 photos`, `3 classes`, `0 queries`."""
    return f"{count:,} {noun if count == 1 else plural or plural_of(noun)}"


def agreeing(count: int, noun: str, one: str, several: str) -> str:
    """A number, its noun and the words that follow: `1 photo is left`, `2 photos are left`."""
    return f"{counted(count, noun)} {one if count == 1 else several}"


def plural_of(noun: str) -> str:
    """The plural of an English noun, or of a phrase that ends in one."""
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
