"""The files and folders that a catalog left out, counted by the kind of their reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lib import text
from lib.data import formats, images, own_folders, scanning

# How many kinds are named in a sentence; the rest are counted together.
MOST_KINDS: Final = 6
ADVICE_ON_HEIC: Final = "save HEIC photos as JPEG to have them read"
_HIDDEN_FOLDER: Final = "is a hidden folder"
# Reasons of folders. Those are no photos that somebody misses, so they do not count as files.
_FOLDERS: Final = own_folders.REASONS | {_HIDDEN_FOLDER, scanning.ALREADY_SCANNED}
# Reasons by a regular expression, with the words for one file and for several. The first that fits counts.
_WORDS: Final = (
    (r"is (an?) (.+?) file, not a .*", r"is \1 \2 file", r"are \2 files"),
    (re.escape(formats.IS_LFS_POINTER), r"is a Git LFS pointer", r"are Git LFS pointers (git lfs pull fetches them)"),
    (re.escape(images.IS_PREVIEW), r"is a camera raw file or a preview", r"are camera raw files or previews"),
    (re.escape(images.IS_32_BIT), r"has 32 bits a channel", r"have 32 bits a channel"),
    (r"is not a .* picture", r"is no picture", r"are no pictures"),
    (r"is damaged.*", r"is damaged", r"are damaged"),
    (r"is empty.*", r"is empty", r"are empty"),
    (r"has .*megapixels.*", r"is too large (megapixels)", r"are too large (megapixels)"),
    (r"has .*MB; .*", r"is too large (MB)", r"are too large (MB)"),
    (r"is a JPEG of more than .*", r"is a JPEG of too many parts", r"are JPEGs of too many parts"),
    (r"is a link that leads (.*)", r"is a link that leads \1", r"are links that lead \1"),
    (r"cannot be opened: (.*)", r"cannot be opened (\1)", r"cannot be opened (\1)"),
)
_VERBS: Final = {"is": "are", "has": "have", "lies": "lie", "leads": "lead", "holds": "hold"}


def files(skipped: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The entries of a catalog's `skipped` that are files; hidden folders and folders of Petalscope's own are not."""
    return [entry for entry in skipped if entry["reason"] not in _FOLDERS]


def summary(skipped: Iterable[Mapping[str, object]], most: int = MOST_KINDS) -> str:
    """The files of `skipped` in one clause, the most frequent reasons first; empty when there are none.

    For example `14 files left out: 12 are HEIC files (first: a/1.heic), 1 is empty (a/2.jpg), 1 is damaged (a/3.jpg)`.
    """
    left_out = files(skipped)
    if not left_out:
        return ""
    advice = f"; {ADVICE_ON_HEIC}" if any(" HEIC file" in str(entry["reason"]) for entry in left_out) else ""
    return f"{text.counted(len(left_out), 'file')} left out: {by_kind(left_out, most)}{advice}"


def by_kind(entries: Iterable[Mapping[str, object]], most: int = MOST_KINDS) -> str:
    """How many of `entries` there are of each kind, with the first one's id."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        kinds.setdefault(_words(str(entry["reason"])), []).append(str(entry["id"]))
    ordered = sorted(kinds.items(), key=lambda item: -len(item[1]))
    clauses = [
        f"1 {one} ({text.shown_name(ids[0])})"
        if len(ids) == 1
        else f"{len(ids):,} {several} (first: {text.shown_name(ids[0])})"
        for (one, several), ids in ordered[:most]
    ]
    if rest := sum(len(ids) for _, ids in ordered[most:]):
        clauses.append(f"{rest:,} for other reasons")
    return ", ".join(clauses)


def _words(reason: str) -> tuple[str, str]:
    for pattern, one, several in _WORDS:
        if match := re.fullmatch(pattern, reason, re.DOTALL):
            return match.expand(one), match.expand(several)
    verb, _, rest = reason.split(";", maxsplit=1)[0].partition(" ")
    return f"{verb} {rest}", f"{_VERBS.get(verb, verb)} {rest}"
