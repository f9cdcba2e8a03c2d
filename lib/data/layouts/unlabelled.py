"""Photos without labels: every photo of a folder, in whichever folder below it lies, with the label "".

A split is kept where every photo lies in a split folder, as in train/ and test/ without class folders.
"""

from __future__ import annotations

from lib.data.layouts import folder_names, photo_labels
from lib.data.layouts.class_folders import Labelled
from lib.data.layouts.folder_tree import TABLE_SUFFIXES, FolderTree, last, suffix
from lib.data.layouts.photo_labels import FoundTables
from lib.data.scanning import BESIDE_CLASSES
from lib.errors import Reading
from lib.text import counted

NO_LABEL = ""
_WORDS = {"label", "labels", "class", "classes", "species", "annotations"}
REASON = "photos without labels"


def reading() -> Reading:
    """This way to read a folder, where it must be asked."""
    return Reading("layout", "unlabelled", REASON)


def failed_labels(tables: FoundTables) -> str:
    """What is wrong with a file that is called labels, and labels no photo; "" without one."""
    for name, reason in tables.useless.items():
        if _WORDS & set(folder_names.words(last(name).partition(".")[0])):
            return f"{last(name)} {reason}"
    return ""


def photos(tree: FolderTree, why: str) -> Labelled:
    """All files that may be photos, without a label; `why` says in brackets why the tables beside them give none."""
    names = [
        name
        for name in tree.listing.files
        if suffix(name) not in TABLE_SUFFIXES and last(name).lower() not in BESIDE_CLASSES
    ]
    note = (
        f"No labels: the photos lie in no class folders, and no table of labels was found{why}. Scores and training "
        "need labels; maps, clusters, searches and duplicates do without."
    )
    if folders := len([folder for folder in tree.photos if folder]):
        note = (
            f"No labels, as chosen: {counted(folders, 'folder')} of photos {'is' if folders == 1 else 'are'} no class."
        )
    return Labelled(dict.fromkeys(names, NO_LABEL), photo_labels.split_by_folder(names), notes=[note])
