"""A session as a browser has one, without the browser: Streamlit's own messages over a websocket."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

EVENTS = ("picked", "drawn", "clicked", "hovered", "pasted", "inview", "why")
PAGES = ("", "Training_Regimes", "Embedding_Map", "Retrieval", "Milvus_Collection")


@dataclass
class Seen:
    """What one run of a page drew: galleries by title, buttons' ids by label, words, HTML, the ids of our own
    components, and what went wrong."""

    buttons: dict[str, str] = field(default_factory=dict)
    galleries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Session:
    """One visitor."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.id = ""
        self.kept: dict[str, ForwardMsg] = {}

    def visit(self, page: str, press: str = "", events: dict[str, Any] | None = None, **parameters: str) -> Seen:
        """Open a page by a link, or press a button on it by its id; returns what it drew when its script has run.

        `events` is what a browser says that components on the page are (by id) and that happened in them.
        """
        message = BackMsg()
        for name, value in (events or {}).items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.json_value = name, json.dumps(value)
            events = message.rerun_script.widget_states.widgets.add()
            events.id = f"$$STREAMLIT_INTERNAL_KEY_{name}__events"
            events.json_trigger_value = json.dumps([{"event": event, "value": value} for event in EVENTS])
        if press:
            pressed = message.rerun_script.widget_states.widgets.add()
            pressed.id, pressed.trigger_value = press, True
        message.rerun_script.query_string = urlencode(parameters)
        message.rerun_script.page_name = page
        self.socket.send(message.SerializeToString())
        seen, begun = Seen(), False
        while True:
            got = ForwardMsg()
            got.ParseFromString(self.socket.recv(timeout=120))  # type: ignore[arg-type]
            kind = got.WhichOneof("type")
            if kind == "ref_hash":  # drawn before, and kept by the browser
                got = self.kept[got.ref_hash]
                kind = got.WhichOneof("type")
            elif got.hash:
                self.kept[got.hash] = got
            if kind == "new_session":
                self.id = got.new_session.initialize.session_id or self.id
                seen, begun = Seen(), True
            elif kind == "delta" and begun:
                self._note(seen, got.delta)
            elif kind == "script_finished" and begun:
                if got.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return seen
                if got.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    seen.exceptions.append("compile error")
                    return seen

    @staticmethod
    def _note(seen: Seen, delta: Any) -> None:
        element = delta.new_element
        match element.WhichOneof("type"):
            case "exception":
                seen.exceptions.append(f"{element.exception.type}: {element.exception.message}")
            case "alert" if element.alert.format == element.alert.ERROR:
                seen.errors.append(element.alert.body)
            case "button":
                seen.buttons[element.button.label] = element.button.id
            case "markdown":
                seen.words.append(element.markdown.body)
            case "html":
                seen.html.append(element.html.body)
            case "bidi_component":
                proto = element.bidi_component
                seen.components.append(proto.id)
                data = json.loads(proto.mixed.json if proto.HasField("mixed") else proto.json or "null")
                if isinstance(data, dict) and "items" in data:
                    seen.galleries[data["title"]] = data["items"]
            case _:
                pass


@contextmanager
def session(address: str) -> Iterator[Session]:
    """A visitor who comes and goes."""
    where = address.replace("http://", "ws://") + "/_stcore/stream"
    with connect(where, subprotocols=["streamlit"], max_size=None, open_timeout=60, close_timeout=5) as socket:  # type: ignore[list-item]
        yield Session(socket)


@dataclass(frozen=True)
class Level:
    """What a process takes: memory in MB, threads, open sockets, and all that it has open."""

    memory: float
    threads: int
    sockets: int
    files: int

    def __str__(self) -> str:
        return f"{self.memory:.0f} MB {self.threads} threads {self.sockets} sockets {self.files} files"


def process_of(address: str) -> int:
    """The process that serves an address: the one that was started with its port."""
    port = address.rpartition(":")[2].encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended in the meantime
            continue
        if b"streamlit" in words and port in words:
            return int(folder.name)
    raise AssertionError(f"nobody serves {address}")


def level(pid: int) -> Level:
    """Of a running process, from /proc."""
    status = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    open_things = []
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            open_things.append(str(handle.readlink()))
        except OSError:  # closed in the meantime
            continue
    sockets = sum(each.startswith("socket:") for each in open_things)
    return Level(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), sockets, len(open_things))


def grace() -> float:
    """For how many seconds Streamlit keeps a session that has ended, should it return."""
    from streamlit.runtime.memory_session_storage import MemorySessionStorage

    return float(inspect.signature(MemorySessionStorage).parameters["ttl_seconds"].default)
