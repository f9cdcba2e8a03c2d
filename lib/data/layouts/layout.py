"""How a data folder is read: which files are photos of which class, and of which split.

Kinds: `classes` (a folder per class), `splits` (train, validation and test folders over class folders), `table`
(labels in a file beside the photos) and `unlabelled` (photos alone: every label is ""). Folders that only wrap others
are looked through. What can be read in several ways is never guessed: AmbiguousDataError names the ways. Ids stay
relative to the data folder, whatever is looked through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lib.data.layouts import class_folders, folder_names, photo_labels, unlabelled, unpack
from lib.data.layouts.class_folders import Labelled, about_classes
from lib.data.layouts.folder_tree import FolderTree, last
from lib.data.layouts.table_labels import TableLabels
from lib.data.scanning import listing, skipped_file
from lib.errors import AmbiguousDataError, DataError, Reading, Remedy
from lib.settings import LayoutChoice
from lib.text import composed, counted, listed

_AGREES = 0.5  # a table repeats the class folders when it gives this share of photos the names of their folders


@dataclass(frozen=True)
class Layout:
    """A data folder as it is read.

    `labels` and `splits` are by id; a photo without a split of its own has none in `splits`. `folders` are the class
    folders by id, with their labels. `root` is the id of the folder that holds the classes, "" for the data folder;
    `wrappers` are the folders that were looked through. `notes` are sentences that the user should read, `skipped` is
    what is left out, and `others` are further ways to read the folder.
    """

    kind: str
    root: str
    wrappers: tuple[str, ...]
    reason: str
    labels: dict[str, str]
    splits: dict[str, str]
    folders: dict[str, str]
    skipped: list[dict[str, str]]
    labels_file: str | None = None
    notes: tuple[str, ...] = ()
    others: tuple[Reading, ...] = ()
    choice: LayoutChoice = field(default_factory=LayoutChoice)

    @property
    def files(self) -> list[str]:
        """Ids of the files that may be photos, ascending."""
        return sorted(self.labels)

    def facts(self) -> dict[str, Any]:
        """What a catalog keeps of the layout, beside labels and splits."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "root": self.root,
            "wrappers": list(self.wrappers),
            "labels": self.labels_file,
            "notes": list(self.notes),
            "given_splits": sorted(set(self.splits.values())),
            "others": [asdict(other) for other in self.others],
            "choice": self.choice.named(),
        }


def read(root: Path, choice: LayoutChoice | None = None) -> Layout:
    """The layout of the data folder `root`.

    Raises AmbiguousDataError where only the user can know, DataError when the folder cannot be read or holds nothing
    that fits the user's choice.
    """
    choice = choice or LayoutChoice()
    tree = FolderTree(root, listing(root))
    return _Reader(tree, choice).read()


