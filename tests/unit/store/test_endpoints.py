"""No visitor makes this process call a link-local network or a cloud's service with secrets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lib.errors import StoreError
from lib.settings import PROJECT, Settings
from lib.store import connection, endpoints, pool
from lib.store.connection import open_store
from tests.helpers import recorded_servers

# A name in TLS is verified by gRPC, which reads its root certificates once in a process.
OPEN = "import sys; from lib.store.connection import open_store; print(open_store(sys.argv[1], guarded=True).version)"
SECRETS = "169.254.169.254"
SOUND = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "2001:4860:4860::8888", "fd00::2"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(artifacts=tmp_path)


@pytest.mark.parametrize(
    "ip",
    [
        SECRETS, "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200",
        "192.0.0.192", "168.63.129.16", "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::1", "2001:db8::5efe:169.254.169.254",
        "64:ff9b::100.100.100.200", "::ffff:0:169.254.1.1", "no address",
    ],
)  # fmt: skip
def test_an_address_with_secrets_is_refused(ip: str) -> None:
    assert endpoints.is_refused(ip)


@pytest.mark.parametrize("ip", SOUND)
def test_other_addresses_are_not_refused(ip: str) -> None:
    assert not endpoints.is_refused(ip)
    assert not endpoints.is_refused(f"::ffff:{ip}" if "." in ip else ip)


Resolver = Callable[..., list[tuple[Any, ...]]]


def resolving(*ips: str) -> Resolver:
    """A resolver for which every name stands for `ips`."""

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    return resolve


@contextmanager
def no_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def connect(*_: Any, **__: Any) -> None:
        raise AssertionError("a refused address is connected to")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "create_connection", connect)
        yield


# Digits, stops and letters that resolvers read as ASCII, characters that they drop, and other spellings of numbers.
SPELLINGS = [
    SECRETS, "１６９.254.169.254", "169。254。169。254", "①⑥⑨.254.169.254", "169.254.169\u200b.254",
    "169.254.169.2\u00ad54", "0xA9FEA9FE", "169.16689662", "2852039166", "[fe80::1]", "[::ffff:169.254.0.1]",
    "[2002:a9fe:a9fe::]",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_leads_around_the_check(settings: Settings, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with no_connection(monkeypatch):
        with pytest.raises(StoreError) as caught:
            pool.Pool().get(pool.typed_connection(settings, f"http://{host}:80/latest"))
    assert str(caught.value) in (
        endpoints.REFUSED,
        # Where the system's resolver does not read a spelling, nothing is there to connect to.
        f"There is no host called {endpoints.endpoint(f'http://{host}').host}: correct the address, or check the "
        "network.",
    )
    if host.isascii():
        assert str(caught.value) == endpoints.REFUSED


def test_every_address_of_a_name_is_checked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving("10.0.0.1", SECRETS))
    with no_connection(monkeypatch), pytest.raises(StoreError, match="link-local") as caught:
        pool.Pool().get(pool.typed_connection(settings, "http://petals.example.org:19530"))
    assert str(caught.value) == endpoints.REFUSED  # the same sentence for an open port, a closed one, and a firewall


def test_the_checked_address_is_the_one_connected_to(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that changes its answer afterwards changes nothing."""
    answers = [resolving("127.0.0.1"), resolving(SECRETS)]
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "petals.example.org":
            return real(host, *args, **kwargs)
        return answers.pop(0)(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with recorded_servers.serving() as (port, _):
        pools = pool.Pool()
        store = pools.get(pool.typed_connection(settings, f"http://petals.example.org:{port}"))
        assert store.uri == f"http://petals.example.org:{port}"
        assert len(answers) == 1
        pools.close_all()


def test_tls_verifies_the_name_and_not_the_address(own_certificate: Path) -> None:
    environment = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(own_certificate / "cert.pem")}
    with recorded_servers.serving(certificate=own_certificate) as (port, _):
        command = [sys.executable, "-c", OPEN, f"https://localhost:{port}"]
        done = subprocess.run(
            command, check=False, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == recorded_servers.VERSION, done.stderr
        with pytest.raises(StoreError, match="not trusted"):
            open_store(f"https://localhost:{port}", guarded=True, timeout_s=1)


def test_a_server_of_the_settings_is_not_guarded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.store.endpoints.resolved", lambda _: pytest.fail("resolved"))
    with recorded_servers.serving() as (port, _), open_store(f"http://127.0.0.1:{port}") as store:
        assert store.engine == "server"


def test_an_ipv6_server_answers() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with recorded_servers.serving(host="[::1]") as (port, _):
        for guarded in (False, True):
            with open_store(f"http://[::1]:{port}", guarded=guarded) as store:
                assert store.version == recorded_servers.VERSION


def test_a_reply_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    key = next(key for key in connection._SERVER_OPTIONS if "max_receive" in str(key))
    monkeypatch.setitem(connection._SERVER_OPTIONS, key, 1000)
    with recorded_servers.serving() as (port, _), open_store(f"http://127.0.0.1:{port}", timeout_s=3) as store:
        with pytest.raises(StoreError, match="larger than max"):
            store.call("query", "kinds", filter="key > 3", output_fields=["plain"], doing="read rows", limit=40)
