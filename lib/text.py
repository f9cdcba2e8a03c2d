"""Text from outside (file names, servers, engines): fit to print, in one spelling, in the order that people expect."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
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


def composed(name: str) -> str:
    """`name` with each accent on its letter (Unicode's form C): macOS writes accents apart, most others do not."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def natural_key(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """A sort key by which numbers count as numbers: 2 before 10. Names without digits keep their order."""
    parts = re.split(r"([0-9]+)", name)
    digits = ((len(part.lstrip("0")), part.lstrip("0")) for part in parts[1::2])
    words = iter(parts[::2])
    key: list[str | tuple[int, str]] = [next(words)]
    for number, word in zip(digits, words, strict=True):
        key += [number, word]
    return tuple(key), name


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, in spaces, hyphens and underscores, or in forms of one letter."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=natural_key):
        folded = unicodedata.normalize("NFKC", name).casefold()
        groups.setdefault(re.sub(r"[\s_-]+", " ", folded).strip(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in one clause, `a, b and c`; where there are more than `most`, the number of the others."""
    shown = [shown_name(name) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most:,} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


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


def with_interval(value: float | None, interval: Sequence[float] | None, digits: int, form: str) -> str:
    """A figure and its interval: `16.9 [16.2, 17.5]` for the form ` [{}, {}]`; a dash for an undefined one."""
    if value is None:
        return "–"
    bounds = form.format(*(f"{bound:.{digits}f}" for bound in interval)) if interval else ""
    return f"{value:,.{digits}f}{bounds}"


def widest(words: Iterable[str], least: int) -> int:
    """The width of a printed column: that of its longest word, at least `least`. Class names may be of any length."""
    return max([least, *(len(word) for word in words)])
