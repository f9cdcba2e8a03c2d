"""`prepare` in processes that kill themselves at a chosen step, for tests/unit/prepare/test_pipeline.py.

Reads one JSON object per line from stdin: the settings, and `die_at`, a number of steps or null. A step is a change of
the disk (Python's audit hooks report every file opened for writing, renamed or removed, and every new folder) or a move
of a progress bar. Writes `{"steps": …, "switch": …, "signal": …, "error": …}` per line.

Each run is a fork of this process, which has imported the slow libraries once but started none of their threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from lib.errors import PetalscopeError
from lib.prepare import pipeline
from lib.progress import Reporter
from lib.settings import Settings

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """Counts steps, and kills the process before step `die_at`, as a power cut would."""

    def __init__(self, die_at: int | None) -> None:
        self.count = 0
        self.switch = 0  # the step that renames the state file: from then on the new results are the ones in use
        self.die_at = die_at

    def step(self, *_: object) -> None:
        self.count += 1
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if writes or event in CHANGES:
            if event == "os.rename" and str(arguments[1]).endswith("state.json"):
                self.switch = self.count + 1
            self.step()


def child(task: dict[str, Any], output: int) -> None:
    steps, error = Steps(task["die_at"]), ""
    sys.addaudithook(steps.audit)
    settings = Settings(
        data=Path(task["data"]),
        artifacts=Path(task["artifacts"]),
        weights=task["weights"],
        seed=task["seed"],
        offline=True,
    )
    try:
        pipeline.prepare(settings, reporter=Reporter(progress=steps.step))
    except PetalscopeError as refused:
        error = str(refused)
    os.write(output, json.dumps({"steps": steps.count, "switch": steps.switch, "error": error}).encode())


def main() -> None:
    import faiss  # noqa: F401
    import pymilvus  # noqa: F401
    import torchvision  # noqa: F401
    from milvus_lite import server_manager  # noqa: F401

    for line in sys.stdin:
        task = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                child(task, writing)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            reply = pipe.read()
        _, status = os.waitpid(pid, 0)
        killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        result = json.loads(reply) if reply else {"steps": 0, "error": "" if killed_by else "no reply"}
        print(json.dumps({**result, "signal": killed_by}), flush=True)


if __name__ == "__main__":
    main()
