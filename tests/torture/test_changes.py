"""A photo that is replaced by another picture, and back, while many look: every answer is of the old state or the new.

What a state is, the command says: for each the photos, ranks and values that `python -m lib search` prints, and the
pictures that the files held then.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from lib.commands import cli
from lib.data import images, thumbnails
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.search.metrics import METRICS
from lib.settings import Settings
from lib.view import cached
from lib.view.components import gallery
from lib.view.retrieval.result_rows import results_title
from tests.conftest import draw_picture
from tests.helpers import browser_driver
from tests.torture import counting, crowd, killing, tally
from tests.torture.tally import Scale
from tests.torture.test_truth import galleries

CHANGED = "rose/00.jpg"
K = 5
ENGINES = {"pixels": ("exact",), "resnet18": ("exact", "milvus")}


@dataclass
class State:
    """What is true of one state: its data's fingerprint, each photo's thumbnail, the answers by space, engine, query
    and metric as the command prints them, and the bytes of the photo that differs."""

    fingerprint: str
    thumbnails: dict[str, str]
    answers: dict[tuple[str, str, str, str], list[dict[str, Any]]]
    content: bytes

    def wrong(self, shown: dict[str, list[dict[str, Any]]]) -> list[str]:
        """The tiles whose picture is another one than this state's. A photo that was replaced since may have none."""
        return [
            f"{title}: {tile['id']} has the picture of another"
            for title, tiles in shown.items()
            for tile in tiles
            if tile["src"] not in {"", self.thumbnails[tile["id"]]}
        ]

    def unlike(self, shown: dict[str, list[dict[str, Any]]], space: str, engine: str, query: str) -> list[str]:
        """Where the answers to a query on the retrieval page are others than the command's."""
        collected = []
        for name, metric in METRICS.items():
            tiles, rows = shown.get(results_title(metric.title), []), self.answers[space, engine, query, name]
            shown_tiles = [(tile["id"], tile["label"], tile["badge"]) for tile in tiles]
            if shown_tiles != [(row["id"], row["label"], f"#{row['rank']}") for row in rows]:
                collected.append(
                    f"{name} in {space} by {engine} of {query}: {shown_tiles} instead of {[row['id'] for row in rows]}"
                )
                continue
            for tile, row in zip(tiles, rows, strict=True):
                if float(tile["notes"][0]) != pytest.approx(row["value"], rel=2e-3, abs=1e-5):
                    collected.append(f"{name} of {tile['id']} is {tile['notes'][0]}, not {row['value']}")
        return collected


def states(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    beside: Path,
    *,
    names: tuple[str, ...] = ("pixels",),
    queries: tuple[str, ...] = (CHANGED,),
) -> tuple[State, State]:
    """The state as it is, and the one with another picture in the place of CHANGED; prepared in artifacts of their own,
    so that those of `settings` stay as they are."""
    assert settings.data is not None
    place, result = settings.data / CHANGED, []
    old = place.read_bytes()
    draw_picture(3, 77).save(beside / "other.jpg")
    reference = replace(settings, artifacts=beside / "reference")
    words = ["--data", str(settings.data), "--artifacts", str(reference.artifacts), "--k", str(K), "--json"]
    for content in (old, (beside / "other.jpg").read_bytes()):
        put(place, content)
        pipeline.prepare(reference, names=names)
        photos, answers = workspace.open_workspace(reference).catalog(), {}
        searches = [(space, engine) for space in names for engine in ENGINES[space]]
        for space, engine in searches:
            for query in queries:
                for metric in METRICS:
                    way = ["--space", space, "--metric", metric, "--engine", engine]
                    assert cli.main(["search", query, *words, *way]) == 0
                    answers[space, engine, query, metric] = json.loads(capsys.readouterr().out)["results"]
        pictures = {
            image_id: gallery.data_uri(thumbnails.encode(images.open_rgb(photos.path(image_id)), cached.THUMBNAIL))
            for image_id in photos.ids
        }
        result.append(State(photos.fingerprint, pictures, answers, content))
    put(place, old)
    first, second = result
    assert first.fingerprint != second.fingerprint and first.answers != second.answers
    different = [name for name, picture in first.thumbnails.items() if picture != second.thumbnails[name]]
    assert different == [CHANGED]
    return first, second


def put(place: Path, content: bytes) -> None:
    """Another file in the place of one, as a program that saves a picture does it."""
    beside = place.parent.parent.parent / "saving"
    beside.write_bytes(content)
    beside.replace(place)


