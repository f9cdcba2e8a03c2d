"""Long work started from a page: one at a time for the whole app, in a thread, seen by every session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from lib.errors import PetalscopeError
from lib.prepare import pipeline
from lib.progress import Reporter
from lib.settings import Settings
from lib.view import formatting, remedies


@dataclass
class BackgroundJob:
    """What is running or ran last. Written by one thread, read by all."""

    running: bool = False
    name: str = ""
    stage: str = ""
    done: int = 0
    total: int | None = None
    started: float = 0.0
    finished: float = 0.0
    error: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it has run, or took."""
        return (time.monotonic() if self.running else self.finished) - self.started


class JobRunner:
    """The one place where long work runs."""

    def __init__(self) -> None:
        self.job = BackgroundJob()
        self._lock = threading.Lock()

    def start(self, work: Callable[[Reporter], object], name: str = "") -> bool:
        """Begin `work` unless something runs already; returns whether it began. `name` tells whose an error is."""
        with self._lock:
            if self.job.running:
                return False
            self.job = BackgroundJob(running=True, name=name, started=time.monotonic())
        threading.Thread(target=self._run, args=(self.job, work), daemon=True, name="petalscope-job").start()
        return True

    @staticmethod
    def _run(job: BackgroundJob, work: Callable[[Reporter], object]) -> None:
        def progress(stage: str, done: int, total: int | None) -> None:
            job.stage, job.done, job.total = stage, done, total

        try:
            work(Reporter(progress, job.notes.append))
        except PetalscopeError as error:
            job.error = remedies.sentence(error)
        except Exception as error:  # a page must say that the work ended, whatever ended it
            job.error = (
                f"Something unexpected went wrong ({type(error).__name__}: {error}); see `python -m lib doctor`."
            )
        finally:
            job.finished = time.monotonic()
            job.running = False


@st.cache_resource
def jobs() -> JobRunner:
    """The app's jobs, shared by all sessions."""
    return JobRunner()


@st.cache_resource
def measurements() -> JobRunner:
    """Measurements that pages ask for, apart from `jobs`, so that one may fail without the other seeming to."""
    return JobRunner()


def start_prepare(settings: Settings, release_store: Callable[[], None], names: Sequence[str] = ()) -> bool:
    """Run `prepare` in the background, after letting go of the store; `names` are spaces beside the ones that need no
    training. False when something runs already."""

    def work(reporter: Reporter) -> None:
        release_store()
        pipeline.prepare(settings, names=[*pipeline.DEFAULT_SPACES, *names], reporter=reporter)

    return jobs().start(work)


@st.fragment(run_every=0.5)
def follow(measuring: bool = False) -> None:
    """Live progress of the running job, or of the running measurement; refreshes the whole page once when it ends."""
    job = (measurements() if measuring else jobs()).job
    if not job.running:
        st.rerun(scope="app")
    if job.total:
        st.progress(min(1.0, job.done / job.total), text=f"{job.stage}: {job.done:,} of {job.total:,}")
    else:
        st.progress(0.0, text=f"{job.stage or 'starting'} …")
    st.caption(f"{job.seconds:.0f} s · runs on if you leave this page; every session sees it")
    for note in job.notes:
        st.info(formatting.plain(note))
