"""Fixtures that many tests use: a small folder of drawn pictures, and everything `prepare` makes of it.

Nothing here is shared between processes, so `pytest -n` works; a session's fixtures are read only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from streamlit.testing.v1 import AppTest

from lib.data import audit_file
from lib.learn import backbone
from lib.prepare import pipeline, workspace
from lib.prepare.workspace import Workspace
from lib.retrieval import search
from lib.retrieval.search import SearchableSpace
from lib.settings import PROJECT, Settings
from tests.helpers import browser_driver, standalone

CLASSES = ("daisy", "dandelion", "rose", "sunflower", "tulip")
# The same pixels as COPY_OF, in a file of another kind.
COPY_OF, COPY = "rose/03.png", "rose/03 again.bmp"
# What the person who runs the tests wants used as real photos; taken before the environment is cleaned.
PHOTOS = os.environ.get("PETALSCOPE_DATA", "")


def draw_picture(label: int, number: int) -> Image.Image:
    """A small picture, always the same: blobs in colours that lean towards the class, on a random ground."""
    rng = np.random.default_rng([label, number])
    width, height = (int(side) for side in rng.integers(40, 100, 2))
    picture = Image.new("RGB", (width, height), tuple(int(value) for value in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(picture)
    lean = np.array([[255, 255, 255], [255, 220, 0], [220, 0, 60], [255, 150, 0], [200, 0, 220]])[label]
    for _ in range(6):
        x, y = rng.integers(0, width), rng.integers(0, height)
        colour = (lean * 0.6 + rng.integers(0, 256, 3) * 0.4).astype(int)
        pen.ellipse(
            [int(x) - 12, int(y) - 8, int(x) + 12 + 3 * label, int(y) + 8], fill=tuple(int(value) for value in colour)
        )
    return picture


def draw_photos(root: Path, per_class: int = 12) -> Path:
    """Class folders with `per_class` pictures each under `root`: JPEG where the number is even, else PNG."""
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            suffix = "png" if number % 2 else "jpg"
            draw_picture(label, number).save(root / name / f"{number:02}.{suffix}")
    return root


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Nothing that the person who runs the tests has set may reach them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PETALSCOPE_", "MILVUS_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes with twelve small pictures each, and one pixel-identical copy: 61 images. Read only."""
    root = draw_photos(tmp_path_factory.mktemp("pictures") / "drawn flowers")
    Image.open(root / COPY_OF).save(root / COPY)
    return root


