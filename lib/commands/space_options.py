"""The commands about spaces, labels and exports, and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from lib.commands import export, features, imports, labels, option_types, sample
from lib.commands import spaces as space_commands
from lib.embed import spaces

# Adds a command: its name, the function that runs it, the one that prints it, its help, and parsers of shared options.
Add = Callable[..., argparse.ArgumentParser]


def space_names() -> str:
    """The spaces and their other names: "a, b (= c) or d"."""
    aliases = {name: f" (= {alias})" for alias, name in spaces.ALIASES.items()}
    *names, last = (name + aliases.get(name, "") for name in spaces.SPACES)
    return f"{', '.join(names)} or {last}"


def add_space_commands(
    add: Add, store: argparse.ArgumentParser, space: argparse.ArgumentParser, *shared: argparse.ArgumentParser
) -> None:
    """The commands about whole spaces."""
    help_ = "diagnose every space, and compare every two of them"
    add("spaces", space_commands.spaces, space_commands.show_spaces, help_, *shared)
    help_ = "group the images of a space, and compare the groups with the classes"
    command = add("clusters", space_commands.clusters, space_commands.show_clusters, help_, space, *shared)
    command.add_argument("--method", choices=space_commands.METHODS, default="kmeans")
    help_ = "clusters of k-means (default: as many as classes; 8 without labels)"
    command.add_argument("--k", type=option_types.positive, metavar="K", help=help_)
    help_ = "score a space with fewer dimensions and fewer bits, beside the bytes of a vector"
    add("what-if", space_commands.what_if, space_commands.show_what_if, help_, space, *shared)
    imports.register(add, store)
    command = add("features", features.features, features.show_features, features.HELP, space, *shared)
    command.add_argument("--dimension", type=option_types.dimension, metavar="N", help="only this dimension, from 0")


def add_export_commands(add: Add, space: argparse.ArgumentParser, *shared: argparse.ArgumentParser) -> None:
    """The commands that write files for others."""
    command = add("export", export.export, export.show_export, export.ABOUT, *shared)
    command.add_argument("space", metavar="SPACE", help=space_names())
    command.add_argument(
        "file", type=option_types.path, metavar="FILE", help="ends in .parquet, .npy, .tsv or .zip (projector)"
    )
    command = add("export-map", export.export_map, export.show_export_map, export.ABOUT_MAP, space, *shared)
    command.add_argument("file", type=option_types.path, metavar="FILE.html", help="the file to write")
    help_ = "thumbnails of at most N photos (default: as many as fit into 12 MB)"
    command.add_argument("--photos", type=option_types.dimension, metavar="N", help=help_)


def add_label_commands(add: Add, space: argparse.ArgumentParser, *shared: argparse.ArgumentParser) -> None:
    """The commands about labels."""
    add("suspects", labels.suspects, labels.show_suspects, labels.ABOUT_SUSPECTS, space, *shared)
    command = add("sample", sample.sample, sample.show_sample, sample.ABOUT, space, *shared)
    command.add_argument("count", type=option_types.positive, metavar="N", help="how many photos, at most 1,000")
    command.add_argument("--method", choices=sample.METHODS, default=sample.METHODS[0])
    help_ = "write a table with an empty column of labels"
    command.add_argument("--table", type=option_types.path, metavar="FILE.csv", help=help_)
    command = add("relabel", labels.relabel, labels.show_relabel, labels.ABOUT_RELABEL)
    decisions = command.add_mutually_exclusive_group(required=True)
    decisions.add_argument(
        "file", type=option_types.path, nargs="?", metavar="FILE.csv", help="actions: keep, relabel, exclude"
    )
    decisions.add_argument("--clear", action="store_true", help="take the review away")
