"""lib.export.map_document: one file that holds the map, within its size, whatever files and classes are called."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.errors import QueryError
from lib.export import map_document
from lib.prepare.workspace import Workspace

HOSTILE = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u2028 ]]> <!-- &amp;"]


def content_of(text: str) -> dict:
    """The data of a map's file."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


def column(columns: dict, name: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(columns[name]), dtype)


def test_a_file_holds_every_point_and_photo(opened: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "map.html"
    document = map_document.export(opened, "resnet18", target)
    text = target.read_text(encoding="utf-8")
    content, catalog = content_of(text), opened.catalog()
    columns = content["columns"]
    assert json.loads(columns["ids"]) == catalog.ids
    assert np.array_equal(column(columns, "xy", "<f4").reshape(-1, 2), opened.map("resnet18").xy)
    labels = [columns["classes"][code] for code in column(columns, "labels", "<u2")]
    assert labels == catalog.labels
    assert [entry["name"] for entry in columns["legend"]] == list(catalog.classes)
    assert document["points"] == document["photos"] == len(catalog.ids) == len(content["photos"])
    assert document["bytes"] == target.stat().st_size and document["left_out"] == 0
    assert opened.space("resnet18")["fingerprint"][:8] in content["provenance"]["Space"]
    for row in (0, 30):
        shown = Image.open(io.BytesIO(base64.b64decode(content["photos"][str(row)]))).convert("RGB")
        photo = catalog.open(row)
        photo.thumbnail((map_document.SIDE, map_document.SIDE))
        assert shown.size == photo.size
        assert np.abs(np.asarray(shown, float) - np.asarray(photo, float)).mean() < 12


def test_at_most_n_photos_and_every_class_has_its_share(opened: Workspace, tmp_path: Path) -> None:
    assert map_document.export(opened, "resnet18", tmp_path / "a.html", 0)["photos"] == 0
    document = map_document.export(opened, "resnet18", tmp_path / "a.htm", 10)
    content = content_of((tmp_path / "a.htm").read_text(encoding="utf-8"))
    labels = [opened.catalog().labels[int(row)] for row in content["photos"]]
    assert document["photos"] == 10 and all(labels.count(label) == 2 for label in set(labels))


def test_photos_are_left_out_before_the_file_becomes_too_large(opened: Workspace, tmp_path: Path, monkeypatch) -> None:
    everything = map_document.export(opened, "resnet18", tmp_path / "a.html")
    bare = map_document.export(opened, "resnet18", tmp_path / "b.html", 0)
    middle = (everything["bytes"] + bare["bytes"]) // 2
    monkeypatch.setattr(map_document, "MOST_BYTES", middle)
    document = map_document.export(opened, "resnet18", tmp_path / "c.html")
    assert 0 < document["photos"] < everything["photos"] and document["points"] == everything["points"]
    assert middle - 20_000 < document["bytes"] <= middle


def _many(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    ids = [f"class {row % 7}/photo number {row:07}.jpg" for row in range(n)]
    frame = pd.DataFrame({"id": ids, "label": [f"class {row % 7}" for row in range(n)]})
    return frame, np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)


def test_a_hundred_thousand_points_fit_and_of_more_a_sample(opened: Workspace) -> None:
    frame, xy = _many(100_000)
    catalog = replace(opened.catalog(), frame=frame)
    columns = map_document._columns(catalog, xy)
    assert len(columns["drawn"]) == 100_000 and columns["density"] is None
    frame, xy = _many(300_000)
    columns = map_document._columns(replace(opened.catalog(), frame=frame), xy)
    assert 100_000 < len(columns["drawn"]) < 300_000
    text = json.dumps({name: value for name, value in columns.items() if name != "drawn"})
    assert len(text) < map_document.MOST_BYTES
    assert np.array_equal(column(columns, "xy", "<f4").reshape(-1, 2), xy[columns["drawn"]])


def test_names_cannot_leave_the_data(opened: Workspace) -> None:
    frame = pd.DataFrame({"id": [f"{name}/{row}" for row, name in enumerate(HOSTILE)], "label": HOSTILE})
    columns = map_document._columns(replace(opened.catalog(), frame=frame), np.zeros((3, 2), np.float32))
    columns.pop("drawn")
    content = {"columns": columns, "photos": {}, "provenance": {"Data": HOSTILE[0]}, "title": HOSTILE[0], "about": ""}
    text = map_document.document(content)
    assert not any(name in text for name in HOSTILE[:2])
    # Two scripts and one style, each closed once: nothing in between opened or closed another.
    assert len(re.findall(r"<script\b", text)) == len(re.findall("</script", text)) == 2
    assert sorted(content_of(text)["columns"]["classes"]) == sorted(HOSTILE)
    assert text.count("<title>&lt;/script&gt;") == 1


def test_the_policy_allows_the_files_own_script_and_style_only(opened: Workspace, tmp_path: Path) -> None:
    map_document.export(opened, "pixels", tmp_path / "a.html", 3)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data: blob:"
    for part, pattern in (("script-src", r"<script>(.*?)</script>"), ("style-src", r"<style>(.*?)</style>")):
        body = re.search(pattern, text, re.S)
        assert body
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert rules[part] == f"'sha256-{digest}'"


def test_a_photo_that_is_gone_has_no_thumbnail(opened: Workspace) -> None:
    catalog = opened.catalog()
    elsewhere = replace(catalog, root=Path("/nowhere"), frame=catalog.frame.assign(sha256="0" * 64))
    assert map_document.thumbnails_of(opened, elsewhere, np.arange(5), 10**6, None) == {}


@pytest.mark.parametrize("name", ["map.pdf", "map"])
def test_another_ending_is_refused(opened: Workspace, tmp_path: Path, name: str) -> None:
    with pytest.raises(QueryError, match=r"must end in \.html or \.htm"):
        map_document.export(opened, "resnet18", tmp_path / name)
