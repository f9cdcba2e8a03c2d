"""Every error that Petalscope raises on purpose, and the remedies that an error can name.

An error has a problem (what went wrong, in one clause) and, where a surface must word the way out, a `Remedy`. Code
below `lib/commands` and `lib/view` names no command-line option, page or button: it names the remedy, and the surface
words it. `str(error)` is the whole sentence in the words of the command line; pages word remedies with their own table
(`lib/view/remedies.py`). Commands print the sentence and exit 1, pages show it in a box; neither shows a traceback.
A `Notice` is the same for work that goes on: a note, or how a training ended.

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
    RUN_COMMAND = "run_command"
    RUN_AGAIN = "run_again"
    DELETE_FILE = "delete_file"
    CHOOSE_DATA = "choose_data"
    CHOOSE_READING = "choose_reading"
    CONVERT = "convert"
    UNPACK = "unpack"
    RESTORE_DATA = "restore_data"
    MORE_PHOTOS = "more_photos"
    MORE_QUERIES = "more_queries"
    CHOOSE_ARTIFACTS = "choose_artifacts"
    MAKE_WRITABLE = "make_writable"
    FREE_SPACE = "free_space"
    CHOOSE_WEIGHTS = "choose_weights"
    RESTORE_WEIGHTS = "restore_weights"
    GIVE_WEIGHTS = "give_weights"
    NAME_NETWORK = "name_network"
    FREE_GPU = "free_gpu"
    TRAIN = "train"
    EMBED = "embed"
    RESUME = "resume"
    END_TRAINING = "end_training"
    CHANGE_RECIPE = "change_recipe"
    LARGER_BATCH = "larger_batch"
    SEARCH_EXACTLY = "search_exactly"
    CHOOSE_COLLECTION = "choose_collection"
    CHOOSE_STORE = "choose_store"
    FREE_STORE = "free_store"
    START_SERVER = "start_server"
    CHECK_CREDENTIALS = "check_credentials"
    ALLOW_FOLDER = "allow_folder"
    RESTORE_FILE = "restore_file"
    CLEAR_REVIEW = "clear_review"
    NAME_VECTORS = "name_vectors"
    NAME_IDS = "name_ids"
    LABEL = "label"


# One clause for each remedy. `{command}` stands for the command line that the error carries.
COMMAND_LINE: Final[Mapping[Remedy, str]] = {
    Remedy.PREPARE: "run `{command}`",
    Remedy.PREPARE_ANEW: "delete it and run `{command}`",
    Remedy.RUN_COMMAND: "run `{command}`",
    Remedy.RUN_AGAIN: "run the command again",
    Remedy.DELETE_FILE: "delete it and run the command again",
    Remedy.CHOOSE_DATA: (
        "name a folder of photos, best in class sub-folders (DIR/daisy/photo.jpg), with --data or PETALSCOPE_DATA"
    ),
    Remedy.CONVERT: "save them as JPEG or PNG, or name another folder with --data or PETALSCOPE_DATA",
    Remedy.UNPACK: "unpack what belongs to the photos, or name one archive with --data or PETALSCOPE_DATA",
    Remedy.CHOOSE_READING: "--{option} {value} for {about}",
    Remedy.RESTORE_DATA: "restore the folder, or name another with --data or PETALSCOPE_DATA",
    Remedy.MORE_PHOTOS: "use more photos or another --seed",
    Remedy.MORE_QUERIES: "prepare more photos, or use --queries all",
    Remedy.CHOOSE_ARTIFACTS: "name another folder with --artifacts or PETALSCOPE_ARTIFACTS",
    Remedy.MAKE_WRITABLE: "make it writable or choose another folder",
    Remedy.FREE_SPACE: "free some space, then run the command again",
    Remedy.CHOOSE_WEIGHTS: "name other weights with --weights: imagenet, bundled, random or a file",
    Remedy.RESTORE_WEIGHTS: "put them back, or run `{command}`",
    Remedy.GIVE_WEIGHTS: "put the file there, or run `{command}`",
    Remedy.NAME_NETWORK: "name another file with --network, or its preprocessing with --preprocess",
    Remedy.FREE_GPU: (
        "end the other programs on it, or compute on the processor (CUDA_VISIBLE_DEVICES= python -m lib prepare)"
    ),
    Remedy.TRAIN: "run `{command}`",
    Remedy.EMBED: "run `{command}`",
    Remedy.RESUME: "the same command with --resume goes on",
    Remedy.END_TRAINING: "wait for it, stop it, or name another folder with --artifacts",
    Remedy.CHANGE_RECIPE: "train with another --batch-size, other --weights or the other --preset",
    Remedy.LARGER_BATCH: "use a larger --batch-size",
    Remedy.SEARCH_EXACTLY: "search with --engine exact",
    Remedy.CHOOSE_COLLECTION: "run `{command}`, or name another collection with --collection",
    Remedy.CHOOSE_STORE: "name a path that ends in .db, or a server, with --milvus-uri",
    Remedy.FREE_STORE: "stop that process (the app, if it is running), or give --milvus-uri a server",
    Remedy.START_SERVER: "start it, or correct --milvus-uri",
    Remedy.CHECK_CREDENTIALS: "check MILVUS_TOKEN (`user:password` or an API key)",
    Remedy.ALLOW_FOLDER: "move it into one of them, or add its folder to PETALSCOPE_FOLDERS",
    Remedy.RESTORE_FILE: "restore it from a backup, or delete it and lose your decisions",
    Remedy.CLEAR_REVIEW: "run `python -m lib relabel --clear`",
    Remedy.NAME_VECTORS: "name one with --vectors",
    Remedy.NAME_IDS: "name a column or a file of ids with --ids",
    Remedy.LABEL: (
        "sort the photos into a folder per class, or run `python -m lib prepare --labels FILE.csv` with a table of "
        "`id,label`"
    ),
}
PREPARE_COMMAND: Final = "python -m lib prepare"


@dataclass(frozen=True)
class Reading:
    """One way to read a data folder: the setting that chooses it, its value, and what is then read."""

    option: str
    value: str
    about: str


@dataclass(frozen=True)
class Notice:
    """A problem and the way out of it, where work goes on or has ended without an exception.

    The first fields are those of `PetalscopeError`; `outcome` is a sentence about how the work goes on; `readings` are
    the ways to read a folder, of which the user must choose one. `str(notice)` is the text in the words of the command
    line.
    """

    problem: str
    remedy: Remedy | None = None
    command: str = PREPARE_COMMAND
    outcome: str = ""
    readings: tuple[Reading, ...] = ()

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self, wording: Mapping[Remedy, str] = COMMAND_LINE) -> str:
        """The problem and its remedy in one sentence, then the outcome.

        A remedy that `wording` lacks is worded as on the command line. A command line is put in as it is, so that
        braces in a folder's name stay what they are.
        """
        sentence = self.problem if self.remedy is None else f"{self.problem}; {self.way_out(wording)}."
        return f"{sentence} {self.outcome}" if self.outcome else sentence

    def way_out(self, wording: Mapping[Remedy, str] = COMMAND_LINE) -> str:
        """The remedy alone, as a clause; "" without one."""
        if self.remedy is None:
            return ""
        clause = wording.get(self.remedy, COMMAND_LINE[self.remedy])
        if self.remedy is Remedy.CHOOSE_READING:
            return f"choose {', or '.join(self._worded(clause))}"
        return clause.replace("{command}", self.command)

    def _worded(self, clause: str) -> list[str]:
        return [
            clause.replace("{option}", each.option).replace("{value}", each.value).replace("{about}", each.about)
            for each in self.readings
        ]


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
        """The problem and its remedy in one sentence: see `Notice.sentence`."""
        return self.notice.sentence(wording)

    @property
    def notice(self) -> Notice:
        """The same as plain data, which can be kept after the error is handled."""
        return Notice(self.problem, self.remedy, self.command)


class DataError(PetalscopeError):
    """A data folder cannot be used."""


class AmbiguousDataError(DataError):
    """A data folder can be read in several ways, or needs the user's choice; each reading is named."""

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

    @property
    def notice(self) -> Notice:
        """The same as plain data, with the readings."""
        return Notice(self.problem, self.remedy, self.command, readings=self.readings)


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
