"""Remedies of errors in the words of a page: buttons, pages, and how to start the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lib.errors import PetalscopeError, Remedy

# One clause for each remedy; the words of the command line stand in for a remedy that is missing here.
PAGE: Final[Mapping[Remedy, str]] = {
    Remedy.PREPARE: "press Prepare on the Home page, or run `{command}`",
    Remedy.PREPARE_ANEW: "delete it, then press Prepare on the Home page or run `{command}`",
    Remedy.RUN_AGAIN: "prepare the photos again on the Home page",
    Remedy.TRAIN: "train its network on the Training regimes page, or run `{command}`",
    Remedy.CHOOSE_DATA: "start the app with PETALSCOPE_DATA naming a folder of class sub-folders (DIR/daisy/photo.jpg)",
    Remedy.CONVERT: "save them as JPEG or PNG, or start the app with PETALSCOPE_DATA naming another folder",
    Remedy.UNPACK: "unpack them, or start the app with PETALSCOPE_DATA naming one of them",
    Remedy.CHOOSE_READING: "*{option}* {value} for {about}",
    Remedy.CHOOSE_ARTIFACTS: "start the app with PETALSCOPE_ARTIFACTS naming another folder",
    Remedy.FREE_SPACE: "free some space, then try again",
}


def sentence(error: PetalscopeError) -> str:
    """What went wrong and the way out, in one sentence."""
    return error.sentence(PAGE)
