"""Many at once: sessions on all pages, prepares beside them and beside each other, trainings and uploads.

No error, no mixed results, one computation per key; and what a process takes returns to its level afterwards.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lib.data import audit_file, images
from lib.learn import live_status
from lib.prepare import workspace
from lib.retrieval import search
from lib.retrieval.query import find_query, query_picture
from lib.search.metrics import METRICS
from lib.settings import PROJECT, Settings
from lib.view import background_jobs, cached
from lib.view.retrieval.result_rows import results_title
from tests.helpers import browser_driver, image_files, quick_trainings
from tests.torture import crowd, killing, tally
from tests.torture.tally import Scale


@pytest.fixture
def served(copied: Settings, prepared: Settings) -> Settings:
    """Prepared artifacts of one's own, with the store."""
    shutil.copytree(prepared.artifacts / "petalscope.db", copied.artifacts / "petalscope.db")
    return copied


def expected(settings: Settings, space: str) -> dict[tuple[str, str], list[str]]:
    """The answers to every photo under every metric, by command."""
    opened = workspace.open_workspace(settings)
    loaded = search.load_space(opened, space)
    return {
        (image_id, metric): [
            row["id"]
            for row in search.search(opened, loaded, find_query(loaded.catalog, image_id), metric_name=metric, k=5)[
                "results"
            ]
        ]
        for image_id in loaded.catalog.ids[::6]
        for metric in METRICS
    }


