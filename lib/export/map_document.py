"""A map as one HTML file that opens without a network: points, classes, thumbnails, lasso, search, provenance.

The script is the pages' own map (`scatter.js`) beside `map_page.js`. A content security policy in the file allows that
script, that style and embedded pictures, and nothing else: no request leaves it, whatever a file or a class is called.
The file stays below `MOST_BYTES`: thumbnails are left out first, then, of very many points, all but a sample.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib import artifacts, documents, palette
from lib.data import thumbnails
from lib.data.catalog import Catalog
from lib.documents.export import ExportMapDocument
from lib.embed import spaces
from lib.embed.projection import Map
from lib.errors import ImageError, QueryError
from lib.export import point_columns, script_bundle, space_table
from lib.export.point_columns import Columns
from lib.export.space_files import check_target
from lib.prepare.workspace import Workspace
from lib.progress import Progress, no_progress
from lib.text import counted, shown_name

MOST_BYTES: Final = 12_000_000
# Points may take this share of the file, so that some photos fit beside them.
_POINTS_SHARE: Final = 0.75
# Px and quality of a thumbnail, and px of the cached one it is made from. WebP takes a third less room than JPEG.
SIDE, QUALITY, _CACHED = 96, 60, 160
_KEY: Final = "map"  # of the chart, among those of a document
_MOST_PHOTOS_IN_VIEW: Final = 100
_FRAME: Final = 60  # bytes around a thumbnail in the file, at most
ENDINGS: Final = (".html", ".htm")


def export(
    workspace: Workspace,
    space: str,
    target: Path,
    photos: int | None = None,
    progress: Progress = no_progress,
    laid_out: Map | None = None,
) -> ExportMapDocument:
    """Write a map of a space to `target`, with thumbnails of at most `photos` images (None: as many as fit): the UMAP
    map of `prepare`, or `laid_out`.

    Raises QueryError for a target that is no HTML file, ArtifactError when the space is not prepared or the file cannot
    be written.
    """
    start = time.perf_counter()
    if target.suffix.lower() not in ENDINGS:
        raise QueryError(f"{shown_name(target.name)} must end in {' or '.join(ENDINGS)}.")
    check_target(target)
    catalog, laid_out = workspace.catalog(), laid_out or workspace.map(space)
    columns = _columns(catalog, laid_out.xy)
    rows = columns.pop("drawn")
    content: dict[str, Any] = {
        "columns": columns,
        "photos": {},
        "provenance": origin_lines(workspace, space, catalog, laid_out),
    }
    name = spaces.get(space).title
    content["title"] = f"{workspace.state['dataset']['name']} · {name}"
    left_out = len(catalog.ids) - len(rows)
    sample = f" of {len(catalog.ids):,}, a random sample" if left_out else ""
    content["about"] = (
        f"Each point is a photo ({counted(len(rows), 'photo')}{sample}); similar vectors lie close together."
    )
    columns |= _settings(name, space, len(rows), content["provenance"])
    room = MOST_BYTES - len(document(content).encode())
    content["photos"] = thumbnails_of(workspace, catalog, rows, room, photos, progress)
    text = document(content).encode()
    with artifacts.replacing(target) as temporary:
        temporary.write_bytes(text)
    return {
        "space": spaces.get(space).name,
        "file": str(target),
        "points": len(rows),
        "photos": len(content["photos"]),
        "left_out": left_out,
        "classes": len(columns["classes"]),
        "bytes": len(text),
        "seconds": round(time.perf_counter() - start, 3),
    }


def origin_lines(workspace: Workspace, space: str, catalog: Catalog, laid_out: Map) -> dict[str, str]:
    """The provenance of a map as names and values."""
    origin = space_table.origin(workspace, space, catalog, laid_out)
    fidelity = origin["map"].get("fidelity", {})
    weights, title = origin["weights"], f"{spaces.get(space).title}, {spaces.get(space).dim:,}-d"
    images = counted(origin["images"], "image")
    made_from = f"those of {' and '.join(origin['made_from'])}" if origin["made_from"] else "none"
    measures = {name: value for name, value in fidelity.items() if isinstance(value, int | float)}
    return {
        "Data": f"{origin['dataset']}, {images}, fingerprint {origin['data_fingerprint'][:8]}",
        "Space": f"{title}, fingerprint {origin['space_fingerprint'][:8]}",
        "Weights": made_from if weights is None else f"{weights['name']}, SHA-256 {weights['sha256'][:8]}",
        "Map": ", ".join(
            f"{name} {value}" for name, value in origin["map"].items() if isinstance(value, str | int | float)
        ),
        "Fidelity": ", ".join(f"{name} {value:.4g}" for name, value in measures.items()),
        "Prepared": origin["prepared"],
        "Written": origin["made"],
        "Petalscope": origin["petalscope"],
    }


def _columns(catalog: Catalog, xy: np.ndarray) -> Columns:
    """The columns of all points, or of a sample whose columns fit."""
    most = len(catalog.ids)
    while True:
        columns = point_columns.columns_of(catalog.frame, xy, point_columns.sample_rows(len(catalog.ids), most))
        size = sum(len(value) for value in columns.values() if isinstance(value, str))
        if size <= _POINTS_SHARE * MOST_BYTES or most <= 1:
            return columns
        most = min(most - 1, int(most * 0.95 * _POINTS_SHARE * MOST_BYTES / size))


def _settings(title: str, space: str, points: int, provenance: dict[str, str]) -> dict[str, Any]:
    """What the chart takes beside the points; `_coloured` adds the colours."""
    return {
        "key": _KEY,
        "plane": space,
        "title": f"{title}: {counted(points, 'photo')}, coloured by class",
        "names": None,
        "scale": None,
        "values": None,
        "stops": None,
        "follows": False,
        "lit": None,
        "lines": None,
        "photos": [],
        "max_photos": _MOST_PHOTOS_IN_VIEW,
        "ink": palette.QUERY,
        "lasso": True,
        "link": None,
        "provenance": "\n".join(f"{name}: {value}" for name, value in provenance.items()),
    }


def _coloured(columns: Columns) -> Columns:
    """`columns` with the colours of the classes: the code of a point's colour is that of its class."""
    colours = palette.class_colours(columns["classes"])
    shown = [colours[name] for name in columns["classes"]]
    legend = [
        {"name": name, "code": code, "colour": colour}
        for code, (name, colour) in enumerate(zip(columns["classes"], shown, strict=True))
    ]
    return {**columns, "codes": columns["labels"], "palette": shown, "legend": legend}