class _Reader:
    """Reads one data folder. `wrappers` are looked through; `node` is the innermost of them."""

    def __init__(self, tree: FolderTree, choice: LayoutChoice) -> None:
        self.tree, self.choice = tree, choice
        self.wrappers = class_folders.look_through(tree)
        self.node = self.wrappers[-1] if self.wrappers else ""
        self.kids = tree.live(self.node)
        self.names = {kid: last(kid) for kid in self.kids}
        # For sentences.
        self.place, self.folders = tree.full_path(self.node), listed(f"{name}/" for name in self.names.values())
        self.as_classes = Reading("layout", "classes", about_classes(list(self.names.values())))

    def read(self) -> Layout:
        """The layout by the user's choice, or by what the folder holds."""
        kind = self.choice.kind or "auto"
        columns = self.choice.image_column or self.choice.label_column or self.choice.split_column
        if kind == "table" or (kind == "auto" and (self.choice.labels or columns)):
            return self._table()
        if not self.tree.photos and not any("/" in name for name in self.tree.listing.files):
            if archives := [name for name in self.tree.files.get("", []) if unpack.has_suffix(name)]:
                found = f"{counted(len(archives), 'archive')}: {listed(archives)}"
                problem = f"{self.tree.root} holds no photos, but {found}"
                raise DataError(problem, remedy=Remedy.UNPACK)
            raise DataError(f"{self.tree.root} has no readable image", remedy=Remedy.CHOOSE_DATA)
        if kind == "unlabelled":
            return self._unlabelled(self._tables())
        if kind == "splits":
            return self._splits(folder_names.splits_of(list(self.names.values())))
        return self._classes() if kind == "classes" else self._auto()

    def _auto(self) -> Layout:
        tables = self._tables()
        if not self.kids:
            return self._flat(tables)
        splits = folder_names.splits_of(list(self.names.values()))
        inner = class_folders.repeated(self.tree, self.node)
        if len(set(splits.values())) > 1 or (splits and len(splits) == len(self.kids) > 1):
            return self._split_folders(splits, tables)
        if inner and last(inner) not in splits:
            return self._doubled(inner)
        if len(self.kids) > 1 and any(folder_names.is_plain_split(name) for name in splits):
            raise self._mixed(splits)
        return self._class_folders(tables)

    def _flat(self, tables: photo_labels.FoundTables) -> Layout:
        try:
            if joined := photo_labels.joined(tables):
                return self._of_table(*joined)
        except AmbiguousDataError as error:
            raise AmbiguousDataError(error.problem, [*error.readings, unlabelled.reading()]) from error
        if why := unlabelled.failed_labels(tables):
            raise AmbiguousDataError(
                f"{self.place} holds photos without class folders, and {why}", [unlabelled.reading()]
            )
        # Without any photo, the files say what they are when they are read.
        return self._unlabelled(tables) if self.tree.photos.get(self.node) else self._classes()

    def _unlabelled(self, tables: photo_labels.FoundTables) -> Layout:
        found = unlabelled.photos(self.tree, photo_labels.why_none(tables))
        layout = self._layout("unlabelled", unlabelled.REASON, found.labels, found.splits, {}, {}, found.notes)
        return replace(layout, root="", wrappers=())

    def _split_folders(self, splits: dict[str, str], tables: photo_labels.FoundTables) -> Layout:
        if len(splits) < len(self.kids):
            raise self._mixed(splits)
        if any(class_folders.class_root(self.tree, kid) for kid in self.kids):
            others = (self.as_classes,)
            return replace(self._splits(splits), others=others)
        if joined := photo_labels.joined(tables):
            return self._of_table(*joined)
        raise AmbiguousDataError(
            f"{self.folders} in {self.place} look like splits, but hold no class folders, and no table labels "
            f"their photos{photo_labels.why_none(tables)}",
            [self.as_classes, unlabelled.reading()],
        )

    def _mixed(self, splits: dict[str, str]) -> AmbiguousDataError:
        others = [f"{name}/" for name in self.names.values() if name not in splits]
        readings = [self.as_classes]
        if len(set(splits.values())) > 1 and any(
            class_folders.class_root(self.tree, kid) for kid in self.kids if self.names[kid] in splits
        ):
            readings.append(Reading("layout", "splits", f"{listed(splits)} as splits, without {listed(others)}"))
        return AmbiguousDataError(
            f"{self.place} mixes {listed(f'{name}/' for name in splits)}, by name a split, with "
            f"{listed(others)}: move away what does not belong",
            readings,
        )

    def _doubled(self, inner: str) -> Layout:
        same, count = class_folders.copies(self.tree, self.node, inner)
        if same < count:
            raise AmbiguousDataError(
                f"{self.tree.full_path(inner)} repeats the class folders beside it with other photos",
                [
                    Reading("data", self.tree.full_path(inner), "these class folders alone"),
                    Reading("layout", "classes", f"{last(inner)} as one more class"),
                ],
            )
        reason = f"repeats the class folders beside it; its {counted(count, 'photo')} are copies"
        found = class_folders.classes(self.tree, self.node, {inner: reason})
        found.notes.append(
            f"The folder {inner}/ holds the same class folders once more, with copies of {counted(count, 'photo')}: it "
            f"is left out ({self.tree.full_path(inner)} alone fits as data folder, too)."
        )
        return self._of_classes(found)

    def _class_folders(self, tables: photo_labels.FoundTables) -> Layout:
        if folder_names.are_containers(list(self.names.values())):
            if joined := photo_labels.joined(tables):
                return self._of_table(*joined)
            raise AmbiguousDataError(
                f"{self.place} holds photos in {self.folders}, which is no name of a class, and no table "
                f"labels them{photo_labels.why_none(tables)}",
                [self.as_classes, unlabelled.reading()],
            )
        if class_folders.are_batches(self.tree, self.kids):
            raise AmbiguousDataError(
                f"{self.folders} in {self.place} hold class folders of the same names",
                [
                    self.as_classes,
                    *(Reading("data", self.tree.full_path(kid), "its class folders alone") for kid in self.kids[:2]),
                ],
            )
        if generic := [name for name in self.names.values() if folder_names.means_photos(name)]:
            raise AmbiguousDataError(
                f"{self.place} holds {listed(f'{name}/' for name in generic)}, which is no name of a "
                "class, beside class folders: move away what does not belong",
                [self.as_classes],
            )
        only = self.kids[0]
        if len(self.kids) == 1 and len(self.tree.live(only)) > 1:
            loose, folders, path = len(self.tree.photos[only]), self.tree.live(only), self.tree.full_path(only)
            raise AmbiguousDataError(
                f"{path} holds {counted(loose, 'photo')} beside {len(folders)} folders",
                [
                    Reading("layout", "classes", about_classes([self.names[only]])),
                    Reading("data", path, about_classes([last(folder) for folder in folders])),
                ],
            )
        return self._unless_table_disagrees(tables)

    def _unless_table_disagrees(self, tables: photo_labels.FoundTables) -> Layout:
        """Class folders, unless a table with a column of labels gives most photos other labels."""
        layout = self._classes()
        if tables.labels:
            labels = sorted({label for found in tables.labels.values() for label in found.labels.values()})
            layout = replace(layout, others=(Reading("layout", "table", about_classes(labels)),))
        for name, found in tables.labels.items():
            shared = [image_id for image_id in found.labels if image_id in layout.labels]
            same = sum(composed(found.labels[each]).casefold() == layout.labels[each].casefold() for each in shared)
            if not found.named or len(found.labels) < _AGREES * len(self.tree.below(self.node)):
                continue
            if not shared or same < _AGREES * len(shared):
                if len(self.kids) == 1 and (joined := photo_labels.joined(tables)):
                    return self._of_table(*joined)  # a single folder gives no labels worth asking about
                raise AmbiguousDataError(
                    f"{self.tree.root} has class folders, and {last(name)} gives their photos other labels",
                    [
                        self.as_classes,
                        Reading("layout", "table", about_classes(sorted(set(found.labels.values())))),
                    ],
                )
        loose = len(self.tree.photos.get(self.node, []))
        if loose > len(self.tree.below(self.node)) - loose:
            raise AmbiguousDataError(
                f"{self.place} holds {counted(loose, 'photo')} beside its folders, more than in them",
                [Reading("layout", "classes", f"{self.as_classes.about}, without those photos")],
            )
        return layout

    def _classes(self) -> Layout:
        return self._of_classes(class_folders.classes(self.tree, self.node))

    def _of_classes(self, found: Labelled) -> Layout:
        live = [folder for folder in found.folders if folder in self.kids]
        return self._of_folders("classes", counted(len(live), "class folder"), found)

    def _splits(self, splits: dict[str, str]) -> Layout:
        if len(set(splits.values())) < 2:
            raise DataError(
                f"{self.place} has no folders for training, validation and test beside each other",
                remedy=Remedy.CHOOSE_DATA,
            )
        by_folder = {kid: splits[name] for kid, name in self.names.items() if name in splits}
        found = class_folders.splits(self.tree, by_folder)
        if not found.labels:
            raise DataError(
                f"{listed(f'{name}/' for name in splits)} in {self.place} hold no class folders",
                remedy=Remedy.CHOOSE_DATA,
            )
        empty = [
            last(folder)
            for folder in self.tree.folders.get(self.node, [])
            if folder not in self.kids and folder_names.split_of(last(folder))
        ]
        if empty:
            found.notes.append(f"No photos in {listed(f'{name}/' for name in empty)}.")
        order = ("train", "val", "test")
        named = listed(f"{name}/" for name in sorted(splits, key=lambda name: order.index(splits[name])))
        number = counted(len(set(found.labels.values())), "class folder")
        return self._of_folders("splits", f"split folders ({named}) over {number}", found)

    def _of_folders(self, kind: str, reason: str, found: Labelled) -> Layout:
        within = f" in {self.node}/" if self.node else ""
        notes = found.notes
        if self.wrappers:
            notes = [f"The folder {self.node}/ only wraps them and was looked through.", *notes]
        return self._layout(kind, f"{reason}{within}", found.labels, found.splits, found.folders, found.skipped, notes)

    def _layout(
        self,
        kind: str,
        reason: str,
        labels: dict[str, str],
        splits: dict[str, str],
        folders: dict[str, str],
        skipped: dict[str, str],
        notes: Sequence[str],
        labels_file: str | None = None,
    ) -> Layout:
        return Layout(
            kind,
            self.node,
            tuple(self.wrappers),
            reason,
            labels,
            {} if self.choice.split_anew or len(set(splits.values())) < 2 else splits,
            folders,
            [*self.tree.listing.skipped, *(skipped_file(name, why) for name, why in skipped.items())],
            labels_file,
            tuple(notes),
            choice=self.choice,
        )

    def _tables(self) -> photo_labels.FoundTables:
        inside = self.kids if len(self.names) == 1 or folder_names.are_containers(list(self.names.values())) else []
        return photo_labels.beside(self.tree, ["", *self.wrappers], inside, self.choice)

    def _table(self) -> Layout:
        if self.choice.labels:
            joined = photo_labels.joined(photo_labels.read(self.tree, self.choice))
        else:
            tables = self._tables()
            joined = photo_labels.joined(tables)
            if joined is None:
                raise DataError(
                    f"{self.tree.root} has no table that labels its photos{photo_labels.why_none(tables)}",
                    remedy=Remedy.CHOOSE_DATA,
                )
        assert joined is not None
        return self._of_table(*joined)

    def _of_table(self, files: list[str], found: TableLabels) -> Layout:
        skipped, notes = photo_labels.left_out(self.tree, files, found)
        path = Path(self.choice.labels).expanduser() if self.choice.labels else Path(files[0])
        return self._layout(
            "table",
            photo_labels.about(files, found),
            found.labels,
            found.splits or photo_labels.split_by_folder(list(found.labels)),
            {},
            skipped,
            notes,
            str(self.tree.root / path),
        )
