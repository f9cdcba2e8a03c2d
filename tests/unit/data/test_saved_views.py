"""Saved views: named links in a file that is never overwritten when it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.data import saved_views
from lib.data.saved_views import SavedView
from lib.errors import ArtifactError, QueryError

MAP = SavedView("pages/2_Embedding_Map.py", {"space": ["pixels"], "pass": ["label:rose", "split:test"]})


def test_views_are_kept_by_name_and_the_last_one_leaves_no_file(tmp_path: Path) -> None:
    assert saved_views.put(tmp_path, " view  10 ", MAP) == "view 10"
    saved_views.put(tmp_path, "view 9", SavedView("Home.py", {}))
    assert list(saved_views.read(tmp_path)) == ["view 9", "view 10"]
    assert saved_views.read(tmp_path)["view 10"] == MAP
    saved_views.put(tmp_path, "view 9", MAP)
    assert saved_views.read(tmp_path)["view 9"] == MAP
    for name in ("view 9", "not there", "view 10"):
        saved_views.delete(tmp_path, name)
    assert saved_views.read(tmp_path) == {} and not (tmp_path / saved_views.NAME).exists()


def test_bad_names_and_damaged_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="A saved view needs a name"):
        saved_views.put(tmp_path, "  ", MAP)
    for text in (
        "{",
        '{"schema": 1, "views": {"a": {"script": 1, "choices": {}}}}',
        '{"schema": 1, "views": {"a": 5}}',
    ):
        (tmp_path / saved_views.NAME).write_text(text)
        with pytest.raises(ArtifactError, match=r"saved views .* cannot be read"):
            saved_views.put(tmp_path, "b", MAP)
        assert (tmp_path / saved_views.NAME).read_text() == text