def thumbnails_of(
    workspace: Workspace,
    catalog: Catalog,
    rows: np.ndarray,
    room: int,
    most: int | None,
    progress: Progress = no_progress,
) -> dict[str, str]:
    """Thumbnails (WebP as base64) by row, of at most `most` of the images in `rows`, in at most `room` bytes of JSON.

    The classes take turns, each in a random order that is always the same. An image whose file is gone has none.
    """
    order = _in_turn(np.asarray(catalog.labels, dtype=object)[rows])
    wanted = rows[order] if most is None else rows[order][:most]
    folder = workspace.settings.artifacts / "thumbnails"
    found: dict[str, str] = {}
    for done, row in enumerate(wanted.tolist(), start=1):
        try:
            picture = thumbnails.thumbnail_image(catalog.path(catalog.ids[row]), catalog.hashes[row], _CACHED, folder)
        except ImageError:
            continue
        picture.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=QUALITY, method=2)
        text = base64.b64encode(buffer.getvalue()).decode()
        room -= len(text) + len(str(row)) + len('"": "", ')
        if room < _FRAME:
            break
        found[str(row)] = text
        if done % 50 == 0:
            progress(done, len(wanted))
    return found


def _in_turn(labels: np.ndarray) -> np.ndarray:
    """An order of images (n,) in which every class has its first before any has its second, and so on."""
    shuffled = np.random.default_rng(0).permutation(len(labels))
    turns: dict[str, int] = {}
    turn = np.empty(len(labels), dtype=np.int64)
    for place in shuffled:
        turns[labels[place]] = turn[place] = turns.get(labels[place], -1) + 1
    return np.asarray(shuffled[np.argsort(turn[shuffled], kind="stable")])


def document(content: dict[str, Any]) -> str:
    """The HTML text of a map: `content` as data, beside the script that draws it."""
    folder = script_bundle.FOLDER
    scatter, page = folder / "scatter.js", folder / "map_page.js"
    script = (
        '"use strict";\n'
        f"const scatter = {script_bundle.expression(scatter)};\nconst drawMap = {script_bundle.expression(page)};\n"
        'const content = JSON.parse(document.getElementById("content").textContent);\n'
        'drawMap(scatter, document.getElementById("petalscope-map"), content);\n'
    )
    style = (script_bundle.styles(scatter) or "") + (script_bundle.styles(page) or "")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    data = documents.json_text({**content, "columns": _coloured(content["columns"])})
    for letter in "<>&":  # so that no name ends the element that holds it
        data = data.replace(letter, f"\\u{ord(letter):04x}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.escape(content['title'])}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        '<div class="petalscope-map" id="petalscope-map"><noscript>This map needs JavaScript.</noscript></div>\n'
        f'<script type="application/json" id="content">{data}</script>\n<script>{script}</script>\n'
        "</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    """`text` as a source of a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
