"""Who is let in: the login that `.streamlit/secrets.toml` sets up, and whom it lists. Without one, everybody is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from lib import access
from lib.errors import AccessError


def secrets() -> Mapping[str, Any]:
    """What `.streamlit/secrets.toml` holds, nothing when there is no such file.

    One that cannot be read may ask for a login, so then the page ends, and says why.
    """
    if st.secrets.load_if_toml_exists():
        return st.secrets.to_dict()
    # Streamlit says the same of a file that is not there and of one that makes no sense.
    if any(Path(file).exists() for file in st.get_option("secrets.files")):
        st.error(
            "`.streamlit/secrets.toml` is not readable TOML. It may ask for a login, so nothing is shown before it is "
            "corrected (or removed).",
            icon=":material/key_off:",
        )
        st.stop()
    return {}


def guard() -> None:
    """End the page here unless this visitor may see it."""
    found = secrets()
    try:
        listed = access.access_list(found)
    except AccessError as error:
        st.error(f"Nobody is let in before `.streamlit/secrets.toml` is corrected: {error}", icon=":material/key_off:")
        st.stop()
    if access.LOGIN not in found and listed is None:
        return
    if not st.user.get("is_logged_in", False):
        # A list of visitors without a login, or a login that is no section, is a mistake: nobody is let in by it.
        logins = found.get(access.LOGIN)
        _ask(logins if isinstance(logins, Mapping) else {})
        st.stop()
    if listed is None:  # everybody whom the provider knows
        return
    verified = st.user.get("email_verified")
    if listed.admits(st.user.get("email"), verified):
        return
    st.error(
        "This account is not among those who may see this. Ask whoever runs the app to add it to `secrets.toml`."
        if listed.trusts(verified)
        else "The login provider does not say that it has verified this account's email address. Verify it there, or "
        f"ask whoever runs the app (docs/operations.md, *Letting others in*, `{access.REQUIRE_VERIFIED}`).",
        icon=":material/block:",
    )
    account()
    st.stop()


def account() -> None:
    """Who is logged in, and the way out; nothing where there is no login."""
    if st.user.get("is_logged_in", False):
        st.text(str(st.user.get("email") or st.user.get("name") or ""))  # not Markdown: it comes from outside
        st.button("Log out", on_click=st.logout, icon=":material/logout:", type="tertiary")


def _ask(asked: Mapping[str, Any]) -> None:
    st.subheader("Please log in")
    named = [name for name, entry in asked.items() if isinstance(entry, Mapping) and "client_id" in entry]
    for name in (["default"] if "client_id" in asked else []) + named:
        words = "Log in" if name == "default" else f"Log in with {name}"
        st.button(words, key=f"login_{name}", on_click=_log_in, args=(name,), type="primary", icon=":material/login:")
    if problem := st.session_state.pop("login_problem", None):
        st.error("The login that `secrets.toml` sets up does not work.", icon=":material/error:")
        st.text(problem)
    if not named and "client_id" not in asked:
        st.error("`secrets.toml` has no section `auth` that names a `client_id`, so nobody can log in: add it.")


def _log_in(name: str) -> None:
    from streamlit.errors import StreamlitAuthError

    try:
        st.login(None if name == "default" else name)
    except StreamlitAuthError as error:
        st.session_state["login_problem"] = str(error)