def test_a_thumbnail_is_never_of_another_picture(
    tmp_path: Path, start: Callable[[Settings], AppTest], capsys: pytest.CaptureFixture[str]
) -> None:
    """One session on the retrieval page while its query is replaced, prepared, put back and prepared again."""
    settings = replace(killing.ten_photos(tmp_path), weights=None, seed=None)
    pipeline.prepare(settings, names=["pixels"])
    old, new = states(settings, capsys, tmp_path)
    assert settings.data is not None
    place = settings.data / CHANGED
    put(place, new.content)  # before anybody has looked, so that no picture is kept
    app = start(settings).switch_page("pages/3_Retrieval.py")

    def look(state: State, *, drawn: bool) -> None:
        app.query_params.clear()
        for name, value in {"q": CHANGED, "section": "grids", "space": "pixels", "k": str(K)}.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception and not app.error, [entry.message for entry in app.exception]
        shown = galleries(app)
        assert not state.wrong(shown)
        assert not state.unlike(shown, "pixels", "exact", CHANGED)
        assert shown["Query"][0]["src"] == (state.thumbnails[CHANGED] if drawn else "")

    look(old, drawn=False)
    for state in (new, old, new):
        put(place, state.content)
        pipeline.prepare(settings, names=["pixels"])
        look(state, drawn=True)
    put(place, old.content)
    look(new, drawn=True)  # as it was kept


