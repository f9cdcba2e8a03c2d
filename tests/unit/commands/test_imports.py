"""The commands `add-space` and `remove-space`: what they print, and what they refuse in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.commands import cli, imports
from lib.documents.spaces import AddSpaceDocument
from lib.settings import Settings

FOUND: AddSpaceDocument = {
    "name": "clip",
    "space": "clip",
    "file": "clip.npz",
    "sha256": "0",
    "dim": 8_192,
    "count": 61,
    "matched": 61,
    "missing": [],
    "extra": ["a.jpg"],
    "missing_count": 0,
    "extra_count": 1,
    "ids": "the array ids",
    "how": "by path",
    "dtype": "float16",
    "projected_from": 100_000,
    "zero": {"count": 1, "ids": ["rose/00.jpg"]},
    "constant": {"count": 0, "ids": []},
    "texts": 2,
    "replaced": False,
    "cached": False,
    "collections": ["clip_1", "clip_1_l2"],
    "fingerprint": "1",
    "seconds": 1.25,
}


def test_what_was_found_is_said_in_a_line_each() -> None:
    assert imports.show_add(FOUND).splitlines() == [
        "space clip: 61 photos × 8,192 from clip.npz (ids: the array ids, matched by path)",
        "1 row of no photo, ignored: a.jpg, …",
        "projected at random from 100,000 dimensions, seed 0",
        "float16 numbers, kept as float32",
        "1 zero vector, without a cosine: rose/00.jpg",
        "2 texts to search with: `python -m lib search --text TEXT --space clip`",
        "collections: clip_1, clip_1_l2",
        "ready in 1.2 s",
    ]
    assert "none, too many dimensions for Milvus" in imports.show_add({**FOUND, "collections": []})


def test_what_was_removed_is_said() -> None:
    shown = imports.show_remove(
        {
            "name": "clip",
            "removed": ["clip", "clip+l2"],
            "collections": ["a"],
            "elsewhere": ["http://x"],
            "seconds": 1.0,
        }
    )
    assert shown.splitlines() == [
        "removed clip and clip+l2 (clip, and what was made from it)",
        "dropped 1 collection in Milvus",
        "still stored in http://x, until photos are prepared with that store",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add-space", "own"], "Name one source of vectors"),
        (["add-space", "own", "v.npy", "--collection", "c"], "Name one source of vectors"),
        (["add-space", "resnet18", "v.npy"], "resnet18 is the name of another space or network"),
        (["add-space", "own", "v.npy"], "v.npy is not a file"),
        (["add-space", "own", "--collection", "nothing"], "nothing"),
        (["remove-space", "pixels"], "pixels cannot be removed"),
        (["remove-space", "own"], "has no space own; it has pixels and resnet18"),
        (["search", "--text", "a rose"], "The space resnet18 has no vectors of texts; no space has texts"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    words: list[str], sentence: str, prepared: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--data", str(prepared.data), "--artifacts", str(prepared.artifacts)]
    status = cli.main([*words, *place], offline=True, store_wait_s=0.0)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 1 and last.startswith("petalscope: ") and sentence in last


def test_a_query_is_a_picture_or_a_text(tmp_path: Path) -> None:
    for words in (["search"], ["search", "x.jpg", "--text", "y"], ["compare"]):
        with pytest.raises(SystemExit) as left:
            cli.main([*words, "--artifacts", str(tmp_path)])
        assert left.value.code == 2
