"""Who may see the app: the login in `.streamlit/secrets.toml` and its access list. Without a login, everybody may."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from lib import access
from lib.errors import AccessError
from lib.view import remedies, server_gate

UNREADABLE = (
    "`.streamlit/secrets.toml` is not readable TOML. It may set up a login, so nothing is shown until it is corrected "
    "or removed."
)
NOT_LISTED = "This account is not on the access list. Ask the person who runs the app to add it to `secrets.toml`."
NOT_VERIFIED = (
    "The login provider does not confirm that it verified this account's email address. Verify the address there, or "
    "ask the person who runs the app (docs/operations.md, *Letting others in*, "
    f"`{access.REQUIRE_VERIFIED}`)."
)
NO_GATE = (
    "The server takes uploads before the login unless it is started by Home.py, so nobody can log in. Start it with "
    "`make run` or `streamlit run Home.py`."
)
NO_CLIENT_ID = "The section `auth` of `secrets.toml` has no `client_id`, so nobody can log in: add it."
LOG_IN = "Log in"


def secrets() -> Mapping[str, Any]:
    """The contents of `.streamlit/secrets.toml`, empty when there is no such file.

    A file that cannot be read may set up a login, so then the page ends with the reason.
    """
    if st.secrets.load_if_toml_exists():
        return st.secrets.to_dict()
    # Streamlit returns the same for a missing file and for one that is not valid.
    if any(Path(file).exists() for file in st.get_option("secrets.files")):
        st.error(UNREADABLE, icon=":material/key_off:")
        st.stop()
    return {}


def guard() -> None:
    """End the page here unless the visitor may see it."""
    is_admitted = False
    try:
        is_admitted = _is_admitted()
    finally:
        if not is_admitted:
            server_gate.dismiss()
    if not is_admitted:
        st.stop()
    server_gate.admit()


def _is_admitted() -> bool:
    """Whether the visitor may see the app; if not, the page shows how to log in, or why not."""
    contents = secrets()
    problem = NO_GATE if server_gate.is_missing() else ""
    access_list = None
    try:
        access_list = access.access_list(contents)
    except AccessError as error:
        problem = f"Nobody can log in until `.streamlit/secrets.toml` is corrected: {remedies.sentence(error)}"
    else:
        if access.LOGIN not in contents and access_list is None:
            return True
    if problem:
        st.error(problem, icon=":material/key_off:")
        return False
    if not st.user.get("is_logged_in", False):
        # An access list without a login, or a login that is no section, is a mistake: it opens nothing.
        login = contents.get(access.LOGIN)
        _show_login(login if isinstance(login, Mapping) else {})
        return False
    verified = st.user.get("email_verified")
    # Without a list, every account of the provider may.
    if access_list is None or access_list.admits(st.user.get("email"), verified):
        return True
    st.error(NOT_LISTED if access_list.trusts(verified) else NOT_VERIFIED, icon=":material/block:")
    account()
    return False


def account() -> None:
    """The account that is logged in, and a button to log out; nothing without a login."""
    if st.user.get("is_logged_in", False):
        st.text(str(st.user.get("email") or st.user.get("name") or ""))  # not Markdown: it comes from outside
        st.button("Log out", on_click=st.logout, icon=":material/logout:", type="tertiary")


def _show_login(login: Mapping[str, Any]) -> None:
    """A button for each provider in the section `auth`, and what is wrong with the section."""
    st.subheader("Please log in")
    providers = ["default"] if "client_id" in login else []
    providers += [name for name, entry in login.items() if isinstance(entry, Mapping) and "client_id" in entry]
    for name in providers:
        label = LOG_IN if name == "default" else f"{LOG_IN} with {name}"
        st.button(label, key=f"login_{name}", on_click=_log_in, args=(name,), type="primary", icon=":material/login:")
    if problem := st.session_state.pop("login_problem", None):
        st.error("The login in `secrets.toml` does not work; correct its section `auth`.", icon=":material/error:")
        st.text(problem)
    if not providers:
        st.error(NO_CLIENT_ID)


def _log_in(name: str) -> None:
    from streamlit.errors import StreamlitAuthError

    try:
        st.login(None if name == "default" else name)
    except StreamlitAuthError as error:
        st.session_state["login_problem"] = str(error)
