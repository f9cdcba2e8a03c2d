"""Names, links, rows, files and secrets of strangers: nothing of theirs is run, followed out of its folder, or told."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import pickle
import shutil
import socket
import tarfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lib.commands import cli
from lib.data import archive
from lib.errors import PetalscopeError
from lib.learn import checkpoints
from lib.measure import scoreboard
from lib.prepare import pipeline, workspace
from lib.retrieval import query as queries
from lib.retrieval import search
from lib.settings import PROJECT, Settings
from lib.store import connection, pool, rows
from tests.helpers import browser_driver
from tests.helpers.image_files import encoded, scene, write
from tests.pages.test_all_pages import PAGES
from tests.torture import corpus, crowd, tally
from tests.torture.tally import Scale

Start = Callable[[Settings], AppTest]
# What a browser would run or draw if it stood in a page as it is.
LIVE = ("<script", "<img src=x", "<svg onload", "<b>a<br>", "<i>class")
# What Markdown would make links, colours, formulas or bold of; escaped, it has a backslash in its middle.
MARKDOWN = ("[click](javascript", "**bold**", ":red[x]", "$x^2$", "**md**")
VIEWS = {
    "Home.py": [{"audit": "true"}],
    "pages/1_Training_Regimes.py": [{}],
    "pages/2_Embedding_Map.py": [{}, {"colour": "split"}],
    "pages/3_Retrieval.py": [{}, {"view": "Side by side"}, {"rows": "space"}, {"from": "class"}],
    "pages/4_Milvus_Collection.py": [{}, {"part": "rows"}, {"part": "schema"}, {"part": "search"}],
}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory, quick_weights: str) -> Settings:
    """Photos whose names and classes are hostile, prepared. Read only."""
    root = tmp_path_factory.mktemp("named")
    for number, name in enumerate(corpus.odd_names()):
        write(root / "photos" / name, scene(400 + number))
    write(root / "photos" / "<i>class" / "<script>alert(1)<%2fscript>.jpg", b"no picture")
    settings = Settings(
        data=root / "photos", artifacts=root / "artifacts", weights=quick_weights, offline=True, store_wait_s=0.0
    )
    pipeline.prepare(settings, names=["resnet18"])
    return settings


def markup(app: AppTest) -> Iterator[str]:
    """Everything on a page that a browser reads as HTML: what `st.html` draws, and the texts of Plotly's figures."""
    for element in app.get("html"):
        yield element.proto.body
    for element in app.get("plotly_chart"):
        yield from _texts(json.loads(element.proto.spec))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in {"customdata", "ids"}:  # never drawn by themselves
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def markdown(app: AppTest) -> Iterator[str]:
    """Everything on a page that is read as Markdown."""
    for kind in (app.markdown, app.caption, app.info, app.warning, app.error, app.success, app.subheader):
        for element in kind:
            yield str(element.value)


