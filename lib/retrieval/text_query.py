"""Queries by text: only the texts whose vectors came with an imported space; no model embeds others."""

from __future__ import annotations

from lib import limits
from lib.embed import imported_spaces, spaces
from lib.errors import QueryError
from lib.prepare.workspace import Workspace
from lib.retrieval.query import Query


def texts(workspace: Workspace, space: str) -> list[str]:
    """The texts that a space can be searched with, in the order of their file; none in most spaces."""
    return imported_spaces.texts(spaces.get(space), workspace.folder)


def spaces_with_texts(workspace: Workspace) -> list[str]:
    """The prepared spaces that can be searched by text."""
    return [name for name in workspace.spaces if (spaces.get(name).definition or {}).get("texts")]


def text_query(workspace: Workspace, space: str, text: str) -> Query:
    """The query that a text is in a space. Raises QueryError for a text without a vector, naming some that have one."""
    limits.check_length(text, "The text")
    name = spaces.get(space).name
    workspace.space(name)
    if name not in (able := spaces_with_texts(workspace)):
        where = f"texts can be searched in {', '.join(able)}" if able else "no space has texts with vectors"
        raise QueryError(f"The space {name} has no vectors of texts; {where}.")
    vector = imported_spaces.text_vector(spaces.get(name), workspace.folder, text)
    fingerprint = workspace.space(name)["fingerprint"]
    return Query(f"text “{text}”", None, [], None, f"text {fingerprint} {text}", vector, space=name, text=text)
