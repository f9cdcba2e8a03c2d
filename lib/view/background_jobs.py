"""Background jobs started from a page: one at a time for the whole app, in a thread, visible in every session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from lib.errors import Notice, PetalscopeError
from lib.measure import first_results
from lib.prepare import pipeline
from lib.progress import Reporter
from lib.settings import Settings
from lib.view import formatting, remedies


@dataclass
class BackgroundJob:
    """The job that is running or ran last. Written by one thread, read by all.

    `total` is None while it is not known; `started` and `finished` are seconds of the monotonic clock.
    """

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
        """How long the job has run so far, or took."""
        return (time.monotonic() if self.running else self.finished) - self.started


class JobRunner:
    """Runs one job at a time."""

    def __init__(self) -> None:
        self.job = BackgroundJob()
        self._lock = threading.Lock()

    def start(self, work: Callable[[Reporter], object], name: str = "") -> bool:
        """Start `work` unless a job is running; returns whether it started. `name` is for pages that show the job."""
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

        def say(message: str | Notice) -> None:
            job.notes.append(remedies.sentence(message) if isinstance(message, Notice) else message)

        try:
            work(Reporter(progress, say))
        except PetalscopeError as error:
            job.error = remedies.sentence(error)
        except Exception as error:  # whatever ended the job, the page must show that it ended
            job.error = (
                f"Unexpected error ({type(error).__name__}: {error}); run `python -m lib doctor` and start again."
            )
        finally:
            job.finished = time.monotonic()
            job.running = False


@st.cache_resource
def jobs() -> JobRunner:
    """The app's preparations and changes, shared by all sessions."""
    return JobRunner()


@st.cache_resource
def measurements() -> JobRunner:
    """Measurements, apart from `jobs`, so that an error of one is not shown for the other."""
    return JobRunner()


def start_prepare(settings: Settings, release_store: Callable[[], None], names: Sequence[str] = ()) -> bool:
    """Start `prepare` in the background, once `release_store` has closed the store.

    `names` are trained spaces to create besides the default ones. Returns False when a job is running already.
    """

    def work(reporter: Reporter) -> None:
        release_store()
        pipeline.prepare(settings, names=[*pipeline.DEFAULT_SPACES, *names], reporter=reporter)
        first_results.make(settings, reporter)

    return jobs().start(work)


def measure_on_request(
    work: Callable[[Reporter], object], name: str, reason: str, label: str, *, at_once: bool
) -> None:
    """Start a measurement, behind the button `label` with its `reason` unless `at_once`; then show its progress."""
    runner = measurements()
    if runner.job.running:
        follow(measuring=True)
        return
    if runner.job.error and runner.job.name == name:
        st.error(formatting.plain(runner.job.error), icon=":material/error:")
    elif at_once:
        runner.start(work, name)
        follow(measuring=True)
        return
    st.info(formatting.plain(reason), icon=":material/hourglass_empty:")
    if st.button(label, type="primary", icon=":material/play_arrow:", key=f"measure_{name}"):
        runner.start(work, name)
        st.rerun()


def follow_or_show_error() -> bool:
    """Live progress of the job while one runs, else the error of the last one; whether one runs."""
    job = jobs().job
    if job.running:
        follow()
        return True
    if job.error:
        st.error(formatting.plain(job.error), icon=":material/error:")
    return False


@st.fragment(run_every=0.5)
def follow(measuring: bool = False) -> None:
    """Live progress of the running job, or of the running measurement; redraws the page when it ends."""
    job = (measurements() if measuring else jobs()).job
    if not job.running:
        st.rerun(scope="app")
    if job.total:
        st.progress(min(1.0, job.done / job.total), text=f"{job.stage}: {job.done:,} of {job.total:,}")
    else:
        st.progress(0.0, text=f"{job.stage or 'starting'} …")
    st.caption(f"{job.seconds:.0f} s · continues if you leave this page; visible to everyone using this app")
    for note in job.notes:
        st.info(formatting.plain(note))
