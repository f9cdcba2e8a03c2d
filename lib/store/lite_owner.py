"""The owner of a Milvus Lite store: a note beside the store, `<path>.owner.json`, for processes that find it locked."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lib import artifacts


def _owner_file(path: Path) -> Path:
    return path.with_name(path.name + ".owner.json")


def write_owner(path: Path, role: str) -> None:
    """Record this process as the owner of the store at `path`: process id, host, start and role."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "role": role, "since": since, "host": socket.gethostname()}
    with suppress(OSError):  # only a note; Lite holds the lock itself
        _owner_file(path).write_text(json.dumps(owner), encoding="utf-8")


def forget_owner(path: Path) -> None:
    """Remove the note of the store at `path`."""
    with suppress(OSError):
        _owner_file(path).unlink()


def owner_text(path: Path) -> str:
    """One clause: which process owns the store at `path`."""
    owner = "another process"
    try:
        note = json.loads(artifacts.read_text(_owner_file(path)))
        pid, host = int(note["pid"]), str(note["host"])
        if host != socket.gethostname():
            owner = f"{note['role']} (process {pid} on {host}, since {note['since']})"
        elif _is_alive(pid):
            owner = f"{note['role']} (process {pid}, since {note['since']})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return f"The Milvus Lite store {path} is in use by {owner}, and only one process can own it"


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would be Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