def command(settings: Settings, *words: str) -> subprocess.Popen[str]:
    """A command on these photos and artifacts, begun."""
    place = ["--data", str(settings.data), "--artifacts", str(settings.artifacts), "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "lib", words[0], *place, *words[1:]],
        cwd=PROJECT,
        env={**os.environ, "PETALSCOPE_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process takes is read from /proc")
def test_a_crowd_on_all_pages_with_a_prepare_beside_it(served: Settings, scale: Scale) -> None:
    if scale.short:
        pytest.skip("make torture")
    answers = {space: expected(served, space) for space in ("pixels", "resnet18")}
    assert served.data is not None
    with browser_driver.serving(served.data, served.artifacts) as address:
        server = crowd.process_of(address)
        with crowd.session(address) as first:
            for page in crowd.PAGES:
                first.visit(page)
        until = time.monotonic() + scale.seconds

        def visitor(number: int) -> list[str]:
            noise, wrong = random.Random(number), []
            with crowd.session(address) as visit:
                visits = 0
                while time.monotonic() < until or visits < len(crowd.PAGES):
                    page = noise.choice(crowd.PAGES) if visits >= len(crowd.PAGES) else crowd.PAGES[visits]
                    space = noise.choice(["pixels", "resnet18"])
                    query = noise.choice([image_id for image_id, _ in answers[space]])
                    seen = visit.visit(page, q=query, space=space, k="5", **{"from": "photo"})
                    visits += 1
                    wrong += [f"{page}: {text}" for text in seen.exceptions + seen.errors]
                    if page == "Retrieval":
                        collected = {
                            name: [tile["id"] for tile in seen.galleries.get(results_title(metric.title), [])]
                            for name, metric in METRICS.items()
                        }
                        wanted = {name: answers[space][query, name] for name in METRICS}
                        if collected != wanted:
                            wrong.append(f"other answers to {query} in {space}: {collected} instead of {wanted}")
            tally.note("sessions")
            return wrong

        def preparer() -> list[str]:
            """A visitor who presses the button that prepares, again and again, and looks how it goes."""
            wrong, pressed = [], 0
            with crowd.session(address) as visit:
                while time.monotonic() < until or not pressed:
                    seen = visit.visit("")
                    wrong += [f"preparing: {text}" for text in seen.exceptions + seen.errors]
                    for label, button in seen.buttons.items():
                        if label.startswith("Prepare"):
                            seen = visit.visit("", press=button)
                            wrong += [f"preparing: {text}" for text in seen.exceptions + seen.errors]
                            pressed += 1
                    time.sleep(0.3)
            tally.note("sessions")
            return wrong

        def settled(before: crowd.Level | None) -> crowd.Level:
            """What the server takes when its sessions have ended, given time to notice."""
            now = crowd.level(server)
            for _ in range(120):
                if before is None or (now.sockets <= before.sockets and now.threads <= before.threads + 2):
                    break
                time.sleep(0.5)
                now = crowd.level(server)
            return now

        levels = [settled(None)]
        for _ in range(3):
            with command(served, "prepare") as beside:
                with ThreadPoolExecutor(scale.sessions + 1) as pool:
                    pressing = pool.submit(preparer)
                    wrong = [text for collected in pool.map(visitor, range(scale.sessions)) for text in collected]
                    wrong += pressing.result()
                out, err = beside.communicate(timeout=120)
            assert not wrong, wrong[:5]
            # The app owns the store: the command gets it between two of the app's own prepares, or says who has it.
            if beside.returncode:
                assert beside.returncode == 1 and "Traceback" not in err
                # Its client calls itself what it was first opened for: the pages, or the app's own `prepare`.
                assert re.search(rf"is in use by (app|prepare) \(process {server}, since", err.splitlines()[-1]), err
            else:
                assert all(one["cached"] for one in json.loads(out)["spaces"])
            levels.append(settled(levels[0]))
            until = time.monotonic() + scale.seconds / 4
        text = ", ".join(map(str, levels))
        tally.note("sessions", 0, f"server before and after each crowd of {scale.sessions}: {text}")
        # Caches fill in the first crowd. Pools of threads that compute come and go, before it and after it.
        assert levels[-1].threads <= max(level.threads for level in levels[:2]) + 4, text
        assert levels[-1].memory <= levels[1].memory * 1.15 + 20, text
        # Streamlit keeps ended sessions for a while, should they return, each with its sockets, and lets go of those
        # whose time is over when the next one ends. That last one stays, as did the first before the crowds.
        time.sleep(crowd.grace() + 5)
        with crowd.session(address) as last:
            last.visit("")
        end = settled(levels[0])
        text = f"before the crowds {levels[0]}, {crowd.grace():.0f} s after them {end}"
        tally.note("sessions", 0, f"server {text}")
        assert end.sockets <= levels[0].sockets + 4, text
        assert end.files <= levels[0].files + 12, text
        assert end.threads <= levels[0].threads + 4, text
        assert end.memory <= levels[1].memory * 1.15 + 20, text


def test_two_prepares_at_once(tmp_path: Path, scale: Scale) -> None:
    if scale.short:
        pytest.skip("make torture")
    settings = killing.ten_photos(tmp_path)
    words = ["prepare", "--weights", str(settings.weights), "--seed", "0"]
    with command(settings, *words) as one, command(settings, *words) as other:
        outputs = [process.communicate(timeout=300) for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], outputs
    documents = [json.loads(out) for out, _ in outputs]
    # What one made the other found: every space was computed once.
    assert sorted(all(space["cached"] for space in document["spaces"]) for document in documents) == [False, True]
    assert sum("Another prepare of these photos is running" in err for _, err in outputs) == 1
    assert len(killing.rows(settings)) == 3


def test_two_users_start_a_training(
    pictures: Path, quick_weights: str, tmp_path: Path, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scale.short:
        pytest.skip("make torture")
    monkeypatch.setenv("PETALSCOPE_OFFLINE", "1")
    settings = quick_trainings.settings(pictures, tmp_path / "artifacts", quick_weights)
    begun: list[int] = []
    begin = subprocess.Popen

    def counted(words: list[str], **how: Any) -> Any:
        process = begin([*words, "--epochs", "5000"], **how)
        begun.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", counted)
    users, both = 4, threading.Barrier(4)

    def start(number: int) -> bool:
        both.wait()
        return live_status.start(settings, regimes=["transfer"], preset="quick", seeds=[number])

    with ThreadPoolExecutor(users) as pool:
        started = list(pool.map(start, range(users)))
    try:
        assert sorted(started) == [False] * (users - 1) + [True]
        assert len(begun) == 1
        status = live_status.status(settings)
        for _ in range(300):
            if status is not None and status.pid:
                break
            time.sleep(0.1)
            status = live_status.status(settings)
        assert status is not None and status.running and status.pid == begun[0]
        assert status.queue in ([], [f"transfer, seed {started.index(True)}"])
    finally:
        for pid in begun:
            os.kill(pid, signal.SIGKILL)
    tally.note("sessions", users)


def test_one_computation_for_each_key(
    served: Settings, start: Callable[[Settings], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(served)
    counts: Counter[str] = Counter()
    load, audit = search.load_space, audit_file.audit.audit

    def loading(opened: Any, space: str) -> Any:
        counts[space] += 1
        time.sleep(0.05)
        return load(opened, space)

    def auditing(catalog: Any, *progress: Any) -> Any:
        counts["audit"] += 1
        return audit(catalog, *progress)

    monkeypatch.setattr(search, "load_space", loading)
    monkeypatch.setattr(audit_file.audit, "audit", auditing)
    cached.searchable_space.clear()
    cached.audit_report.clear()
    opened = cached.open_workspace()
    shutil.rmtree(opened.folder / audit_file.FOLDER, ignore_errors=True)

    def use(number: int) -> int:
        for space in ("pixels", "resnet18"):
            assert cached.searchable_space(opened, space).space == space
        return len(cached.audit_report(opened)["duplicates"])

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(use, range(16)))) == 1
    assert counts == {"pixels": 1, "resnet18": 1, "audit": 1}
    tally.note("sessions", 16)


def test_one_prepare_of_many_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    work, ran, go = background_jobs.JobRunner(), Counter[str](), threading.Event()

    def prepare(reporter: Any) -> None:
        ran["prepare"] += 1
        go.wait(10)

    with ThreadPoolExecutor(16) as pool:
        began = list(pool.map(lambda _: work.start(prepare), range(16)))
    go.set()
    while work.job.running:
        time.sleep(0.01)
    assert sum(began) == ran["prepare"] == 1


def _answers(opened: Any, space: str, content: bytes) -> list[str]:
    loaded = search.load_space(opened, space)
    query = query_picture(loaded.catalog, images.open_rgb(content), "mine")
    return [row["id"] for row in search.search(opened, loaded, query, metric_name="l1", k=6)["results"]]


@pytest.mark.browser
@pytest.mark.skipif(browser_driver.CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
def test_one_uploads_while_another_switches_the_space(served: Settings, chromium: Any, scale: Scale) -> None:
    if scale.short:
        pytest.skip("make torture")
    assert served.data is not None
    opened = workspace.open_workspace(served)
    with browser_driver.serving(served.data, served.artifacts) as address:
        one, other = (browser_driver.Watched(chromium, address) for _ in range(2))
        one.open("Retrieval?space=pixels&from=upload&k=6")
        other.open("Retrieval?space=resnet18&q=rose/00.jpg&k=6")
        first = f'[aria-label="{results_title("L1 distance")}"]'

        def ids(tab: browser_driver.Watched) -> list[str | None]:
            return [button.get_attribute("data-id") for button in tab.page.locator(f"{first} button").all()]

        spaces = ["pixels", "resnet18"]
        for number in range(4):
            content = image_files.encoded(image_files.scene(300 + number))
            one.page.set_input_files(
                'input[type="file"]', files=[{"name": "mine.png", "mimeType": "image/png", "buffer": content}]
            )
            space = spaces[number % 2]
            other.page.get_by_text({"pixels": "Raw pixels", "resnet18": "ResNet18 features"}[space]).first.click()
            other.settle()
            one.page.locator(f"{first} button").nth(5).wait_for(timeout=60_000)
            one.settle()
            one.settle()
            assert ids(one) == _answers(opened, "pixels", content)
            loaded = search.load_space(opened, space)
            query = find_query(loaded.catalog, "rose/00.jpg")
            results = search.search(opened, loaded, query, metric_name="l1", k=6)["results"]
            assert ids(other) == [row["id"] for row in results]
        for tab in (one, other):
            tab.context.close()
            assert not tab.complaints
    tally.note("sessions", 2)
