"""What all figures share: text that came from file names is escaped, since Plotly reads some HTML in labels."""

from __future__ import annotations

import html


def text(value: object) -> str:
    """`value` for a label or a hover box: nothing in it is read as HTML."""
    return html.escape("".join(letter if letter.isprintable() else "�" for letter in str(value)))
