"""The commands that take results out of Petalscope: `export` writes a space, `export-map` a map that opens offline."""

from __future__ import annotations

import argparse

from lib.commands.progress import ProgressBar
from lib.documents.export import ExportDocument, ExportMapDocument
from lib.progress import of_stage
from lib.settings import Settings
from lib.text import counted, printable

ABOUT = "write a space as Parquet, NPY, or for TensorBoard's projector"
ABOUT_MAP = "write a map as one HTML file that opens without a network"


def export(settings: Settings, options: argparse.Namespace) -> ExportDocument:
    """Write a space in the format of the file's ending: see `lib.export.space_files`."""
    from lib.export import space_files
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    with ProgressBar() as progress:
        return space_files.export(opened, options.space, options.file, of_stage(progress.update, "draw the sprite"))


def show_export(document: ExportDocument) -> str:
    """What was written, and where."""
    size = f"{document['bytes'] / 1e6:,.1f} MB"
    lines = [f"{document['space']}: {counted(document['rows'], 'vector')} of {document['dim']:,}, {size}"]
    return printable([*lines, *(f"wrote {name}" for name in document["files"])])


def export_map(settings: Settings, options: argparse.Namespace) -> ExportMapDocument:
    """Write the map of a space as one HTML file: see `lib.export.map_document`."""
    from lib.export import map_document
    from lib.prepare import workspace

    opened = workspace.open_workspace(settings)
    with ProgressBar() as progress:
        return map_document.export(
            opened, options.space, options.file, options.photos, of_stage(progress.update, "read thumbnails")
        )


def show_export_map(document: ExportMapDocument) -> str:
    """What is on the map, and where it is."""
    left_out = f", {document['left_out']:,} more left out" if document["left_out"] else ""
    lines = [
        f"{document['space']}: {counted(document['points'], 'point')}{left_out}, "
        f"{document['photos']:,} with a thumbnail, {document['bytes'] / 1e6:,.1f} MB",
        f"wrote {document['file']}",
    ]
    return printable(lines)
