"""Pictures of figures with their provenance: in what Plotly's camera saves, and as SVG beside it (`figure_files.js`).

The browser draws them, so nothing has to be installed; the figures themselves need not know.
"""

from __future__ import annotations

from lib.view.components import assets


def complete(provenance: str, key: str) -> None:
    """Put `provenance` into every picture of a figure that is saved from this page."""
    assets.component("figure_files")(data={"provenance": provenance}, key=key)
