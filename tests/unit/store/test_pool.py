"""lib.store.pool and failures: what may be opened, one client for all, and every failure by its name."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.errors import PetalscopeError, QueryError, StoreError
from lib.settings import Settings
from lib.store import collections, errors, inspect, overview
from lib.store import pool as pools
from lib.store.connection import Store, open_store
from lib.store.endpoints import endpoint
from lib.store.pool import Connection, Pool
from lib.store.write import Rows, write_collection
from tests.helpers import recorded_servers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "artifacts").mkdir()
    return Settings(artifacts=tmp_path / "artifacts")


def make_store(path: Path) -> Path:
    ids = ["a", "b"]
    with open_store(str(path)) as store:
        write_collection(
            store, "two", Rows(ids, ids, ids, ["train"] * 2, np.eye(2, 4, dtype=np.float32)), metric="COSINE"
        )
    return path


# -- what may be opened ---------------------------------------------------------------------------------------------


def test_paths_are_confined_to_the_allowed_folders(settings: Settings, tmp_path: Path) -> None:
    inside = settings.artifacts / "x.db"
    inside.mkdir()
    (inside / "LOCK").touch()
    outside = tmp_path / "x.db"
    outside.mkdir()
    (settings.artifacts / "way out.db").symlink_to(outside)
    assert pools.typed_connection(settings, str(inside)).uri == str(inside)
    for path in (outside, tmp_path / "not there.db", settings.artifacts / ".." / "x.db", "/etc/passwd", "way\0.db"):
        with pytest.raises(QueryError, match=r"outside the folders|not a path"):
            pools.typed_connection(settings, str(path))
    with pytest.raises(QueryError, match="outside the folders"):
        pools.typed_connection(settings, str(settings.artifacts / "way out.db"))
    allowed = replace(settings, folders=(tmp_path,))
    assert pools.typed_connection(allowed, str(outside.parent / "y.db")).lite
    assert pools.discover_stores(allowed) == [inside]


def test_a_password_typed_into_an_address_is_not_repeated(settings: Settings) -> None:
    for text in ("root:s3cret@host:19530", "http:/root:s3cret@host/x.db"):
        with pytest.raises(QueryError, match=r"\*\*\*@host") as caught:
            pools.typed_connection(settings, text)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["unix:/var/run/docker.sock", "unix:///etc/passwd", "unix:../x", "unix:"])
def test_a_socket_is_a_path(settings: Settings, uri: str) -> None:
    with pytest.raises(QueryError, match=pools.OUTSIDE):
        pools.typed_connection(settings, uri)
    inside = f"unix:{settings.artifacts}/milvus.sock"
    assert pools.typed_connection(settings, inside).uri == f"unix:{settings.artifacts.resolve()}/milvus.sock"


@pytest.mark.parametrize(
    "uri", ["http://[", "http://[::1", "https://", "http://h:99999", "http://a..b", "http://" + "a" * 99]
)
def test_what_is_no_servers_address(settings: Settings, uri: str) -> None:
    with pytest.raises(QueryError, match="is not a server's address"):
        pools.typed_connection(settings, uri)
    with pytest.raises(StoreError, match="is not a server's address"):
        open_store(uri)
    # One that the settings name can still be shown, without its password.
    assert pools.app_connection(replace(settings, milvus_uri=uri.replace("//", "//anna:s3cret@"))).address == uri


def test_ipv6_needs_brackets(settings: Settings) -> None:
    for refuse in (lambda uri: pools.typed_connection(settings, uri), open_store):
        with pytest.raises(PetalscopeError, match=r"IPv6 needs brackets, so write http://\[::1\]:19530"):
            refuse("http://::1")


def test_looking_at_a_path_makes_no_store(settings: Settings) -> None:
    path = settings.artifacts / "none.db"
    with pytest.raises(StoreError, match="no Milvus Lite store at"):
        Pool().get(pools.typed_connection(settings, str(path)))
    with pytest.raises(StoreError, match="run `python -m lib prepare`"):
        Pool().get(pools.app_connection(settings))
    path.mkdir()
    with pytest.raises(QueryError, match="empty folder"):
        pools.typed_connection(settings, str(path))
    assert list(path.iterdir()) == []


def test_secrets_add_connections_and_show_no_token(settings: Settings) -> None:
    secrets = {
        "milvus": {
            "cloud": {"uri": "https://u:pass1@c.zillizcloud.com", "token": "s3cret"},
            "own": {"uri": "x"},
            "n": 3,
        }
    }
    found = pools.configured_connections(settings, secrets)
    assert list(found) == ["own", "cloud"]
    cloud = found["cloud"]
    assert (cloud.address, cloud.token, cloud.source) == ("https://c.zillizcloud.com", "s3cret", "secrets")
    for text in (repr(found), cloud.key):
        assert "s3cret" not in text
        assert "pass1" not in text
    assert pools.app_connection(settings).token == ""
    # The environment's token is for the environment's address only.
    mine = replace(settings, milvus_uri="http://h:1", milvus_token="s3cret")
    assert pools.app_connection(mine).token == "s3cret"
    assert pools.typed_connection(mine, "http://elsewhere:19530").token == ""


def test_other_credentials_are_another_connection() -> None:
    one, other = (Connection("h", "http://h:1", token) for token in ("a:bcdef", ""))
    assert one.key != other.key
    assert one.key == Connection("h", "http://h:1", "a:bcdef").key


# -- one client, reopened -------------------------------------------------------------------------------------------


def test_all_sessions_share_one_client_opened_once(settings: Settings) -> None:
    connection = pools.typed_connection(settings, str(make_store(settings.artifacts / "x.db")))
    opened: list[str] = []
    pool = Pool(lambda connection, store: opened.append(store.uri))
    with ThreadPoolExecutor(8) as threads:
        start = threading.Barrier(8)
        stores = list(threads.map(lambda i: (start.wait(), pool.get(connection))[1], range(8)))
    assert len({id(store) for store in stores}) == 1
    assert opened == [connection.uri]
    pulse = pool.pulse(connection)
    assert (pulse.engine, pulse.databases) == ("lite", ["default"])
    assert pulse.milliseconds > 0
    pool.close_all()
    assert stores[0].closed
    pool.get(connection)
    pool.close(connection)
    assert opened == [connection.uri] * 2


def test_a_dead_engine_is_opened_anew_with_what_was_loaded(settings: Settings) -> None:
    from milvus_lite.server_manager import server_manager_instance

    connection = pools.typed_connection(settings, str(make_store(settings.artifacts / "x.db")))
    pool = Pool()
    store = pool.get(connection)
    collections.ensure_loaded(store, "two")
    server_manager_instance.release_server(connection.uri)
    with pytest.raises(StoreError):
        collections.names(store)
    assert store.lost
    fresh = pool.get(connection)
    assert fresh is not store
    assert collections.count_rows(fresh, "two") == 2
    server_manager_instance.release_server(connection.uri)  # and found dead by the pulse
    assert pool.pulse(connection).version
    assert collections.count_rows(pool.get(connection), "two") == 2
    pool.close_all()


def test_what_cannot_be_prepared_after_opening_stays_closed(settings: Settings) -> None:
    connection = pools.typed_connection(settings, str(make_store(settings.artifacts / "x.db")))

    def fail(connection: Connection, store: object) -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        Pool(fail).get(connection)
    with open_store(connection.uri, wait_s=0.0) as store:  # the lock is free again
        assert collections.names(store) == ["two"]


# -- closed when nobody uses it --------------------------------------------------------------------------------------


def until_closed(store: Store) -> None:
    deadline = time.monotonic() + 20
    while not store.closed:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_connection_closes_with_its_last_session(settings: Settings) -> None:
    connection = pools.typed_connection(settings, str(make_store(settings.artifacts / "x.db")))
    pool = Pool(grace_s=0.0)
    first, second = pool.lease(connection), pool.lease(connection)
    store = pool.get(connection)
    first.release()
    first.release()  # once more changes nothing
    assert pool.get(connection) is store
    assert not store.closed
    second.release()
    until_closed(store)
    with open_store(connection.uri, wait_s=0.0) as other:  # another process could have the lock
        assert collections.names(other) == ["two"]
    third = pool.lease(connection)
    assert not pool.get(connection).closed
    pool.close(connection)
    third.release()


def test_a_page_that_is_loaded_again_keeps_the_connection(settings: Settings) -> None:
    connection = pools.typed_connection(settings, str(make_store(settings.artifacts / "x.db")))
    pool = Pool(grace_s=0.3)
    pool.lease(connection).release()
    store = pool.get(connection)
    reloaded = pool.lease(connection)
    time.sleep(0.6)
    assert not store.closed
    reloaded.release()
    until_closed(store)


def test_a_closed_store_opens_with_what_was_loaded(settings: Settings) -> None:
    connection = pools.typed_connection(settings, str(make_store(settings.artifacts / "x.db")))
    pool = Pool(grace_s=0.0)
    store = pool.get(connection)
    store.call("load_collection", "two", doing="load two")
    pool.lease(connection).release()
    until_closed(store)
    state = pool.get(connection).call("get_load_state", "two", doing="ask for the state of two")
    assert state["state"].name == "Loaded"
    pool.close_all()


def test_the_apps_own_store_stays_open(settings: Settings) -> None:
    own = replace(settings, milvus_uri=str(make_store(settings.artifacts / "x.db")))
    pool = Pool(idle_s=0.0, most=0, grace_s=0.0)
    store = pool.get(pools.app_connection(own))
    pool.lease(pools.app_connection(own)).release()
    time.sleep(0.1)
    pool.close_unused()
    assert not store.closed
    pool.close_all()


def test_a_pool_has_an_end() -> None:
    """The longest unused server goes when there are too many, and each that is idle for too long."""
    with ExitStack() as stack:
        pool = Pool(most=2, idle_s=0.3)
        stack.callback(pool.close_all)
        ports = [stack.enter_context(recorded_servers.serving())[0] for _ in range(3)]
        one, two, three = (pools.Connection(str(port), f"http://127.0.0.1:{port}") for port in ports)
        first, second = pool.get(one), pool.get(two)
        collections.names(first)  # used later than the second
        third = pool.get(three)
        assert [store.closed for store in (first, second, third)] == [False, True, False]
        deadline = time.monotonic() + 20
        while not (first.closed and third.closed):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not pool.get(one).closed


def test_many_connections_leave_no_descriptor() -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("descriptors are counted on Linux only")

    def sockets() -> int:
        count = 0
        for link in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                count += link.readlink().name.startswith("socket")
        return count

    with recorded_servers.serving() as (port, _):
        pool, counts = Pool(grace_s=0.0), []
        for attempt in range(12):  # each with another token, as of another visitor
            connection = pools.Connection("typed", f"http://127.0.0.1:{port}", f"token {attempt}")
            lease = pool.lease(connection)
            pool.get(connection)
            lease.release()
            counts.append(sockets())
        deadline = time.monotonic() + 20
        while sockets() > counts[0] + 3:  # gRPC closes its ends a moment later
            assert time.monotonic() < deadline, counts
            time.sleep(0.1)


# -- failures by their names ----------------------------------------------------------------------------------------


@contextmanager
def listening(answer: bytes = b"", context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A listener on loopback that says `answer` (nothing by default) to whoever comes, over TLS with `context`."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    stop = threading.Event()
    held: list[socket.socket] = []

    def serve() -> None:
        while not stop.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            try:
                if context is not None:
                    client = context.wrap_socket(client, server_side=True)
                if answer:
                    client.sendall(answer)
                    client.close()
            except OSError:
                pass
            held.append(client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        for client in (*held, server):
            client.close()


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    why, remedy = errors.why_silent(endpoint(f"http://127.0.0.1:{port}"), 1.0)
    assert why == f"nothing listens on port {port} of 127.0.0.1"
    assert "start Milvus" in remedy


def test_unknown_host() -> None:
    assert "no host called" in errors.why_silent(endpoint("http://no.such.host.invalid:19530"), 1.0)[0]


def test_a_listener_that_is_no_milvus(own_certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate / "cert.pem", own_certificate / "key.pem")
    with listening() as port:
        assert "did not answer as Milvus in time" in errors.why_silent(endpoint(f"http://127.0.0.1:{port}"), 0.3)[0]
    with listening(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        assert "did not answer as Milvus in time" in errors.why_silent(endpoint(f"http://127.0.0.1:{port}"), 0.3)[0]
        assert "speak TLS" in errors.why_silent(endpoint(f"https://127.0.0.1:{port}"), 0.3)[0]
    with listening(context=context) as port:
        why, remedy = errors.why_silent(endpoint(f"https://localhost:{port}"), 1.0)
        assert "not trusted: self-signed certificate" in why
        assert "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in remedy
        assert errors.why_silent(endpoint(f"http://localhost:{port}"), 1.0)[1] == "write https:// instead of http://"


def test_a_slow_server_is_told_from_a_dead_one_when_opened() -> None:
    with listening() as port:
        with pytest.raises(StoreError, match=r"No Milvus server answers at .*did not answer as Milvus in time"):
            open_store(f"http://127.0.0.1:{port}", timeout_s=0.5)


def test_what_is_certain_is_told_at_once(own_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with recorded_servers.serving(certificate=own_certificate) as (port, _):
        address = endpoint(f"https://localhost:{port}")
        found = errors.certain_failure(address, 5.0)
        assert found is not None
        assert "not trusted" in found[0]
        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(own_certificate / "cert.pem"))
        assert errors.certain_failure(address, 5.0) is None
    gone = errors.certain_failure(address, 5.0)
    assert gone == errors.why_silent(address, 5.0)
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")  # only that one can tell
    assert errors.certain_failure(address, 5.0) is None


def chain(error: BaseException | None) -> str:
    """All that a log could print of an error: its texts and those of its causes, whether shown or not."""
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return " | ".join(f"{each!r} {each} {vars(each)}" for each in found)


def test_no_failure_holds_the_token(own_certificate: Path) -> None:
    secret, token = "s3cret-w0rd", "root:s3cret-w0rd"
    with ExitStack() as stack:
        guarded, _ = stack.enter_context(recorded_servers.serving(token=recorded_servers.TOKEN))
        slow, _ = stack.enter_context(recorded_servers.serving(slow=["GetVersion"]))
        plain, open_ = stack.enter_context(recorded_servers.serving())
        secure, _ = stack.enter_context(recorded_servers.serving(certificate=own_certificate))
        mute = stack.enter_context(listening())
        for address, words in (
            (f"http://{{}}127.0.0.1:{guarded}", "refused the credentials"),
            (f"http://{{}}127.0.0.1:{slow}", "accepts connections but did not answer a call within 0.5 s"),
            (f"http://{{}}127.0.0.1:{mute}", "did not answer as Milvus in time"),
            (f"http://{{}}127.0.0.1:{secure}", "expects TLS"),
            (f"https://{{}}localhost:{secure}", "not trusted: self-signed certificate"),
            (f"https://{{}}127.0.0.1:{plain}", "does not speak TLS"),
            ("http://{}no.such.host.invalid:19530", "no host called no.such.host.invalid"),
            ("http://{}127.0.0.1:1", "nothing listens on port 1"),
            ("http://{}127.0.0.1:port", "is not a server's address"),
            ("https://{}127.0.0.1/x.db", "cannot end in .db"),
            ("ftp://{}127.0.0.1", "begins with 'ftp'"),
        ):
            for uri, given in ((address.format(""), token), (address.format(f"{token}@"), "")):
                with pytest.raises(StoreError, match=words) as caught:
                    open_store(uri, given, timeout_s=0.5)
                assert secret not in chain(caught.value), uri
        # And afterwards, when it works and then does not.
        with open_store(f"http://127.0.0.1:{plain}", token, timeout_s=0.5) as store:
            open_.slow.add("ShowCollections")
            with pytest.raises(StoreError, match=r"did not answer within 0\.5 s") as caught:
                collections.names(store)
            assert secret not in chain(caught.value) + repr(store)


def test_a_server_that_becomes_slow_holds_nobody_up() -> None:
    with recorded_servers.serving() as (port, server), open_store(f"http://127.0.0.1:{port}", timeout_s=0.3) as store:
        server.slow.add("DescribeCollection")
        server.calls.clear()
        about = inspect.inspect(store, "kinds")["collections"][0]
        assert set(server.calls) == {"ShowCollections", "DescribeCollection"}  # the others would wait as long
        told = {item["call"]: item["reason"] for item in about["unavailable"]}
        assert told["describe_collection"] == "it did not answer in time"
        assert told["list_indexes"] == inspect.NOT_CALLED
        assert store.late
        assert overview.summarise(store, "kinds") == overview.empty_summary("kinds")
        server.slow.clear()
        assert collections.names(store) == ["kinds"]
        assert not store.late
        assert overview.summarise(store, "kinds")["row_count"] == recorded_servers.ROWS


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("unexpected character '=' at column 3\n  t = 1", 2),
        ("cannot parse expression: t =, error: line 1:3 no viable alternative at input", 3),
        ("something else", None),
    ],
)
def test_where_an_engine_stopped_reading(text: str, at: int | None) -> None:
    assert errors.error_column(text) == at