@pytest.fixture(scope="session")
def quick_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A weights file whose card asks for 32 px: the real network, twenty times faster."""
    path = tmp_path_factory.mktemp("weights") / "quick.safetensors"
    path.symlink_to(backbone.BUNDLED)
    card = {"resize": [32, 32], "crop": None, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def prepared(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of `pictures`, prepared with the bundled weights: both spaces, maps, collections. Read only."""
    settings = Settings(
        data=pictures,
        artifacts=tmp_path_factory.mktemp("prepared") / "artifacts",
        weights="bundled",
        offline=True,
        store_wait_s=0.0,
    )
    pipeline.prepare(settings)
    return settings


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory: pytest.TempPathFactory, quick_weights: str) -> Settings:
    """Forty photos as a camera names them, two copies and a HEIC file, in one folder; prepared, measured. Read only."""
    from lib.measure import first_results

    root = tmp_path_factory.mktemp("holiday")
    for number in range(40):
        draw_picture(number % len(CLASSES), number).save(root / f"IMG_{2040 + number}.jpg")
    for number in (3, 4):
        Image.open(root / f"IMG_{2040 + number}.jpg").save(root / f"IMG_{2040 + number} (1).png")
    (root / "IMG_3000.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    artifacts = tmp_path_factory.mktemp("made") / "artifacts"
    settings = Settings(data=root, artifacts=artifacts, weights=quick_weights, offline=True, store_wait_s=0.0)
    pipeline.prepare(settings)
    first_results.make(settings)
    return settings


@pytest.fixture(scope="session")
def opened(prepared: Settings) -> Workspace:
    """The workspace of `prepared`."""
    return workspace.open_workspace(prepared)


@pytest.fixture(scope="session")
def loaded(opened: Workspace) -> Callable[[str], SearchableSpace]:
    """`loaded("pixels")`: that space of `prepared`, ready to be searched, loaded once."""
    kept: dict[str, SearchableSpace] = {}

    def load(space: str) -> SearchableSpace:
        if space not in kept:
            kept[space] = search.load_space(opened, space)
        return kept[space]

    return load


@pytest.fixture(scope="session")
def photos() -> Path:
    """Real photos, from PETALSCOPE_DATA; without them the test is skipped."""
    if not PHOTOS or not Path(PHOTOS).is_dir():
        pytest.skip("PETALSCOPE_DATA names no folder of real photos")
    return Path(PHOTOS)


def copy_of(settings: Settings, folder: Path) -> Settings:
    """Settings of a copy of prepared artifacts below `folder`; their store is left behind."""
    # What other tests have measured meanwhile is left behind, too.
    measured = shutil.ignore_patterns(audit_file.FOLDER, *pipeline.OF_VECTORS)
    shutil.copytree(settings.artifacts / "sets", folder / "artifacts" / "sets", ignore=measured)
    return replace(settings, artifacts=folder / "artifacts")


@pytest.fixture
def copied(prepared: Settings, tmp_path: Path) -> Settings:
    """A copy of the prepared artifacts that a test may damage; its store is left behind."""
    return copy_of(prepared, tmp_path)


def environment(settings: Settings) -> dict[str, str]:
    """The variables with which the app has these settings."""
    return {
        "PETALSCOPE_DATA": str(settings.data),
        "PETALSCOPE_ARTIFACTS": str(settings.artifacts),
        "PETALSCOPE_OFFLINE": "1",
    }


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Settings], AppTest]]:
    """A function that starts the app for some settings; afterwards its caches are empty and its store is closed."""
    import streamlit as st

    from lib.view import cached, cached_milvus

    # A simulated page does not run again by itself, so it waits for all answers.
    monkeypatch.setattr(cached_milvus, "PATIENCE_S", 60.0)

    def begin(settings: Settings) -> AppTest:
        for name, value in environment(settings).items():
            monkeypatch.setenv(name, value)
        cached.release_store()  # or its lock would outlive the cache that knows it
        st.cache_data.clear()
        st.cache_resource.clear()
        return AppTest.from_file(str(PROJECT / "Home.py"), default_timeout=60).run()

    yield begin
    cached.release_store()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `cert.pem` and `key.pem` of localhost that nobody has signed."""
    from tests.helpers import recorded_servers

    folder = tmp_path_factory.mktemp("tls")
    if not recorded_servers.make_certificate(folder):
        pytest.skip("openssl is not installed")
    return folder


@pytest.fixture(scope="module")
def address(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the app runs on the prepared pictures, one for each module of tests."""
    # A copy, since the Lite store of the shared workspace is also opened by tests in this process.
    copy = tmp_path_factory.mktemp("served") / "artifacts"
    shutil.copytree(prepared.artifacts, copy)
    assert prepared.data is not None
    with browser_driver.serving(prepared.data, copy) as url:
        yield url


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Milvus server; without one the test is skipped."""
    if why := standalone.why_not():
        pytest.skip(why)
    with standalone.running(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """A browser, one for each module of tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_driver.CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium, address: str) -> Iterator[browser_driver.Watched]:
    """A tab of that app, which must not have complained of anything in the end."""
    watched = browser_driver.Watched(chromium, address)
    yield watched
    watched.context.close()
    assert not watched.complaints


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A Lite store that another process owns: its path and that process."""
    place = tmp_path / "held.db"
    code = (
        "import sys; from lib.store import connection\n"
        "with connection.open_store(sys.argv[1], role='the app'):\n"
        "    print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(place)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield str(place), process.pid
        process.kill()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`disk("size=1m")` mounts a small disk, `disk("remount,ro")` changes it, where this user may."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small disk")
        return place

    yield mount
    subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


def galleries(app: AppTest) -> dict[str, list[dict[str, Any]]]:
    """The photos of every gallery by its title."""
    collected = {}
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.mixed.json if element.proto.HasField("mixed") else element.proto.json)
        if isinstance(data, dict) and "items" in data:
            collected[data["title"]] = data["items"]
    return collected
