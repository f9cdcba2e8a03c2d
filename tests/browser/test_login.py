"""The login in secrets.toml, with a provider on this machine: nobody sees a page without it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from lib.settings import Settings
from lib.view import auth, server_gate
from tests.helpers import browser_driver
from tests.helpers.login_server import Provider, provider

pytestmark = browser_driver.MARKS
PAGES = ("", "Training_Regimes", "Embedding_Map", "Retrieval", "Milvus_Collection")


@pytest.fixture(scope="module")
def logins() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(prepared: Settings, logins: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    copy = tmp_path_factory.mktemp("guarded") / "artifacts"
    shutil.copytree(prepared.artifacts, copy)
    secrets = f"""
        [auth]
        redirect_uri = "ADDRESS/oauth2callback"
        cookie_secret = "a secret for the tests, of more than thirty-two bytes"
        client_id = "petalscope"
        client_secret = "only for the tests"
        server_metadata_url = "{logins.address}/.well-known/openid-configuration"
        [access]
        emails = ["ada@example.org", "kim@example.org", "@garden.example"]
    """
    assert prepared.data is not None
    with browser_driver.serving(prepared.data, copy, secrets=secrets) as address:
        yield address


def _wait_for_error(page, sentence: str) -> None:
    """Wait for an error box with the first words of a sentence, up to what Markdown changes in it."""
    page.get_by_test_id("stAlertContentError").get_by_text(re.split(r"[`*]", sentence)[0].strip()).wait_for()


def test_pages_open_after_a_login_and_only_to_those_who_are_listed(chromium, guarded: str, logins: Provider) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    for path in PAGES:
        page.goto(f"{guarded}/{path}")
        page.get_by_role("button", name=auth.LOG_IN).wait_for()
        assert page.locator("h1").count() == 0, path
        assert page.locator('[data-testid="stMain"] img').count() == 0, path
    logins.claims = {"email": "eve@elsewhere.example", "email_verified": True}
    page.get_by_role("button", name=auth.LOG_IN).click()
    _wait_for_error(page, auth.NOT_LISTED)
    assert page.locator("h1").count() == 0
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name=auth.LOG_IN).wait_for()
    logins.claims = {"email": "Gardener@garden.example", "email_verified": True}
    page.get_by_role("button", name=auth.LOG_IN).click()
    page.locator("h1").first.wait_for()
    page.goto(f"{guarded}/Retrieval")
    page.locator("h1", has_text="Retrieval").wait_for()
    page.get_by_text("Gardener@garden.example").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name=auth.LOG_IN).wait_for()
    context.close()


def test_claims_that_prove_no_listed_address_let_nobody_in(chromium, guarded: str, logins: Provider) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(guarded)
    for claims, sentence in (
        ({"email": "ada@example.org"}, auth.NOT_VERIFIED),
        ({"email": "ada@example.org", "email_verified": "false"}, auth.NOT_VERIFIED),
        ({"email": "\u212aim@example.org", "email_verified": True}, auth.NOT_LISTED),
        ({"email": ["ada@example.org"], "email_verified": True}, auth.NOT_LISTED),
    ):
        logins.claims = claims
        page.get_by_role("button", name=auth.LOG_IN).click()
        _wait_for_error(page, sentence)
        assert page.locator("h1").count() == 0, claims
        page.get_by_role("button", name="Log out").click()
    logins.claims = {"email": "ada@example.org", "email_verified": "true"}
    page.get_by_role("button", name=auth.LOG_IN).click()
    page.locator("h1").first.wait_for()
    context.close()


def test_nobody_uploads_before_the_login(chromium, guarded: str, logins: Provider) -> None:
    """The visitor's own browser sends the file, to the visitor's own session."""
    upload = """(sessions) => Promise.all(sessions.map(async (session) => {
        const token = (document.cookie.match(/_streamlit_xsrf=([^;]+)/) || [])[1];
        const body = new FormData();
        body.append('file', new Blob([new Uint8Array(1000)]), 'a.jpg');
        for (let attempt = 1; ; attempt++) {
            try {
                const answer = await fetch(`/_stcore/upload_file/${session}/one`, {
                    method: 'PUT', body, headers: {'X-Xsrftoken': token}});
                return [answer.status, await answer.text()];
            } catch (error) {  // a refusal that closes the connection before the body has arrived
                if (attempt === 5) throw error;
            }
        }
    }))"""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sessions: set[str] = set()  # all that looks like the name of one

    def read(frame: str | bytes) -> None:
        found = re.findall(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", frame if isinstance(frame, bytes) else b"")
        sessions.update(name.decode() for name in found)

    page.on("websocket", lambda socket: socket.on("framereceived", read))
    logins.claims = {"email": "ada@example.org", "email_verified": True}
    page.goto(guarded)
    page.get_by_role("button", name=auth.LOG_IN).wait_for()
    assert sessions
    assert {tuple(answer) for answer in page.evaluate(upload, sorted(sessions))} == {(403, server_gate.LOG_IN_FIRST)}
    assert page.evaluate("async () => (await fetch('/_stcore/metrics')).status") == 404
    page.get_by_role("button", name=auth.LOG_IN).click()
    page.locator("h1").first.wait_for()
    assert [204, ""] in page.evaluate(upload, sorted(sessions))
    context.close()
