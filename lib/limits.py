"""Length limits of text from outside: links, fields, addresses and pasted lists.

Invariant: no page processes a longer text, and no larger file of vectors is read. One process serves all visitors, so
processing a text within these limits must take milliseconds.
"""

from __future__ import annotations

from typing import Final

from lib.errors import QueryError

# All limits are in characters. A path has at most 4,096, and no server's address needs more.
ADDRESS: Final = 4_096
# One field, or all values of one link parameter; a filter that lists hundreds of keys fits.
LINE: Final = 20_000
# A pasted list of ids (some 80,000 of them), or a vector of 32,768 numbers.
TEXT: Final = 2_000_000
# Files of vectors are read a block at a time, and refused by their declared sizes before that.
VECTOR_FILE_BYTES: Final = 64_000_000_000
VECTOR_ROWS: Final = 50_000_000
VECTOR_DIMENSIONS: Final = 4_194_304
# A file of ids, which is read as a whole, and the number of texts with vectors.
IDS_BYTES: Final = 1_000_000_000
TEXTS: Final = 100_000


def check_length(text: str, noun: str, most: int = LINE) -> str:
    """`text` unchanged. Raises QueryError when it has more than `most` characters.

    The error names the text by `noun` and does not quote it: the text may hold a password, and is long.
    """
    if len(text) > most:
        raise QueryError(f"{noun} has {len(text):,} characters; at most {most:,} are read: shorten it.")
    return text
