"""The app as users run it, with a log of what it computes: `python -m tests.torture.counting streamlit run …`.

Each line of the file that COUNTED names is a JSON list: `["load", version, space]` when a space was loaded, `["audit",
catalog]` when all photos were compared, `["embed", space, photos]` when a `prepare` embedded so many photos.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.data import audit
from lib.embed import extract
from lib.retrieval import search


def note(*what: object) -> None:
    """Add a line to the log: one write to a file opened for appending."""
    handle = os.open(os.environ["COUNTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, (json.dumps(what) + "\n").encode())
    finally:
        os.close(handle)


def noted(place: Path) -> list[list[Any]]:
    """The lines of a log."""
    return [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()] if place.is_file() else []


def _counted(module: Any, name: str, reported: Callable[..., tuple[object, ...]]) -> None:
    whole = getattr(module, name)

    def counted(*words: Any, **named: Any) -> Any:
        result = whole(*words, **named)
        note(*reported(*words))
        return result

    setattr(module, name, counted)


def _embedded() -> None:
    whole = extract.extract

    def counted(space: Any, *words: Any, progress: Callable[..., None], **named: Any) -> None:
        most = [0]

        def reported(done: int, total: int | None) -> None:
            most.append(total or 0)
            progress(done, total)

        whole(space, *words, progress=reported, **named)
        note("embed", space.name, max(most))

    extract.extract = counted  # type: ignore[assignment]


if __name__ == "__main__":
    from streamlit.web import cli

    _counted(search, "load_space", lambda opened, space: ("load", opened.version, space))
    _counted(audit, "audit", lambda catalog, *_: ("audit", catalog.key))
    _embedded()
    sys.argv = sys.argv[1:]
    cli.main(prog_name="streamlit")