def test_a_page_whose_state_goes_away_while_it_is_drawn_is_drawn_anew(
    tmp_path: Path,
    start: Callable[[Settings], AppTest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between reading which files are current and opening them a `prepare` switches, and clears the old ones away."""
    settings = replace(killing.ten_photos(tmp_path), weights=None, seed=None)
    pipeline.prepare(settings, names=["pixels"])
    old, new = states(settings, capsys, tmp_path)
    assert settings.data is not None
    app = start(settings).switch_page("pages/3_Retrieval.py")
    load, calls = search.load_space, list[str]()

    def loading(opened: Workspace, space: str) -> Any:
        calls.append(str(opened.state["dataset"]["fingerprint"]))
        if len(calls) == 1:
            put(tmp_path / "photos" / CHANGED, new.content)
            pipeline.prepare(settings, names=["pixels"])
        return load(opened, space)

    monkeypatch.setattr(search, "load_space", loading)
    for name, value in {"q": CHANGED, "section": "grids", "space": "pixels", "k": str(K)}.items():
        app.query_params[name] = value
    app.run()
    assert calls == [old.fingerprint, new.fingerprint]
    assert not app.exception and not app.error, [entry.value for entry in app.error]
    shown = galleries(app)
    assert not new.wrong(shown) and not new.unlike(shown, "pixels", "exact", CHANGED)


def test_what_fails_in_the_new_state_too_is_said(tmp_path: Path, start: Callable[[Settings], AppTest]) -> None:
    """Drawing anew does not help where a link is wrong before the photos are looked at, and goes not on for ever."""
    settings = replace(killing.ten_photos(tmp_path), weights=None, seed=None)
    pipeline.prepare(settings, names=["pixels"])
    app = start(settings)
    assert settings.data is not None
    draw_picture(3, 77).save(settings.data / CHANGED)
    pipeline.prepare(settings, names=["pixels"])
    app.switch_page("pages/4_Milvus_Collection.py")
    app.query_params["store"] = "/etc/x.db"
    app.run()
    assert not app.exception
    assert any("outside the folders" in box.value for box in app.error)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the server is found in /proc")
def test_a_crowd_sees_the_old_state_or_the_new_one(
    copied: Settings,
    prepared: Settings,
    tmp_path: Path,
    scale: Scale,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if scale.short:
        pytest.skip("make torture")
    assert prepared.data is not None
    monkeypatch.setenv("PETALSCOPE_OFFLINE", "1")
    shutil.copytree(prepared.data, tmp_path / "photos")
    settings = replace(copied, data=tmp_path / "photos", artifacts=tmp_path / "of the app", weights=None)
    queries = (CHANGED, "rose/02.jpg", "daisy/01.png", "tulip/04.jpg")
    both = states(settings, capsys, tmp_path, names=("pixels", "resnet18"), queries=queries)
    pipeline.prepare(settings)
    known = {state.fingerprint[:8]: state for state in both}
    log, done = tmp_path / "counted", threading.Event()
    monkeypatch.setenv("COUNTED", str(log))
    looked: Counter[str] = Counter()
    changes = 2 if scale.name == "full" else 8  # there and back

    def check(seen: crowd.Seen, page: str, space: str, engine: str, query: str) -> list[str]:
        wrong = [f"{page}: {text}" for text in seen.exceptions + seen.errors]
        fingerprints = set(re.findall(r"fingerprint ([0-9a-f]{8})", " ".join(seen.html)))
        if not fingerprints and page == "Training_Regimes":  # it is about runs, of other photos
            return wrong
        if len(fingerprints) != 1 or not fingerprints <= set(known):
            return [*wrong, f"{page} names the states {sorted(fingerprints)}"]
        state = known[fingerprints.pop()]
        looked[f"{page} {state.fingerprint[:8]}"] += 1
        wrong += [f"{page}: {text}" for text in state.wrong(seen.galleries)]
        if page == "Retrieval":
            wrong += state.unlike(seen.galleries, space, engine, query)
        return wrong

    def visitor(number: int, address: str) -> list[str]:
        noise, wrong, visits = random.Random(number), [], 0
        with crowd.session(address) as visit:
            while not done.is_set() or visits < len(crowd.PAGES):
                page = noise.choice(crowd.PAGES) if visits >= len(crowd.PAGES) else crowd.PAGES[visits]
                space = noise.choice(["pixels", "resnet18"])
                engine, query = noise.choice(ENGINES[space]), noise.choice(queries)
                link = {"q": query, "space": space, "engine": engine, "k": str(K), "from": "photos"}
                if page == "":
                    link["audit"] = "true"
                if page == "Milvus_Collection":
                    link["part"] = noise.choice(["overview", "rows", "search"])
                wrong += check(visit.visit(page, **link), page, space, engine, query)
                visits += 1
                done.wait(noise.uniform(2, 6))  # one looks for a while, and a `prepare` needs its turn
        tally.note("sessions")
        return wrong

    def prepared_of() -> str:
        return str(workspace.open_workspace(settings).state["dataset"]["fingerprint"])

    def change(address: str) -> list[str]:
        """Replace the photo, press the button, wait for the new state, and let everybody look at it for a while."""
        wrong = []
        with crowd.session(address) as visit:
            for number in range(1, changes + 1):
                state = both[number % 2]
                put(tmp_path / "photos" / CHANGED, state.content)
                until = time.monotonic() + 600
                while prepared_of() != state.fingerprint:
                    assert time.monotonic() < until, ("the new state did not come", wrong[:5])
                    seen = visit.visit("")
                    wrong += [f"preparing: {text}" for text in seen.exceptions + seen.errors]
                    pressed = next((each for label, each in seen.buttons.items() if label.startswith("Prepare")), "")
                    if pressed:
                        visit.visit("", press=pressed)
                    time.sleep(0.5)
                before = sum(looked.values())
                while sum(looked.values()) < before + 2 * scale.sessions:
                    assert time.monotonic() < until, ("nobody looks any more", wrong[:5])
                    time.sleep(0.2)
        return wrong

    with browser_driver.serving(
        tmp_path / "photos", settings.artifacts, program=("-m", "tests.torture.counting")
    ) as address:
        with ThreadPoolExecutor(scale.sessions + 1) as pool:
            looking = [pool.submit(visitor, number, address) for number in range(scale.sessions)]
            try:
                wrong = change(address)
            finally:
                done.set()
            wrong += [text for each in looking for text in each.result()]
    assert not wrong, (len(wrong), wrong[:8])
    for page in ("", "Embedding_Map", "Retrieval", "Milvus_Collection"):
        assert all(looked[f"{page} {name}"] for name in known), looked
    counted = counting.noted(log)
    # Each change embeds the one photo that is another now, once for each space, whoever presses and however often.
    embedded = [(space, photos) for kind, space, photos in (each for each in counted if each[0] == "embed")]
    assert sorted(embedded) == sorted([("pixels", 1), ("resnet18", 1)] * changes)
    twice = {key: times for key, times in Counter(map(tuple, counted)).items() if times > 1 and key[0] != "embed"}
    assert not twice, twice
    assert len([each for each in counted if each[0] == "load"]) >= 2 * changes
    seen = f"{sum(looked.values())} looks of {scale.sessions} sessions"
    tally.note("sessions", 0, f"a photo was replaced {changes} times under {seen}: every answer of one state")
