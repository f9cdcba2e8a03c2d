"""The address of the link to Home in the navigation.

Streamlit gives the link to the main script no address, which a browser takes for the current page: opened in a new tab
or copied, it led to the page that it stood on.
"""

from __future__ import annotations

from lib.view.components import assets


def complete(container: str) -> None:
    """Give the link in the container with this key the address of the app's root."""
    assets.component("home_link")(data={"container": container}, key=f"{container}_address")
