"""Remedies of errors in the words of a page: buttons, pages, and how to start the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lib.errors import COMMAND_LINE, Notice, PetalscopeError, Remedy

# One clause for each remedy; the words of the command line stand in for a remedy that is missing here.
PAGE: Final[Mapping[Remedy, str]] = {
    Remedy.PREPARE: "press Prepare on the Home page, or run `{command}`",
    Remedy.PREPARE_ANEW: "delete it, then press Prepare on the Home page or run `{command}`",
    Remedy.RUN_AGAIN: "prepare the photos again on the Home page",
    Remedy.DELETE_FILE: "delete it, then open this page again",
    Remedy.CHOOSE_DATA: (
        "start the app with PETALSCOPE_DATA naming a folder of photos, best in class sub-folders (DIR/daisy/photo.jpg)"
    ),
    Remedy.CONVERT: "save them as JPEG or PNG, or start the app with PETALSCOPE_DATA naming another folder",
    Remedy.UNPACK: "unpack what belongs to the photos, or start the app with PETALSCOPE_DATA naming one archive",
    Remedy.CHOOSE_READING: "{option}: {value} for {about}",
    Remedy.RESTORE_DATA: "restore the folder, or start the app with PETALSCOPE_DATA naming another",
    Remedy.MORE_PHOTOS: "use more photos",
    Remedy.MORE_QUERIES: "prepare more photos",
    Remedy.CHOOSE_ARTIFACTS: "start the app with PETALSCOPE_ARTIFACTS naming another folder",
    Remedy.FREE_SPACE: "free some space, then try again",
    Remedy.CHOOSE_WEIGHTS: "prepare the photos with other weights on the command line",
    Remedy.RESTORE_WEIGHTS: "put them back, or press Prepare on the Home page or run `{command}`",
    Remedy.NAME_NETWORK: "prepare the photos with another file on the command line",
    Remedy.FREE_GPU: "end the other programs on it, or start the app without it (CUDA_VISIBLE_DEVICES left empty)",
    Remedy.TRAIN: "press Train on the Training regimes page, or run `{command}`",
    Remedy.EMBED: "press Create embeddings on the Training regimes page, or run `{command}`",
    Remedy.RESUME: "press Train again to resume",
    Remedy.END_TRAINING: "wait for it, or press Stop on the Training regimes page",
    Remedy.CHANGE_RECIPE: "train with the other preset",
    Remedy.LARGER_BATCH: "use a larger batch",
    Remedy.SEARCH_EXACTLY: "choose the engine exact",
    Remedy.CHOOSE_COLLECTION: "press Prepare on the Home page, or choose another collection",
    Remedy.CHOOSE_STORE: "give a path that ends in .db, or the address of a server",
    Remedy.FREE_STORE: "stop that process, or start the app with MILVUS_URI naming a server",
    Remedy.START_SERVER: "start it, or correct the address",
    Remedy.CHECK_CREDENTIALS: "check MILVUS_TOKEN, or the token typed here (`user:password` or an API key)",
    Remedy.ALLOW_FOLDER: "move it into one of them, or start the app with PETALSCOPE_FOLDERS naming its folder",
    Remedy.NAME_VECTORS: "name one in the field Column of the vectors",
    Remedy.NAME_IDS: "name a column in the field Column of the ids, or add a file of ids",
    Remedy.LABEL: (
        "on Home, *What to label first* makes a table to fill in, which Prepare reads; or sort the photos into class "
        "folders"
    ),
    Remedy.CLEAR_REVIEW: "undo some decisions on the Home page",
}


def sentence(error: PetalscopeError | Notice) -> str:
    """What went wrong and the way out, in one sentence."""
    return error.sentence(PAGE)


def reworded(line: str) -> str:
    """The error of a command that the app has started, with its remedy in the words of a page.

    A process hands over its error as a line of text. A remedy that names a command line stays: that is right on a page,
    too.
    """
    for remedy, clause in PAGE.items():
        ending = f"; {COMMAND_LINE[remedy]}."
        if line.endswith(ending):
            return f"{line.removesuffix(ending)}; {clause}."
    return line
