"""lib.view.server_gate: what a visitor can make the server keep before a page has let the visitor in, and after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from lib.view import server_gate
from lib.view.server_gate import Gate

ADMITTED, STRANGER = "admitted", "stranger"


class App:
    """An ASGI application that keeps what it is sent: bytes of bodies, and open connections."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}
        self.paths: list[str] = []
        self.numbers: list[str] = []
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            self.numbers += [value.decode() for name, value in scope["headers"] if name == server_gate.HEADER.encode()]
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        self.paths.append(scope["path"])
        session = scope["path"].split("/")[-2]
        while True:
            message = await receive()
            self.read[session] = self.read.get(session, 0) + len(message["body"])
            if not message["more_body"]:
                break
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def admission(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = server_gate._Admission()
    monkeypatch.setattr(server_gate, "_ADMITTED", {ADMITTED: kept, "other": kept})
    monkeypatch.setattr(Gate, "strangers", {})
    monkeypatch.setattr(Gate, "is_installed", Gate.is_installed)
    yield


async def request(gate: Gate, path: str, method: str = "PUT", size: int | None = 5) -> int:
    """The status of a request with a body of that many bytes, said in advance unless None."""
    statuses: list[int] = []
    headers = [] if size is None else [(b"content-length", str(size).encode())]

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * min(size or 0, 5), "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    await gate({"type": "http", "path": path, "method": method, "headers": headers}, receive, send)
    return statuses[0]


def upload(session: str, base: str = "") -> str:
    return f"{base}/_stcore/upload_file/{session}/a-file"


@pytest.mark.parametrize("base", ["", "/petals", "/a/b"])
def test_nothing_is_read_of_a_strangers_upload(admission: None, base: str) -> None:
    async def play() -> None:
        app = App()
        app.go_on.set()
        gate = Gate(app, dict)
        assert await request(gate, upload(STRANGER, base)) == 403
        assert await request(gate, upload(STRANGER, base) + "/") == 403
        assert app.read == {}
        assert await request(gate, upload(ADMITTED, base)) == 204
        assert app.read == {ADMITTED: 5}
        assert await request(gate, upload(ADMITTED, base), size=None) == 411
        assert await request(gate, f"{base}/_stcore/metrics", "GET") == 404
        assert await request(gate, f"{base}/_stcore/metrics/", "GET") == 404
        assert await request(gate, f"{base}/_stcore/health", "GET") == 204  # to the app
        assert len(app.paths) == 2

    asyncio.run(play())


def test_uploads_have_a_limit_for_a_session_and_for_all(admission: None) -> None:
    async def play() -> None:
        app, kept = App(), {ADMITTED: 100_000_000}
        gate = Gate(app, lambda: kept)
        assert await request(gate, upload(ADMITTED), size=50_000_001) == 413
        under_way = asyncio.ensure_future(request(gate, upload(ADMITTED), size=40_000_000))
        await asyncio.sleep(0)
        assert await request(gate, upload(ADMITTED), size=10_000_001) == 413  # one still arrives
        app.go_on.set()
        assert await under_way == 204
        assert await request(gate, upload(ADMITTED), size=40_000_000) == 204  # that one was not kept
        kept["somebody"] = server_gate.MOST_IN_TOTAL - 100_000_000
        assert await request(gate, upload("other"), size=1) == 413
        kept.clear()
        assert await request(gate, upload("other"), size=1) == 204

    asyncio.run(play())


def test_strangers_hold_few_connections_and_keep_nobody_out(admission: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_gate, "MOST_STRANGERS", 2)

    async def play() -> None:
        app, closed = App(), []
        gate = Gate(app, dict)

        async def connect(name: str) -> None:
            async def wait() -> Any:
                await asyncio.sleep(60)

            async def send(message: Any) -> None:
                closed.append((name, message["type"], message["code"]))

            headers = [(server_gate.HEADER.encode(), b"0"), (b"host", b"x")]  # a client cannot choose its number
            await gate({"type": "websocket", "path": "/_stcore/stream", "headers": headers}, wait, send)

        tasks = {}
        for name in ("admitted", "first", "second"):
            tasks[name] = asyncio.ensure_future(connect(name))
            await asyncio.sleep(0.01)
            if name == "admitted":
                Gate.strangers.pop(app.numbers[0])  # as `admit` does
        assert app.numbers == ["0", "1", "2"]
        assert closed == []
        tasks["third"] = asyncio.ensure_future(connect("third"))
        await asyncio.wait_for(tasks["first"], 5)
        assert closed == [("first", "websocket.close", 1013)]
        assert not any(tasks[name].done() for name in ("admitted", "second", "third"))
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert Gate.strangers == {}

    asyncio.run(play())
