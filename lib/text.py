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


def counted(number: int, noun: str, one: str = "", several: str = "") -> str:
    """A number and its noun, then the words that follow one of them or several.

    `counted(1, "photo", "is", "are")` is `1 photo is`; `counted(2000, "query")` is `2,000 queries`.
    """
    words = (f"{number:,}", noun if number == 1 else plural(noun), one if number == 1 else several)
    return " ".join(word for word in words if word)


def plural(noun: str) -> str:
    """The plural of an English noun, or of a phrase that ends in one."""
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
