"""Home: what is ready, what is missing, and the button that prepares it."""

from __future__ import annotations

import streamlit as st

from lib.errors import PetalscopeError
from lib.prepare.workspace import Workspace
from lib.view import cached, page_frame
from lib.view.formatting import plain


def show(workspace: Workspace) -> None:
    """The checks of `doctor`, each with its remedy."""
    try:
        document = cached.readiness(workspace.version)
    except PetalscopeError as error:
        page_frame.restart_or_show_error(error)
        return
    for check in document["checks"]:
        icon = ":material/check_circle:" if check["ready"] else ":material/pending:"
        remedy = f" → {plain(check['remedy'])}" if check["remedy"] else ""
        st.markdown(f"{icon} **{check['name']}** · {plain(check['detail'])}{remedy}")
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    st.caption(f"Petalscope {document['version']} with {versions}; prepared {workspace.state['prepared']}")
    page_frame.prepare_button("Prepare again" if document["ready"] else "Prepare what is missing")
