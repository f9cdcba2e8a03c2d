"""Choosing when to kill, and looking at what is left: what the tests of kills share."""

from __future__ import annotations

import hashlib
import io
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lib.learn import backbone
from lib.settings import Settings
from lib.store import collections, connection
from tests.conftest import draw_photos
from tests.helpers import quick_trainings
from tests.helpers.killed_work import KilledWork
from tests.torture import tally

# Made by locks and by whoever talks while it works: told apart from results, which must be whole.
NO_RESULTS = {"prepare.lock", "starting.lock", "training.lock", "live.state", "training.log", "collections.json"}


def ten_photos(root: Path) -> Settings:
    """Settings for ten drawn photos and weights that want them tiny: a whole `prepare` in two seconds."""
    weights = root / "quick.safetensors"
    draw_photos(root / "photos", per_class=2)
    weights.symlink_to(backbone.BUNDLED)
    card = {"resize": [32, 32], "crop": None, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    weights.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return Settings(
        data=root / "photos",
        artifacts=root / "artifacts",
        weights=str(weights),
        seed=0,
        offline=True,
        store_wait_s=0.0,
    )


def moments(undisturbed: dict[str, Any], place: str, count: int, seed: str) -> Iterator[dict[str, Any]]:
    """`count` moments in a place of the work ("" for anywhere), as the undisturbed run went through it: by turns before
    one of its steps, and at a time, in which case the work may be done before."""
    noise = random.Random(f"{seed} {place}")
    places, times = undisturbed["places"], undisturbed["times"]
    steps = [number for number, here in enumerate(places) if place in {"", here}]
    assert steps, f"the undisturbed run never was in {place}: {sorted(set(places))}"
    begin = times[place or places[0]]
    later = [time for here, time in times.items() if place and time > begin]
    end = min([*later, undisturbed["seconds"]])
    for number in range(count):
        if number % 2:
            yield {"die_in": place or places[0], "die_after": round(noise.uniform(0, end - begin), 4)}
        else:
            # The last few may not come again: how often a bar moves depends on the clock.
            step = steps[noise.randrange(max(1, len(steps) - 3))]
            yield {"die_in": places[step], "die_at": places[: step + 1].count(places[step])}


def kill(killed_work: KilledWork, work: str, settings: Settings, moment: dict[str, Any], **task: Any) -> bool:
    """Begin the work and kill it at that moment, which is counted; False when it was done before its time came."""
    reply = killed_work.run(work, settings, **moment, **task)
    assert reply["signal"] in {0, signal.SIGKILL}, reply
    killed = reply["signal"] == signal.SIGKILL
    if killed:
        tally.note("kills")
    return killed


def results(folder: Path) -> dict[str, str]:
    """Hash of every result below `folder` by name: all files but locks, temporary ones and the store's; the state
    without its time, a training record and kept features without theirs."""
    collected = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not path.is_file() or path.name in NO_RESULTS or any(part.startswith(".") for part in inside.parts):
            continue
        if any(part.startswith("petalscope.db") for part in inside.parts):
            continue
        content = path.read_bytes()
        if path.name == "state.json":
            content = json.dumps({**json.loads(content), "prepared": None}).encode()
        elif inside.parts[0] == "runs" and path.suffix == ".json" and len(inside.parts) == 2:
            content = json.dumps(quick_trainings.lasting(json.loads(content))).encode()
        elif path.parent.name == "features":
            with np.load(io.BytesIO(content), allow_pickle=False) as kept:
                content = b"".join(kept[key].tobytes() for key in sorted(kept.files) if key != "spent")
        collected[str(inside)] = hashlib.sha256(content).hexdigest()
    return collected


def temporary(folder: Path) -> list[Path]:
    """What writers have left that should be gone."""
    return list(folder.rglob(".tmp-*"))


def rows(settings: Settings) -> dict[str, str]:
    """Hash of all rows, vectors included, of each collection in the store."""
    with connection.open_store(settings.store_uri) as store:
        collected = {}
        for name in collections.names(store):
            collections.ensure_loaded(store, name)
            entries = store.client.query(
                name, filter="", output_fields=["id", "path", "label", "split", "vector"], limit=1000
            )
            listed = sorted(
                [entry["id"], entry["path"], entry["label"], entry["split"], [float(x) for x in entry["vector"]]]
                for entry in entries
            )
            collected[name] = hashlib.sha256(json.dumps(listed).encode()).hexdigest()
        return collected
