"""The page shows what the command prints, for any link; equal seeds, equal results; only a changed photo changes."""

from __future__ import annotations

import json
import random
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.commands import cli
from lib.prepare import pipeline, workspace
from lib.progress import Reporter
from lib.search.metrics import METRICS
from lib.settings import Settings
from lib.view.retrieval.result_rows import results_title
from tests.conftest import draw_picture, galleries
from tests.torture import killing
from tests.torture.tally import Scale

Start = Callable[[Settings], AppTest]


def link(photos: Any, noise: random.Random) -> dict[str, str | list[str]]:
    """A link to the retrieval page, such as somebody may send."""
    collected: dict[str, str | list[str]] = {
        "q": noise.choice(photos.ids),
        "section": "grids",
        "space": noise.choice(["pixels", "resnet18"]),
        "k": str(noise.randint(1, 20)),
    }
    if noise.random() < 0.4:
        collected["classes"] = noise.sample(sorted(photos.classes), noise.randint(1, 3))
    if noise.random() < 0.3:
        collected["splits"] = noise.sample(["train", "val", "test"], noise.randint(1, 2))
    if noise.random() < 0.3:
        collected["copies"] = "true"
    if noise.random() < 0.3 and collected["space"] == "resnet18":
        collected["engine"] = "milvus"
    if noise.random() < 0.3:
        left, top = noise.randint(0, 50), noise.randint(0, 50)
        collected["part"] = f"{left},{top},{left + noise.randint(20, 50)},{top + noise.randint(20, 50)}"
        collected.pop("engine", None)
    return collected


def printed(capsys: pytest.CaptureFixture[str], settings: Settings, words: list[str]) -> dict[str, Any]:
    """What a command that stands on the page prints, with `--json`, for these photos and artifacts."""
    place = ["--data", str(settings.data), "--artifacts", str(settings.artifacts), "--json"]
    first, *rest = words
    assert cli.main([first, *place, *rest]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_page_shows_what_the_command_prints(
    start: Start, copied: Settings, prepared: Settings, capsys: pytest.CaptureFixture[str], scale: Scale
) -> None:
    from lib.view import cached

    shutil.copytree(prepared.artifacts / "petalscope.db", copied.artifacts / "petalscope.db")
    photos = workspace.open_workspace(copied).catalog()
    app = start(copied).switch_page("pages/3_Retrieval.py")
    noise = random.Random(11)
    compared = 0
    for _ in range(3 if scale.short else 20 * scale.kills // 6):
        parameters = link(photos, noise)
        app.query_params.clear()
        for name, value in parameters.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, (parameters, [entry.message for entry in app.exception])
        assert not app.error, (parameters, [entry.value for entry in app.error])
        shown = galleries(app)
        line = next(
            line
            for block in app.code
            for line in str(block.value).splitlines()
            if line.startswith("python -m lib search")
        )
        words = shlex.split(line)[3:]
        cached.release_store()  # the command wants to own it
        for name, metric in METRICS.items():
            title = results_title(metric.title)
            if title not in shown:
                continue
            place = words.index("--metric") + 1
            document = printed(capsys, copied, [*words[:place], name, *words[place + 1 :]])
            assert document["query"] == parameters["q"] or "part" in parameters
            tiles = shown[title]
            assert [tile["id"] for tile in tiles] == [row["id"] for row in document["results"]], (parameters, name)
            assert [tile["badge"] for tile in tiles] == [f"#{row['rank']}" for row in document["results"]]
            assert [tile["label"] for tile in tiles] == [row["label"] for row in document["results"]]
            for tile, row in zip(tiles, document["results"], strict=True):
                text = next(note for note in tile["notes"] if note[:1].isdigit() or note[:1] in "-−").split()[0]
                value = float(text.replace("−", "-").replace(",", ""))
                assert value == pytest.approx(row["value"], rel=2e-2, abs=2e-3), (parameters, name, tile)
            compared += 1
    assert compared >= 10


def test_seeds_give_equal_results_run_to_run(tmp_path: Path, scale: Scale) -> None:
    if scale.short:
        pytest.skip("make torture")
    settings = killing.ten_photos(tmp_path)
    pipeline.prepare(settings)
    first, rows = killing.results(settings.artifacts), killing.rows(settings)
    again = replace(settings, artifacts=tmp_path / "again")
    pipeline.prepare(again)
    assert killing.results(again.artifacts) == first
    assert killing.rows(again) == rows
    other = replace(settings, artifacts=tmp_path / "other", seed=1)
    pipeline.prepare(other)
    assert killing.results(other.artifacts) != first


def test_a_changed_photo_changes_the_fingerprint_and_is_embedded_alone(tmp_path: Path) -> None:
    settings = killing.ten_photos(tmp_path)
    assert settings.data is not None
    before = pipeline.prepare(settings)
    kept = workspace.open_workspace(settings).vectors("resnet18")
    old = dict(zip((picture.decode() for picture in kept.pictures), np.array(kept.values), strict=True))
    draw_picture(3, 77).save(settings.data / "sunflower" / "00.jpg")
    embedded: dict[str, int | None] = {}
    after = pipeline.prepare(
        settings, reporter=Reporter(progress=lambda stage, done, total: embedded.update({stage: total}))
    )
    assert embedded["embed resnet18"] == embedded["embed pixels"] == 1
    assert before["dataset"]["fingerprint"] != after["dataset"]["fingerprint"]
    assert [one["fingerprint"] for one in before["spaces"]] != [one["fingerprint"] for one in after["spaces"]]
    now = workspace.open_workspace(settings).vectors("resnet18")
    same = [row for row, picture in enumerate(now.pictures) if picture.decode() in old]
    assert len(same) == len(now.pictures) - 1
    for row in same:
        assert np.array_equal(now.values[row], old[now.pictures[row].decode()])
    # As if it had been there from the beginning.
    fresh = replace(settings, artifacts=tmp_path / "fresh")
    pipeline.prepare(fresh)
    assert np.array_equal(
        workspace.open_workspace(fresh).vectors("pixels").values,
        workspace.open_workspace(settings).vectors("pixels").values,
    )
    assert np.allclose(workspace.open_workspace(fresh).vectors("resnet18").values, now.values, atol=1e-4)
