"""How long a text from outside may be: one rule for links, fields, addresses and pasted lists.

Invariant: a page works on no text that is longer. Every process serves all visitors, so a text of any length that is
allowed here must cost milliseconds.
"""

from __future__ import annotations

from typing import Final

from lib.errors import QueryError

# Characters. A path has at most 4,096, and no server's address needs more.
ADDRESS: Final = 4_096
# One field, or all values under one name of a link: a filter that lists hundreds of keys fits.
LINE: Final = 20_000
# A pasted list of ids (some 80,000 of them), or a vector of 32,768 numbers.
TEXT: Final = 2_000_000


def check(text: str, noun: str, most: int = LINE) -> str:
    """`text` as it is. Raises QueryError when it has more than `most` characters.

    The sentence names the text by `noun` and does not repeat it: it may hold a password, and has no end.
    """
    if len(text) > most:
        raise QueryError(f"{noun} has {len(text):,} characters; at most {most:,} are read: shorten it.")
    return text
