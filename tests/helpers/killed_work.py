"""Long work in processes that are killed at a chosen moment; started and controlled by `KilledWork`.

`python -m tests.helpers.killed_work` reads one JSON object per line from stdin: the work, its settings, and when to
die. A step is a change of the disk (Python's audit hooks report every file opened for writing, renamed or removed, and
every new folder) or a move of a progress bar. With `die_at` the process kills itself before that step, as a power cut
would; with `die_in`, a place in the work, steps count from there. With `die_after` it is killed that many seconds after
it came to `die_in`, whatever it is doing. Each piece of work is a fork of this process, which has imported the slow
libraries once but started none of their threads. The reply is `{"places": …, "switch": …, "times": …, "signal": …,
"error": …}`: the place of every step, the number of the step that renames the state file, and how long after the start
each place was first reached.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.errors import PetalscopeError
from lib.progress import Reporter
from lib.settings import PROJECT, Settings

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

# What the stages of the work are called here.
PLACES = {"read": "catalog", "embed": "vectors", "neighbours": "neighbours", "map": "map", "store": "store"}


class Steps:
    """Counts the steps of the work by place, and kills the process before the chosen one."""

    def __init__(self, task: dict[str, Any], send: Callable[[bytes], None]) -> None:
        self.places: list[str] = []
        self.times: dict[str, float] = {}
        self.place = "start"
        self.switch = 0  # from the step after this one on, the new results are the ones in use
        self.die_at: int | None = task.get("die_at")
        self.die_in: str | None = task.get("die_in")
        self.send = send
        self.began = time.monotonic()

    def step(self, *_: object) -> None:
        if self.place not in self.times:
            self.times[self.place] = time.monotonic() - self.began
            if self.place == self.die_in and self.die_at is None:
                self.send(b"\n")
        self.places.append(self.place)
        count = len(self.places) if self.die_in is None else self.places.count(self.place)
        if self.die_in in {None, self.place} and count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def progress(self, stage: str, *_: object) -> None:
        first = stage.split(" ", maxsplit=1)[0].rstrip(",")
        self.place = PLACES.get(first, stage.rpartition(", ")[2])
        self.step()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if writes or event in CHANGES:
            # From the moment on that the state file is written, everything else is there.
            if any(str(argument).endswith("-state.json") for argument in arguments):
                self.place = "switch"
            if event == "os.rename" and str(arguments[1]).endswith("state.json"):
                self.switch = len(self.places) + 1
            self.step()


def _prepare(settings: Settings, task: dict[str, Any], steps: Steps) -> None:
    from lib.prepare import pipeline

    pipeline.prepare(settings, reporter=Reporter(progress=steps.progress))


def _page_prepare(settings: Settings, task: dict[str, Any], steps: Steps) -> None:
    """As the button on a page does it: in a thread of the app."""
    from lib.view import background_jobs

    class CountedJob(background_jobs.BackgroundJob):
        def __setattr__(self, name: str, value: object) -> None:
            object.__setattr__(self, name, value)
            if name == "done":
                steps.progress(self.stage)

    background_jobs.BackgroundJob = CountedJob  # type: ignore[misc]
    assert background_jobs.start_prepare(settings, lambda: None)
    while background_jobs.jobs().job.running:
        time.sleep(0.01)
    if background_jobs.jobs().job.error:
        raise PetalscopeError(background_jobs.jobs().job.error)


def _map(settings: Settings, task: dict[str, Any], steps: Steps) -> None:
    from lib.embed.projection import MapParameters
    from lib.prepare import pipeline

    pipeline.make_map(settings, "resnet18", MapParameters(n_neighbors=5), Reporter(progress=steps.progress))


def _train(settings: Settings, task: dict[str, Any], steps: Steps) -> None:
    import torch

    from lib.learn import run_all
    from lib.prepare import pipeline
    from tests.helpers import quick_trainings

    torch.set_num_threads(1)
    photos = pipeline.catalog(settings, reporter=Reporter(progress=steps.progress))
    planned = quick_trainings.plan(photos, str(settings.weights), [task["regime"]])
    run_all.train(
        settings, planned, resume=task["resume"], on_progress=lambda stage, done, total: steps.progress(stage)
    )


def _add_space(settings: Settings, task: dict[str, Any], steps: Steps) -> None:
    from lib.prepare import imports

    imports.add(settings, "own", imports.Source(Path(task["file"])), Reporter(progress=steps.progress))


def _remove_space(settings: Settings, task: dict[str, Any], steps: Steps) -> None:
    from lib.prepare import imports

    imports.remove(settings, "own", Reporter(progress=steps.progress))


def jumping_clock(seed: int) -> None:
    """From now on the time of day is somewhere within ten years of the truth, and elsewhere at every look.

    Not for gRPC, which hands deadlines by the time of day to its C core: that looks at the machine's clock, which is
    left alone here, and would wait for years. (When the machine's own clock jumps, both see the same.)
    """
    import random

    noise, real = random.Random(seed), time.time

    def jumped() -> float:
        asks = sys._getframe(1).f_globals.get("__name__", "")
        return real() if asks.startswith("grpc") else real() + noise.uniform(-3e8, 3e8)

    time.time = jumped
    time.time_ns = lambda: int(jumped() * 1e9)


WORK = {"prepare": _prepare, "page prepare": _page_prepare, "map": _map, "train": _train}
WORK |= {"add space": _add_space, "remove space": _remove_space}


def _child(task: dict[str, Any], output: int) -> None:
    steps, error = Steps(task, lambda mark: void(os.write(output, mark))), ""
    sys.addaudithook(steps.audit)
    settings = Settings(
        **{**task["settings"], **{name: Path(task["settings"][name]) for name in ("data", "artifacts")}}
    )
    if "clock" in task:
        jumping_clock(task["clock"])
    try:
        WORK[task["work"]](settings, task, steps)
    except PetalscopeError as refused:
        error = str(refused)
    reply = {
        "places": steps.places,
        "switch": steps.switch,
        "times": steps.times,
        "seconds": time.monotonic() - steps.began,
        "error": error,
    }
    with os.fdopen(os.dup(output), "wb") as pipe:
        pipe.write(json.dumps(reply).encode())


def void(_: object) -> None:
    """Throw a value away where a statement cannot stand."""


def _watch(pid: int, reading: int, task: dict[str, Any]) -> bytes:
    """The output of the child until it ends; it is killed when its time has come."""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        if "die_after" in task:
            first = pipe.read(1)
            if first == b"\n" and not select.select([pipe], [], [], task["die_after"])[0]:
                os.kill(pid, signal.SIGKILL)
            return (first or b"").strip() + pipe.readall()
        return pipe.readall()


def main() -> None:
    """Work until stdin ends."""
    import faiss  # noqa: F401
    import pymilvus  # noqa: F401
    import torchvision  # noqa: F401
    import umap  # noqa: F401
    from milvus_lite import server_manager  # noqa: F401

    import lib.view.background_jobs  # noqa: F401

    for line in sys.stdin:
        task = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                _child(task, writing)
            finally:
                os._exit(0)
        os.close(writing)
        reply = _watch(pid, reading, task)
        _, status = os.waitpid(pid, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        try:
            result = json.loads(reply) if not ended else {"places": [], "times": {}, "error": ""}
        except ValueError:
            result = {"places": [], "times": {}, "error": "no reply"}
        print(json.dumps({**result, "signal": ended}), flush=True)


class KilledWork:
    """The process that does the work, and whose forks die."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, work: str, settings: Settings, *, may_refuse: bool = False, **task: Any) -> dict[str, Any]:
        """Do the work, or begin it and be killed; returns the reply (see the module).

        An error of the work fails the test, unless `may_refuse`.
        """
        named = {
            "data": str(settings.data),
            "artifacts": str(settings.artifacts),
            "weights": settings.weights,
            "seed": settings.seed,
            "offline": True,
        }
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps({"work": work, "settings": named, **task}), file=self.process.stdin, flush=True)
        reply: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert reply["error"] == "" or may_refuse, reply["error"]
        return reply


@contextmanager
def killed_work() -> Iterator[KilledWork]:
    """A process that does work, and is killed, many times."""
    # One thread, so that the forks do not inherit locks of threads that they do not have; and no compiler, which would
    # take ten times as long as the maps of ten photos.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.helpers.killed_work"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield KilledWork(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


if __name__ == "__main__":
    main()