def test_hostile_names_are_shown_and_nothing_else_on_every_page(
    request: pytest.FixtureRequest, start: Start, scale: Scale
) -> None:
    if scale.short:
        pytest.skip("make torture")
    named: Settings = request.getfixturevalue("named")
    app = start(named)
    ids = workspace.open_workspace(named).catalog().ids
    looked = 0
    for page, views in VIEWS.items():
        app.switch_page(page)
        for view in views:
            for query in (ids[0], ids[len(ids) // 2], next(name for name in ids if "<script>" in name)):
                app.query_params.clear()
                for name, value in {**view, "q": query, "space": "resnet18"}.items():
                    app.query_params[name] = value
                app.run()
                assert not app.exception, (page, view, query, [entry.message for entry in app.exception])
                for text in markup(app):
                    assert not any(live in text for live in LIVE), (page, text[:500])
                for text in markdown(app):
                    assert not any(live in text for live in MARKDOWN), (page, text[:500])
                looked += 1
    assert looked > 30
    tally.note("bad_inputs", looked)


def test_a_hostile_class_is_a_value_in_a_filter_and_nothing_else(request: pytest.FixtureRequest, scale: Scale) -> None:
    """Its name stands in the expression that the engine reads; the answers are those of a full scan of that class."""
    if scale.short:
        pytest.skip("make torture")
    opened = workspace.open_workspace(request.getfixturevalue("named"))
    loaded = search.load_space(opened, "resnet18")
    query = queries.query_row(loaded.catalog, 0)
    classes = list(loaded.catalog.classes)
    assert any("'" in label or '"' in label for label in classes)
    with connection.open_store(opened.settings.store_uri) as store:
        for wanted in [*((label,) for label in classes), tuple(classes[:3])]:
            answer_filter, result = search.AnswerFilter(labels=wanted), {}
            rows = answer_filter.rows(loaded.catalog)
            assert rows is not None
            allowed = {loaded.catalog.ids[row] for row in rows} - {query.name}
            for engine in ("exact", "milvus"):
                answer = search.search(
                    opened,
                    loaded,
                    query,
                    metric_name="cosine",
                    k=100,
                    engine=engine,
                    store=store,
                    answer_filter=answer_filter,
                )
                result[engine] = {row["id"] for row in answer["results"]}
            assert result == {"exact": allowed, "milvus": allowed}, wanted
    tally.note("bad_inputs", len(classes))


@pytest.mark.browser
@pytest.mark.skipif(browser_driver.CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
def test_no_script_in_a_name_runs_in_a_browser(request: pytest.FixtureRequest, scale: Scale, tmp_path: Path) -> None:
    if scale.short:
        pytest.skip("make torture")
    named: Settings = request.getfixturevalue("named")
    chromium = request.getfixturevalue("chromium")
    shutil.copytree(named.artifacts, tmp_path / "artifacts")
    assert named.data is not None
    query = next(name for name in corpus.odd_names() if "onerror" in name)
    with browser_driver.serving(named.data, tmp_path / "artifacts") as address:
        tab = browser_driver.Watched(chromium, address)
        for page in crowd.PAGES:
            tab.open(f"{page}?q={urllib.request.quote(query, safe='')}&part=rows")
            assert corpus.MARK not in tab.page.title()
            assert tab.page.evaluate("window.name") == ""
            assert tab.page.locator('img[src="x"], [onerror], [onload]').count() == 0
        tab.context.close()
        assert not tab.complaints
    tally.note("sessions")


# --- Paths -----------------------------------------------------------------------------------------------------------

OUTSIDE = [
    "/etc/passwd",
    "../../etc/passwd",
    "rose/../../../etc/passwd",
    "rose/./00.jpg",
    "rose//00.jpg",
    "/proc/self/environ",
    "file:///etc/passwd",
    "..\\..\\etc\\passwd",
    "rose/00.jpg\0",
    "~/.ssh/id_rsa",
    "http://127.0.0.1:1/x",
    "\\\\host\\share",
    "%2e%2e/%2e%2e/etc/passwd",
]


def test_no_link_leads_out_of_the_photos(prepared: Settings, start: Start) -> None:
    app = start(prepared)
    photos = workspace.open_workspace(prepared).catalog()
    for name in OUTSIDE:
        assert photos.row(name) is None
        for page in PAGES:
            app.switch_page(page)
            app.query_params.clear()
            app.query_params["q"] = name
            app.query_params["row"] = name
            app.query_params["db"] = name
            app.query_params["uri"] = name
            app.run()
            assert not app.exception, (page, name, [entry.message for entry in app.exception])
            said = "\n".join(markdown(app))
            assert "root:" not in said and "PATH=" not in said
        # What is an address is no path, and no file is opened for it.
        with pytest.raises(PetalscopeError):
            typed = pool.typed_connection(prepared, name + "/x.db")
            if "://" in name:
                with connection.open_store(typed.uri):
                    pass
    tally.note("bad_inputs", len(OUTSIDE))


def test_no_member_of_an_archive_leaves_its_folder(tmp_path: Path) -> None:
    for number, name in enumerate(["../out.jpg", "/tmp/out.jpg", "a/../../out.jpg", "flowers/x/../../../out.jpg"]):
        with tarfile.open(tmp_path / f"{number}.tgz", "w:gz") as created:
            data = encoded(scene(1), "JPEG")
            member = tarfile.TarInfo(name)
            member.size = len(data)
            created.addfile(member, io.BytesIO(data))
        target = tmp_path / "in" / str(number)
        with pytest.raises(PetalscopeError):
            archive.extract_photos(tmp_path / f"{number}.tgz", target)
        assert not list(tmp_path.rglob("out.jpg")) and not Path("/tmp/out.jpg").exists()
    tally.note("bad_inputs", 4)


def test_no_row_of_a_collection_shows_a_file_of_another_folder(prepared: Settings, tmp_path: Path) -> None:
    """A path in a row of somebody's collection is followed only inside the folders that pages may open."""
    secret = write(tmp_path / "secret" / "s.png", scene(1))
    link = prepared.artifacts / "inside.png"
    link.symlink_to(secret)
    try:
        for name in [*OUTSIDE, str(secret), os.path.relpath(secret, prepared.data), str(link)]:
            result = rows.photo_file(prepared, {"path": name, "id": name})
            allowed = pool.allowed_folders(prepared)
            assert result is None or any(result.is_relative_to(folder) for folder in allowed), name
            assert result != secret
    finally:
        link.unlink()


# What somebody may type where an address is asked for. Nothing listens on any of them.
ADDRESSES = [
    *OUTSIDE,
    "file:///etc/passwd.db",
    "~root/x.db",
    "~nobody at all/x.db",
    "http://",
    "http:///",
    "://",
    "http://[",
    "http://[::1",
    "http://[::1]:9",
    "http://127.0.0.1:0",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:-1",
    "http://127.0.0.1:port",
    "http://a..b:9",
    "http://" + "a" * 5000,
    "http://%00",
    "http://127.0.0.1:9/'; drop --",
    "http://127.0.0.1:9?x=\r\nHost: y",
    "http://127.0.0.1:9/x.db",
    "http://169.254.169.254/latest/meta-data",
    "http://0xA9FEA9FE:80",
    "http://[::ffff:169.254.169.254]:80",
    "http://[fe80::1]:80",
    "ftp://127.0.0.1:9",
    "dns:///127.0.0.1:9",
    "javascript://alert(1)",
    "unix:/var/run/docker.sock",
    "unix:///etc/passwd",
    "unix:../../x.sock",
    "\u202ehttp://127.0.0.1:9",
    "a" * 5000 + ".db",
    "nul\0.db",
]


def test_what_is_typed_as_an_address_is_refused_in_a_sentence(
    copied: Settings, prepared: Settings, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No exception, no file looked at, no cloud's secrets asked for; and the own store still answers."""
    shutil.copytree(prepared.artifacts / "petalscope.db", copied.artifacts / "petalscope.db")
    called: list[Any] = []
    reach = socket.create_connection

    def reaching(place: tuple[str, int], *words: Any, **named: Any) -> socket.socket:
        called.append(place)
        return reach(place, *words, **named)

    monkeypatch.setattr(socket, "create_connection", reaching)
    app = start(copied).switch_page("pages/4_Milvus_Collection.py").run()
    for address in ADDRESSES:
        next(field for field in app.text_input if field.label == "Address").set_value(address)
        next(button for button in app.button if button.label == "Connect").click()
        app.run()
        assert not app.exception, (address, [entry.message for entry in app.exception])
        (box,) = app.error
        assert len(box.value) < 700 and "root:" not in box.value, (address, box.value)
    assert {host for host, _ in called} <= {"::1", "127.0.0.1", "%00"}, called
    app.query_params["part"] = "rows"
    app.run()
    assert not app.exception and not app.error
    tally.note("bad_inputs", len(ADDRESSES))


@pytest.mark.parametrize("address", ["http://anna:p4ssw0rd@[", "http://" + "a" * 5000, "unix:/nowhere", "x"])
def test_an_address_in_the_environment_that_is_none(
    copied: Settings,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    scale: Scale,
) -> None:
    if scale.short and "[" not in address:
        pytest.skip("make torture")
    monkeypatch.setenv("MILVUS_URI", address)
    app = start(copied)
    for page in ["Home.py", *PAGES]:
        app.switch_page(page).run()
        assert not app.exception, (page, [entry.message for entry in app.exception])
    assert app.error
    place = ["--data", str(copied.data), "--artifacts", str(copied.artifacts), "--json"]
    for command in (["inspect"], ["prepare"], ["search", "rose/00.jpg", "--engine", "milvus"], ["doctor"]):
        cli.main([command[0], *place, *command[1:]], store_wait_s=0.0)
        heard = capsys.readouterr()
        assert "Traceback" not in heard.err and "p4ssw0rd" not in heard.err + heard.out
    tally.note("bad_inputs")


# --- Pickles ---------------------------------------------------------------------------------------------------------


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (self.place,)


def traps(place: str) -> dict[str, bytes]:
    """The trap in every form in which NumPy, torch and pandas would run it."""
    plain = pickle.dumps(Trap(place))
    array = np.empty(1, dtype=object)
    array[0] = Trap(place)
    npy, npz, torched = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, array, allow_pickle=True)
    names = ("xy", "preserved", "facts", "cosine", "l1", "rows_cosine", "rows_l1", "values_cosine", "values_l1")
    np.savez(npz, **dict.fromkeys(names, array))
    with zipfile.ZipFile(torched, "w") as archived:
        archived.writestr("archive/data.pkl", plain)
        archived.writestr("archive/version", "3\n")
    return {"pickle": plain, "npy": npy.getvalue(), "npz": npz.getvalue(), "torch": torched.getvalue()}


def test_the_traps_work_where_pickles_are_run(tmp_path: Path) -> None:
    pickle.loads(traps(str(tmp_path / "one"))["pickle"])
    np.load(io.BytesIO(traps(str(tmp_path / "two"))["npy"]), allow_pickle=True)
    assert (tmp_path / "one").is_dir() and (tmp_path / "two").is_dir()


@pytest.mark.parametrize("kind", ["pickle", "npy", "npz", "torch"])
def test_no_artifact_is_unpickled(
    copied: Settings, start: Start, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], scale: Scale
) -> None:
    """Every file of the artifacts is a trap, and every page and command looks at it."""
    if scale.short and kind != "npz":
        pytest.skip("make torture")
    ran = tmp_path / "ran"
    content = traps(str(ran))[kind]
    opened = workspace.open_workspace(copied)
    runs = checkpoints.folder(copied)
    for name in ("unfinished/x.pt", "weights/x.safetensors", "features/x.npz"):
        write(runs / name, content)
    for name in opened.spaces:
        write(scoreboard.scores_file(opened, name, opened.catalog()), content)
    sprung = [path for path in copied.artifacts.rglob("*") if path.is_file() and path.suffix not in {".lock"}]
    state = (opened.folder / "state.json").read_bytes()
    for path in sprung:
        path.write_bytes(content)
    (opened.folder / "state.json").write_bytes(state)
    app = start(copied)
    for page in ["Home.py", *PAGES]:
        app.switch_page(page).run()
        assert not app.exception
    place = ["--data", str(copied.data), "--artifacts", str(copied.artifacts), "--json"]
    for command in (["search", "rose/00.jpg"], ["evaluate"], ["runs"], ["map"], ["doctor"], ["compare", "rose/00.jpg"]):
        cli.main([command[0], *place, *command[1:]])
        assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(PetalscopeError):
        checkpoints.load(runs / "unfinished" / "x.pt")
    assert checkpoints.load_arrays(runs / "features" / "x.npz") is None
    for suffix in (".pth", ".safetensors", ".pt"):
        weights = write(tmp_path / f"w{suffix}", content)
        assert cli.main(["prepare", *place, "--weights", str(weights)]) == 1
        assert "Traceback" not in capsys.readouterr().err
    assert not ran.exists()
    tally.note("bad_inputs", len(sprung))


# --- The server ------------------------------------------------------------------------------------------------------


def test_the_server_is_for_this_machine_and_protected() -> None:
    config = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    server = config["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"] is True and server["enableCORS"] is True
    assert server["maxUploadSize"] <= 50
    assert config["client"]["showErrorDetails"] == "none"
    assert config["browser"]["gatherUsageStats"] is False


def test_strangers_at_the_door(request: pytest.FixtureRequest, tmp_path: Path, scale: Scale) -> None:
    """An upload without a token, a page of another site, a path out of the static folder."""
    if scale.short:
        pytest.skip("make torture")
    named: Settings = request.getfixturevalue("named")
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    assert named.data is not None
    shutil.copytree(named.artifacts, tmp_path / "artifacts")
    with browser_driver.serving(named.data, tmp_path / "artifacts") as address:
        port = int(address.rpartition(":")[2])
        listening = {
            line.split()[1].partition(":")[0]
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in Path(table).read_text().splitlines()[1:]
            if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
        }
        assert listening == {"0100007F"}, "it listens on more than 127.0.0.1"
        for path in ("/_stcore/upload_file/x/y", "/static/../../../etc/passwd", "/media/../../etc/passwd", "/%2e%2e/x"):
            request = urllib.request.Request(
                address + path, data=b"x" if "upload" in path else None, method="PUT" if "upload" in path else "GET"
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    assert b"root:" not in answer.read()
            except urllib.error.HTTPError as error:
                assert error.code in {400, 403, 404, 405}
                error.close()
            tally.note("bad_inputs")
        with pytest.raises(InvalidStatus) as refused:
            connect(
                address.replace("http", "ws") + "/_stcore/stream",
                subprotocols=["streamlit"],  # type: ignore[list-item]
                origin="http://evil.example",  # type: ignore[arg-type]
            )
        assert refused.value.response.status_code == 403


def put(address: str, path: str, headers: dict[str, str], size: int, *, length: bool) -> int:
    """Send so many bytes as an upload, with or without saying beforehand how many; the status of the answer."""
    frame = (b'--x\r\nContent-Disposition: form-data; name="f"; filename="../../a.png"\r\n\r\n', b"\r\n--x--\r\n")
    wire = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    all_headers = {"Content-Type": "multipart/form-data; boundary=x", **headers}
    all_headers |= {"Content-Length": str(size + sum(map(len, frame)))} if length else {"Transfer-Encoding": "chunked"}
    pieces = (frame[0], *(bytes(min(1_000_000, size - at)) for at in range(0, size, 1_000_000)), frame[1])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it answers before it has heard all, and hangs up
        wire.request("PUT", path, body=iter(pieces), headers=all_headers, encode_chunked=not length)
    try:
        return wire.getresponse().status
    except (http.client.HTTPException, OSError):
        return 0
    finally:
        wire.close()


def test_an_upload_ends_at_the_limit_and_no_secret_is_logged(
    copied: Settings, tmp_path: Path, scale: Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By somebody who has a session and its token, and does not ask the page's own script how much is allowed."""
    if scale.short:
        pytest.skip("make torture")
    assert copied.data is not None
    token, word = "t0ken-of-anna-8231", "p4ssw0rd-8231"
    monkeypatch.setenv("MILVUS_TOKEN", token)
    monkeypatch.setenv("MILVUS_URI", f"http://anna:{word}@127.0.0.1:9")
    log, most = tmp_path / "log", 50 * 1024 * 1024
    with browser_driver.serving(copied.data, copied.artifacts, log) as address, crowd.session(address) as visit:
        for page in crowd.PAGES:
            assert not visit.visit(page, q="rose/00.jpg").exceptions
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=20) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        mine = {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2]}
        path = f"/_stcore/upload_file/{visit.id}/f"
        assert put(address, path, mine, 1000, length=True) == 204
        assert put(address, path, {}, 1000, length=True) == 403
        assert put(address, path.replace(visit.id, "another"), mine, 1000, length=True) == 403
        # 0: it has hung up on who would not stop.
        assert put(address, path, mine, most + 2_000_000, length=True) in {413, 0}
        assert put(address, path, mine, 3 * most, length=False) in {411, 0}
        server = crowd.process_of(address)
        assert crowd.level(server).memory < 2_000
        assert not visit.visit("").exceptions
        environment = Path(f"/proc/{server}/cmdline").read_bytes()
    heard = log.read_bytes()
    for secret in (token, word):
        assert secret.encode() not in heard and secret.encode() not in environment
    assert b"Traceback" not in heard, heard[-2000:]
    tally.note("bad_inputs", 4)


# --- Secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_in_any_page_command_or_file(
    copied: Settings, start: Start, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token, word = "t0ken-of-anna-8231", "p4ssw0rd-8231"
    monkeypatch.setenv("MILVUS_TOKEN", token)
    monkeypatch.setenv("MILVUS_URI", f"http://anna:{word}@127.0.0.1:9")
    app = start(copied)
    seen: list[str] = []
    for page in ["Home.py", *PAGES]:
        app.switch_page(page).run()
        assert not app.exception
        seen += [*markdown(app), *markup(app), str(dict(app.query_params)), *(str(block.value) for block in app.code)]
        seen += [str(frame.value) for frame in app.dataframe]
    place = ["--data", str(copied.data), "--artifacts", str(copied.artifacts), "--json"]
    for command in ("prepare", "inspect", "doctor"):
        cli.main([command, *place], store_wait_s=0.0)
        heard = capsys.readouterr()
        seen += [heard.out, heard.err]
    cli.main(["search", *place, "--engine", "milvus", "rose/00.jpg"])
    seen += list(capsys.readouterr())
    settings = replace(copied, milvus_token=token, milvus_uri=f"http://anna:{word}@127.0.0.1:9")
    seen += [repr(settings), repr(pool.app_connection(settings))]
    try:
        pipeline.prepare(settings)
    except PetalscopeError as error:
        seen += [str(error), repr(error), repr(error.__cause__)]
    for text in seen:
        assert token not in text and word not in text, text[:300]
    for path in copied.artifacts.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert token.encode() not in content and word.encode() not in content, path
