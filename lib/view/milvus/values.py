"""How the Milvus page writes values that an engine may not tell."""

from __future__ import annotations

NOT_EXPOSED = "not exposed"


def known_or_not(value: object) -> str:
    """A value for the screen; None becomes "not known"."""
    return "not known" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
