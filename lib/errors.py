"""Every error that Petalscope raises on purpose, and the remedies that an error can name.

An error has a problem (what went wrong, in one clause) and, where a surface must word the way out, a `Remedy`. Code
below `lib/commands` and `lib/view` names no command-line option, page or button: it names the remedy, and the surface
words it. `str(error)` is the whole sentence in the words of the command line; pages word remedies with their own table
(`lib/view/remedies.py`). Commands print the sentence and exit 1, pages show it in a box; neither shows a traceback.

PetalscopeError
├── DataError            a data folder that cannot be used
│   ├── ImageError       a picture that cannot be read
│   └── AmbiguousDataError   a data folder that can be read in several ways
├── DownloadError        a transfer that failed
│   ├── OfflineError     no network, or downloads are switched off
│   └── ChecksumError    the wrong bytes arrived
├── WeightsError         backbone weights that are missing or do not fit
├── ArtifactError        a result that is missing, stale, or cannot be written
├── TrainingError        a training run that cannot start or go on
├── QueryError           a query or a setting that is not valid (unknown id, wrong dimension, NaN)
├── AccessError          a list of visitors in `secrets.toml` that cannot be used
└── StoreError           a Milvus store that cannot be used
    └── StoreLockedError another process owns the store
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Remedy(Enum):
    """A way out of an error, worded by the surface that shows the error."""

    PREPARE = "prepare"
    PREPARE_ANEW = "prepare_anew"
    RUN_AGAIN = "run_again"
    TRAIN = "train"
    CHOOSE_DATA = "choose_data"
    CHOOSE_READING = "choose_reading"
    CONVERT = "convert"
    UNPACK = "unpack"
    CHOOSE_ARTIFACTS = "choose_artifacts"
    MAKE_WRITABLE = "make_writable"
    FREE_SPACE = "free_space"


# One clause for each remedy. `{command}` stands for the command line that the error carries.
COMMAND_LINE: Final[Mapping[Remedy, str]] = {
    Remedy.PREPARE: "run `{command}`",
    Remedy.PREPARE_ANEW: "delete it and run `{command}`",
    Remedy.RUN_AGAIN: "run the command again",
    Remedy.TRAIN: "run `{command}`",
    Remedy.CHOOSE_DATA: "name a folder of class sub-folders (DIR/daisy/photo.jpg) with --data or PETALSCOPE_DATA",
    Remedy.CONVERT: "save them as JPEG or PNG, or name another folder with --data or PETALSCOPE_DATA",
    Remedy.UNPACK: "unpack them, or name one of them with --data or PETALSCOPE_DATA",
    Remedy.CHOOSE_READING: "--{option} {value} for {about}",
    Remedy.CHOOSE_ARTIFACTS: "name another folder with --artifacts or PETALSCOPE_ARTIFACTS",
    Remedy.MAKE_WRITABLE: "make it writable or choose another folder",
    Remedy.FREE_SPACE: "free some space, then run the command again",
}
PREPARE_COMMAND: Final = "python -m lib prepare"


class PetalscopeError(Exception):
    """Base of every error raised on purpose.

    `problem` is a whole sentence where there is no remedy, else a clause without its full stop. `command` is the
    command line that carries out the remedy, where the remedy's wording has a place for one.
    """

    def __init__(self, problem: str, *, remedy: Remedy | None = None, command: str = PREPARE_COMMAND) -> None:
        self.problem = problem
        self.remedy = remedy
        self.command = command
        super().__init__(self.sentence())

    def sentence(self, wording: Mapping[Remedy, str] = COMMAND_LINE) -> str:
        """The problem and its remedy in one sentence; a remedy that `wording` lacks is worded as on the command line.

        A command line is put in as it is, so that braces in a folder's name stay what they are.
        """
        if self.remedy is None:
            return self.problem
        clause = wording.get(self.remedy, COMMAND_LINE[self.remedy]).replace("{command}", self.command)
        return f"{self.problem}; {clause}."


class DataError(PetalscopeError):
    """A data folder cannot be used."""


@dataclass(frozen=True)
class Reading:
    """One way to read a data folder: the setting that chooses it, its value, and what is then read."""

    option: str
    value: str
    about: str


class AmbiguousDataError(DataError):
    """A data folder can be read in several ways, or in none without the user's choice; each reading is named."""

    def __init__(
        self,
        problem: str,
        readings: Sequence[Reading] = (),
        *,
        remedy: Remedy | None = None,
        command: str = PREPARE_COMMAND,
    ) -> None:
        self.readings = tuple(readings)
        super().__init__(problem, remedy=Remedy.CHOOSE_READING if self.readings else remedy, command=command)

    def sentence(self, wording: Mapping[Remedy, str] = COMMAND_LINE) -> str:
        """The problem, and each reading with the setting that chooses it."""
        if not self.readings:
            return super().sentence(wording)
        form = wording.get(Remedy.CHOOSE_READING, COMMAND_LINE[Remedy.CHOOSE_READING])
        ways = [
            form.replace("{option}", each.option).replace("{value}", each.value).replace("{about}", each.about)
            for each in self.readings
        ]
        return f"{self.problem}; choose {', or '.join(ways)}."


class ImageError(DataError):
    """A picture cannot be read; the text is the reason, without the picture's name."""


class DownloadError(PetalscopeError):
    """A transfer failed, and nothing of it was kept."""


class OfflineError(DownloadError):
    """There is no network, or downloads are switched off."""


class ChecksumError(DownloadError):
    """The bytes that arrived are not the published ones."""


class WeightsError(PetalscopeError):
    """Backbone weights are missing or do not fit the network."""


class ArtifactError(PetalscopeError):
    """A result is missing, stale, or cannot be written."""


class TrainingError(PetalscopeError):
    """A training run cannot start or go on; finished runs are kept."""


class QueryError(PetalscopeError):
    """A query or one of its settings is not valid."""


class AccessError(PetalscopeError):
    """The list of visitors cannot be used, so nobody is admitted."""


class StoreError(PetalscopeError):
    """A Milvus database, collection or server cannot be used."""


class StoreLockedError(StoreError):
    """Another process owns the Milvus Lite store."""
