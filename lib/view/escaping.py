"""Text that came from file names or engines, escaped for what shows it: Plotly reads some HTML, Streamlit Markdown."""

from __future__ import annotations

import html


def text(value: object) -> str:
    """`value` for a label or a hover box: nothing in it is read as HTML."""
    return html.escape("".join(letter if letter.isprintable() else "�" for letter in str(value)))


def plain(text: str) -> str:
    """Text from outside (a file name, an engine's answer) shown as it is: only our own `commands` are Markdown."""
    kept = "".join(letter if letter.isprintable() else "�" for letter in text)
    parts = kept.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is no command of ours
        parts = [kept.replace("`", "'")]
    return "".join(
        f"`{part}`" if place % 2 and part.strip() else "".join(_literal(letter) for letter in part)
        for place, part in enumerate(parts)
    )


def _literal(letter: str) -> str:
    return f"\\{letter}" if letter in r"\*_{}[]()#+-!|~$<>:&" else letter
