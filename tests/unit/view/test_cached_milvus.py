"""lib.view.cached_milvus: what tells cached reads apart, and that no credentials are among it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from lib.store import collections
from lib.store.pool import Connection, Pulse
from lib.view import cached, cached_milvus
from lib.view.cached_milvus import MilvusContext

TOKEN = "root:s3cret"
SERVER = Connection("shop", "http://127.0.0.1:9", TOKEN)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A pool without clients that counts how often one is requested."""
    fake = SimpleNamespace(generation=0, requests=0)

    def get(connection: Connection) -> None:
        fake.requests += 1

    fake.get = get
    monkeypatch.setattr(cached, "pool", lambda: fake)
    monkeypatch.setattr(collections, "names", lambda store: ["a"])
    cached_milvus.collection_names.clear()
    yield fake
    cached_milvus.collection_names.clear()


def test_equal_connections_share_a_read(pool: SimpleNamespace) -> None:
    assert (
        cached_milvus.collection_names(SERVER)
        == cached_milvus.collection_names(Connection("shop", SERVER.uri, TOKEN))
        == ["a"]
    )
    assert pool.requests == 1


def test_another_token_is_another_read(pool: SimpleNamespace) -> None:
    cached_milvus.collection_names(SERVER)
    cached_milvus.collection_names(Connection("shop", SERVER.uri, "root:other"))
    assert pool.requests == 2


def test_a_read_is_forgotten_when_all_clients_were_closed(pool: SimpleNamespace) -> None:
    cached_milvus.collection_names(SERVER)
    pool.generation += 1
    cached_milvus.collection_names(SERVER)
    assert pool.requests == 2


def test_no_token_is_in_a_key_or_a_repr(pool: SimpleNamespace) -> None:
    context = MilvusContext(SERVER, Pulse(1.0, "2.6", "server", []), ("a",), "a", None)
    for text in (context.key, repr(context), str(context)):
        assert "s3cret" not in text
