"""Maps with parameters of one's own, made in a process of their own: it can be stopped, and the page stays quick.

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


@dataclass
class MapJob:
    """A map that is being made, or was. Written by one thread, read by all sessions."""

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
    """Where maps are made."""

    def __init__(self) -> None:
        self.making: MapJob | None = None
        self._lock = threading.Lock()

    def start(self, settings: Settings, space: str, parameters: MapParameters) -> bool:
        """Begin a map, unless another one is being made; returns whether it began."""
        with self._lock:
            if self.making is not None and self.making.running:
                return False
            command = [sys.executable, "-m", "lib", "map", "--space", space, "--json", *settings.options()]
            command += parameters.options()
            process = subprocess.Popen(
                command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            self.making = MapJob(space, parameters, process, time.monotonic())
        threading.Thread(target=_listen, args=(self.making,), daemon=True, name="petalscope-map").start()
        return True

    def stop(self) -> None:
        """Stop the map that is being made; nothing of it is kept."""
        if self.making is not None and self.making.running:
            self.making.stopped = True
            self.making.process.terminate()


def _listen(making: MapJob) -> None:
    """Take note of what the process says until it ends."""
    said = b""
    with making.process as process:
        assert process.stderr is not None
        while piece := os.read(process.stderr.fileno(), 4096):
            said = (said + piece)[-4000:]
            told = re.findall(rb"(?<!\d)(\d+)/(\d+)", said)
            if told:
                making.done, making.total = int(told[-1][0]), int(told[-1][1])
    if process.returncode and not making.stopped:
        # A process that was killed leaves half a progress bar as its last line: only sentences are told.
        lines = said.decode(errors="replace").replace("\r", "\n").splitlines()
        told = [line.removeprefix("petalscope: ") for line in lines if line.startswith("petalscope: ")]
        ended = f"The process that made the map ended with status {process.returncode}; make it again."
        making.error = told[-1] if told else ended
    making.running = False


@st.cache_resource
def map_jobs() -> MapJobs:
    """The app's maker of maps, shared by all sessions."""
    return MapJobs()


@st.fragment(run_every=0.5)
def follow() -> None:
    """Live progress of the map that is being made, and the button that stops it; redraws the page when it ends."""
    making = map_jobs().making
    if making is None or not making.running:
        st.rerun(scope="app")
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    how = f"{making.done:,} of {making.total:,} epochs" if making.total else "finding neighbours, starting UMAP"
    left.progress(
        min(1.0, making.done / making.total) if making.total else 0.0,
        text=f"UMAP of {making.space}: {how} · {time.monotonic() - making.started:.0f} s",
    )
    if right.button("Stop", icon=":material/stop:", width="stretch"):
        map_jobs().stop()
