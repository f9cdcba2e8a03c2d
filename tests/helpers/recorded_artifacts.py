"""Artifacts that an earlier version of Petalscope wrote, for tests that today's code still opens them.

`tests/recorded/artifacts-619654c.tar.xz` holds what commit 619654c made of twenty drawn photos (two classes, PNG, seed
17, bundled weights): both spaces with maps, neighbours, scores and a robustness sweep, and the record of a short
training. The photos are drawn again by the tests; no Milvus store was kept. The JSON files beside the archive hold what
that commit printed and showed.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from lib.data import datasets
from lib.prepare import workspace
from lib.settings import PROJECT, Settings

RECORDED = PROJECT / "tests" / "recorded"
COMMIT = "619654c"
DRAWN = {"daisy": 0, "rose": 2}
# Modification time of the photos: the catalog recognises unchanged files by size and time.
DRAWN_AT = 1_700_000_000


def restore(folder: Path) -> Settings:
    """Draw the photos and unpack the artifacts in `folder`, which must be the current folder.

    The recorded root is the relative path `drawn`, so that the files are opened exactly as they were written.
    """
    from tests.conftest import draw_picture

    for name, label in DRAWN.items():
        (folder / "drawn" / name).mkdir(parents=True)
        for number in range(10):
            path = folder / "drawn" / name / f"{number:02}.png"
            draw_picture(label, number).save(path)
            os.utime(path, (DRAWN_AT, DRAWN_AT))
    settings = Settings(
        data=Path("drawn"), artifacts=folder / "artifacts", weights="bundled", seed=17, offline=True, store_wait_s=0.0
    )
    dataset = datasets.find(settings)
    assert dataset is not None
    with tarfile.open(RECORDED / f"artifacts-{COMMIT}.tar.xz") as archive:
        archive.extractall(folder / "unpacked", filter="data")
    target = workspace.folder_of(settings, dataset)
    target.parent.mkdir(parents=True)
    (folder / "unpacked" / "set").rename(target)
    (folder / "unpacked" / "runs").rename(settings.artifacts / "runs")
    return settings


def read(name: str) -> Any:
    """What the earlier version printed (`artifacts`) or showed (`links`)."""
    return json.loads((RECORDED / f"{name}-{COMMIT}.json").read_text(encoding="utf-8"))
