"""Who owns a Milvus Lite store: a note beside it, `<path>.owner.json`, for those who find it taken."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path


def _owner_file(path: Path) -> Path:
    return path.with_name(path.name + ".owner.json")


def write_owner(path: Path, role: str) -> None:
    """Put our name on the store at `path`: process, host, since when, and as what."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "role": role, "since": since, "host": socket.gethostname()}
    with suppress(OSError):  # a note for others; the lock itself is Lite's
        _owner_file(path).write_text(json.dumps(owner), encoding="utf-8")


def forget_owner(path: Path) -> None:
    """Take our name off the store at `path`."""
    with suppress(OSError):
        _owner_file(path).unlink()


def owner_text(path: Path) -> str:
    """One sentence: who has the store at `path`, and the two ways out."""
    who = "another process"
    try:
        owner = json.loads(_owner_file(path).read_text(encoding="utf-8"))
        pid, host = int(owner["pid"]), str(owner["host"])
        if host != socket.gethostname():
            who = f"{owner['role']} (process {pid} on {host}, since {owner['since']})"
        elif _is_alive(pid):
            who = f"{owner['role']} (process {pid}, since {owner['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return (
        f"The Milvus Lite store {path} is in use by {who}, and only one process can own it: stop that process (the "
        "app, if it is running), or give --milvus-uri a server."
    )


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
