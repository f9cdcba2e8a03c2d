"""The export of what the map page shows: the map as a file that opens offline, and its space for other programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from lib.embed import spaces
from lib.export import map_document, space_files
from lib.prepare.workspace import Workspace
from lib.view import page_controls
from lib.view.embedding_map.map_choice import DisplayedMap

LABEL = "Export"
MAP = "This map as HTML"
# Button and file ending of each format of a space.
FORMATS = {"Parquet": ".parquet", "NPY (zipped with its ids)": ".npy", "TensorBoard projector": ".zip"}
_MOST_BYTES = 200_000_000  # more vectors are not downloaded through the browser


def show(workspace: Workspace, shown: DisplayedMap) -> None:
    """Buttons that make a file each when they are clicked."""
    name, entry = spaces.get(shown.space).name, workspace.space(shown.space)
    with st.expander(LABEL, icon=":material/download:"):
        page_controls.download(MAP, partial(_map, workspace, shown), f"petalscope-map-{name}.html", "export_map")
        st.caption(
            f"One file, at most {map_document.MOST_BYTES / 1e6:.0f} MB, that opens without a network: points, as many "
            "thumbnails as fit, lasso, search, and where it comes from."
        )
        if entry["count"] * entry["dim"] * (1 if spaces.get(name).pixels else 4) > _MOST_BYTES:
            st.caption(f"The vectors are too many for a download: `python -m lib export {name} {name}.parquet`.")
            return
        for title, ending in FORMATS.items():
            file = f"petalscope-{name}{'.npy.zip' if ending == '.npy' else ending}"
            page_controls.download(title, partial(_space, workspace, name, ending), file, f"export_{ending}")
        st.caption(
            "The vectors of this space with ids, classes and splits. Parquet also has places, neighbours, traits and "
            "tags, and opens in pandas, Hugging Face datasets and Embedding Atlas."
        )


def _map(workspace: Workspace, shown: DisplayedMap) -> bytes:
    return _written(
        f"map{map_document.ENDINGS[0]}",
        lambda target: map_document.export(workspace, shown.space, target, laid_out=shown.original),
    )


def _space(workspace: Workspace, space: str, ending: str) -> bytes:
    return _written(f"{space}{ending}", lambda target: space_files.export(workspace, space, target))


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    """The file that `write` makes under this name; several files as one archive."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "files"
        inside.mkdir()
        write(inside / name)
        if len(list(inside.iterdir())) == 1:
            return (inside / name).read_bytes()
        return Path(shutil.make_archive(str(Path(folder) / "all"), "zip", inside)).read_bytes()
