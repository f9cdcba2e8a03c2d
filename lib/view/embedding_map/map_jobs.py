"""Maps with parameters that the user chose, computed in a process apart: it can be stopped, and pages stay quick.

One at a time for the whole app; every session sees it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import streamlit as st

from lib.embed.projection import MapParameters
from lib.settings import PROJECT, Settings
from lib.text import counted
from lib.view import remedies

# How much of the process's output is kept, in bytes: enough for its last sentence.
_OUTPUT_KEPT = 4_000
_ERROR_PREFIX = "petalscope: "


@dataclass
class MapJob:
    """The map that is being computed, or the last one. Written by one thread, read by all sessions.

    `done` and `total` count epochs of UMAP; `total` is 0 before the first one.
    """

    space: str
    parameters: MapParameters
    process: subprocess.Popen[bytes]
    started: float
    done: int = 0
    total: int = 0
    stopped: bool = False
    error: str = ""
    running: bool = True


class MapJobs:
    """Starts and stops the computation of maps, one at a time."""

    def __init__(self) -> None:
        self.job: MapJob | None = None
        self._lock = threading.Lock()

    def start(self, settings: Settings, space: str, parameters: MapParameters) -> bool:
        """Start to compute a map, unless another one is being computed; returns whether it started."""
        with self._lock:
            if self.job is not None and self.job.running:
                return False
            command = [sys.executable, "-m", "lib", "map", "--space", space, "--json", *settings.options()]
            command += parameters.options()
            process = subprocess.Popen(
                command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            self.job = MapJob(space, parameters, process, time.monotonic())
        threading.Thread(target=_watch, args=(self.job,), daemon=True, name="petalscope-map").start()
        return True

    def stop(self) -> None:
        """Stop the map that is being computed; it leaves nothing behind."""
        if self.job is not None and self.job.running:
            self.job.stopped = True
            self.job.process.terminate()


def _watch(job: MapJob) -> None:
    """Update `job` from what its process prints, until the process ends."""
    output = b""
    with job.process as process:
        assert process.stderr is not None
        while piece := os.read(process.stderr.fileno(), 4096):
            output = (output + piece)[-_OUTPUT_KEPT:]
            counts = re.findall(rb"(?<!\d)(\d+)/(\d+)", output)
            if counts:
                job.done, job.total = int(counts[-1][0]), int(counts[-1][1])
    if process.returncode and not job.stopped:
        job.error = _last_error(output) or exit_error(process.returncode)
    job.running = False


def exit_error(status: int) -> str:
    """The error when the process exits with a status and without a sentence: it was killed, most likely."""
    return f"The process that computes the map exited with status {status}; start it again."


def _last_error(output: bytes) -> str:
    """The last sentence of an error in the output; "" for none, and half a progress bar is none."""
    lines = output.decode(errors="replace").replace("\r", "\n").splitlines()
    sentences = [line.removeprefix(_ERROR_PREFIX) for line in lines if line.startswith(_ERROR_PREFIX)]
    return remedies.reworded(sentences[-1]) if sentences else ""


@st.cache_resource
def map_jobs() -> MapJobs:
    """The app's map jobs, shared by all sessions."""
    return MapJobs()


@st.fragment(run_every=0.5)
def follow() -> None:
    """Live progress of the map that is being computed, and a button that stops it; redraws the page at the end."""
    job = map_jobs().job
    if job is None or not job.running:
        st.rerun(scope="app")
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    progress = f"{job.done:,} of {counted(job.total, 'epoch')}" if job.total else "finding neighbours, starting UMAP"
    left.progress(
        min(1.0, job.done / job.total) if job.total else 0.0,
        text=f"UMAP of {job.space}: {progress} · {time.monotonic() - job.started:.0f} s",
    )
    if right.button("Stop", icon=":material/stop:", width="stretch"):
        map_jobs().stop()
