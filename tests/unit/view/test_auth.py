"""lib.view.auth: who may see the pages, and what happens when secrets.toml cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from lib.settings import Settings
from lib.view import auth

PAGES = (
    "Home.py",
    "pages/1_Training_Regimes.py",
    "pages/2_Embedding_Map.py",
    "pages/3_Retrieval.py",
    "pages/4_Milvus_Collection.py",
)
LOGIN = {"auth": {"client_id": "x"}}
LISTED = {"emails": ["Ada@example.org", "@garden.example"]}
ADA = {"is_logged_in": True, "email": "ada@example.org"}


def opened_with(
    settings: Settings,
    start: Callable[[Settings], AppTest],
    secrets: dict[str, object],
    user: dict[str, object] | None = None,
) -> AppTest:
    app = start(settings)
    app.secrets = secrets
    app.user = user or {}
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
    assert app.error[0].value == auth.UNREADABLE


@pytest.mark.parametrize(
    "secrets", [{"auth": {"cookie_secret": "x"}}, {"auth": "x"}, {"access": {"emails": ["ada@example.org"]}}]
)
def test_a_login_that_nobody_can_use_opens_nothing(
    prepared: Settings, start: Callable[[Settings], AppTest], secrets: dict[str, object]
) -> None:
    app = opened_with(prepared, start, secrets)
    assert not app.title and not app.exception
    assert app.error[0].value == auth.NO_CLIENT_ID


def test_secrets_without_a_login_leave_the_pages_open(prepared: Settings, start: Callable[[Settings], AppTest]) -> None:
    app = opened_with(prepared, start, {"milvus": {"cloud": {"uri": "https://c.example", "token": "t"}}})
    assert app.title[0].value == "Petalscope"


def test_every_provider_has_its_button(prepared: Settings, start: Callable[[Settings], AppTest]) -> None:
    app = opened_with(prepared, start, {"auth": {"client_id": "x", "garden": {"client_id": "y"}}})
    assert not app.title and [button.label for button in app.button] == [auth.LOG_IN, f"{auth.LOG_IN} with garden"]


@pytest.mark.parametrize(
    ("claims", "access", "sentence"),
    [
        ({"email_verified": True}, LISTED, None),
        ({"email_verified": "true"}, LISTED, None),
        ({"email_verified": False}, None, None),  # without a list everybody whom the provider knows
        ({}, LISTED | {"require_verified_email": False}, None),
        ({}, LISTED, auth.NOT_VERIFIED),
        ({"email_verified": None}, LISTED, auth.NOT_VERIFIED),
        ({"email_verified": "false"}, LISTED, auth.NOT_VERIFIED),
        ({"email_verified": False}, LISTED, auth.NOT_VERIFIED),
        ({"email_verified": True, "email": "bob@example.org"}, LISTED, auth.NOT_LISTED),
        ({"email_verified": True, "email": ["ada@example.org"]}, LISTED, auth.NOT_LISTED),
        ({"email": "bob@example.org"}, LISTED | {"require_verified_email": False}, auth.NOT_LISTED),
    ],
)
def test_the_claims_of_a_login_decide(
    prepared: Settings,
    start: Callable[[Settings], AppTest],
    claims: dict[str, object],
    access: dict[str, object] | None,
    sentence: str | None,
) -> None:
    app = opened_with(prepared, start, LOGIN | ({"access": access} if access else {}), ADA | claims)
    assert not app.exception
    if sentence is None:
        assert app.title[0].value == "Petalscope"
    else:
        assert not app.title and [error.value for error in app.error] == [sentence]


@pytest.mark.parametrize("user", [{}, ADA | {"email_verified": True}])
@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        (LOGIN | {"access": {"emails": ["ada@example.org", "@"]}}, "`'@'`"),
        (LOGIN | {"access": {"emails": ["ada@example.org"], "require_verified_mail": True}}, "'require_verified_mail'"),
        ({"access": {"emails": "ada@example.org"}}, "'ada@example.org'"),
        (LOGIN | {"acces": LISTED}, "'acces'"),
    ],
)
def test_a_malformed_list_opens_nothing_on_any_page(
    prepared: Settings,
    start: Callable[[Settings], AppTest],
    secrets: dict[str, object],
    named: str,
    user: dict[str, object],
) -> None:
    app = opened_with(prepared, start, secrets, user)
    for page in PAGES:
        app.switch_page(page).run()
        assert not app.exception and not app.title and not app.button and not app.sidebar.children, page
        assert len(app.error) == 1 and named in app.error[0].value and "write" in app.error[0].value, page
