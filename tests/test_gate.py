"""Who is let in, and what happens when secrets.toml cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from lib.settings import Settings
from lib.view import gate

LISTED = {"emails": ["Ada@example.org", "@garden.example"]}


@pytest.mark.parametrize(
    ("mail", "verified", "access", "let_in"),
    [
        ("ada@example.org", True, LISTED, True),
        ("ADA@EXAMPLE.ORG", None, LISTED, True),  # not every provider says whether it checked
        ("ada@example.org", False, LISTED, False),
        ("bob@example.org", True, LISTED, False),
        ("rose@garden.example", True, LISTED, True),
        ("rose@evil-garden.example", True, LISTED, False),
        ("rose@garden.example@evil.example", True, LISTED, False),
        ("", True, LISTED, False),
        ("garden.example", True, LISTED, False),
        ("bob@example.org", True, None, True),
        ("bob@example.org", True, {"emails": "bob@example.org"}, False),  # no list: a mistake lets nobody in
        ("bob@example.org", True, {}, False),
        ("bob@example.org", True, "everybody", False),
    ],
)
def test_who_is_let_in(mail: str, verified: object, access: object, let_in: bool) -> None:
    assert gate.welcome(mail, verified, access) is let_in


def opened_with(settings: Settings, start: Callable[[Settings], AppTest], secrets: dict[str, object]) -> AppTest:
    app = start(settings)
    app.secrets = secrets
    return app.run()


@pytest.mark.parametrize("text", ["[auth\nclient_id = ", "\x00", "[auth]\nclient_id = 'x'\nclient_id = 'y'"])
def test_a_file_that_makes_no_sense_opens_nothing(
    text: str, tmp_path: Path, prepared: Settings, start: Callable[[Settings], AppTest]
) -> None:
    file = tmp_path / "secrets.toml"
    before = config.get_option("secrets.files")
    file.write_text(text, encoding="utf-8")
    config.set_option("secrets.files", [str(file)])
    try:
        app = start(prepared)
    finally:
        config.set_option("secrets.files", before)
    assert not app.title and not app.exception
    assert "not readable TOML" in app.error[0].value


@pytest.mark.parametrize(
    "secrets", [{"auth": {"cookie_secret": "x"}}, {"auth": "x"}, {"access": {"emails": ["ada@example.org"]}}]
)
def test_a_login_that_nobody_can_use_opens_nothing(
    prepared: Settings, start: Callable[[Settings], AppTest], secrets: dict[str, object]
) -> None:
    app = opened_with(prepared, start, secrets)
    assert not app.title and not app.exception
    assert "client_id" in app.error[0].value


def test_secrets_without_a_login_leave_the_pages_open(prepared: Settings, start: Callable[[Settings], AppTest]) -> None:
    app = opened_with(prepared, start, {"milvus": {"cloud": {"uri": "https://c.example", "token": "t"}}})
    assert app.title[0].value == "Petalscope"


def test_every_provider_has_its_button(prepared: Settings, start: Callable[[Settings], AppTest]) -> None:
    app = opened_with(prepared, start, {"auth": {"client_id": "x", "garden": {"client_id": "y"}}})
    assert not app.title and [button.label for button in app.button] == ["Log in", "Log in with garden"]
