"""Spaces of vectors from elsewhere, made from a page: the job, its progress, and what it found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from lib.errors import PetalscopeError
from lib.measure import first_results
from lib.prepare import import_report, imports
from lib.prepare.imports import Source
from lib.progress import Reporter
from lib.view import background_jobs, cached, inputs, page_frame
from lib.view.formatting import plain

_JOB = "own vectors: "
RUNNING = "A job is running; its progress stands under Status."
BUSY = "Another job is running; try again when it has ended."
NAME = "Name of the space"
NAME_HELP = "Small letters, digits, - and _. A name that has vectors from elsewhere already gets the new ones."


def name_field(key: str) -> str:
    """The field for the name of a space."""
    return inputs.line(NAME, key=key, placeholder="clip", help=NAME_HELP).strip()


def start(name: str, source_in: Callable[[Path, Reporter], Source]) -> None:
    """Make a space of a source in the background; `source_in` puts its files into a temporary folder.

    What is wrong with the name is shown at once, the rest by `follow`.
    """
    settings = cached.current_settings()
    try:
        imports.check_name(settings, name)
    except PetalscopeError as error:
        page_frame.show_error(error)
        return

    def work(reporter: Reporter) -> None:
        with tempfile.TemporaryDirectory(prefix="petalscope-") as folder:
            source = source_in(Path(folder), reporter)
            cached.release_store()
            found = imports.add(settings, name, source, reporter)
        first_results.make(settings, reporter)
        for sentence in import_report.sentences(found):
            reporter.say(f"{sentence[0].upper()}{sentence[1:]}.")

    if not background_jobs.jobs().start(work, name=f"{_JOB}{name}"):
        st.toast(BUSY)
        return
    st.rerun()


def has_news() -> bool:
    """Whether a job runs, or the last one was one of these."""
    job = background_jobs.jobs().job
    return job.running or job.name.startswith(_JOB)


def follow(*, has_status: bool = False) -> bool:
    """The progress of a job, or what the last one of these said; whether one is running. Where the page `has_status`,
    progress and error stand there, and not twice."""
    job = background_jobs.jobs().job
    if job.running:
        if has_status:
            st.caption(RUNNING)
        else:
            background_jobs.follow()
        return True
    if job.name.startswith(_JOB):
        if job.error and not has_status:
            st.error(plain(job.error), icon=":material/error:")
        for note in job.notes:
            st.info(plain(note), icon=":material/info:")
    return False
