"""Whom the section `[access]` lets in: every claim and every entry that is not exactly right lets nobody in."""

from __future__ import annotations

import time

import pytest

from lib.access import AccessList, access_list, is_verified, split_address
from lib.errors import AccessError

SECTION = {"emails": ["Ada@example.org", "kim@example.org", "@Garden.example"]}


def list_of(**section: object) -> AccessList:
    access = access_list({"auth": {}, "access": section})
    assert access is not None
    return access


@pytest.mark.parametrize(
    "email", ["ada@example.org", "ADA@EXAMPLE.ORG", "rose@garden.example", "o'neil+x@garden.example"]
)
def test_a_listed_address_is_let_in(email: str) -> None:
    assert list_of(**SECTION).admits(email, True)


@pytest.mark.parametrize(
    "email",
    [
        "bob@example.org",
        "rose@evil-garden.example",
        "rose@sub.garden.example",
        "rose@garden.example.evil.example",
        "rose@garden.example@evil.example",
        "rose@evil.example@garden.example",
        # Letters that are no ASCII, and become it or look like it
        "\u212aim@example.org",
        "kim@e\u0445ample.org",
        "\uff4bim@example.org",
        "ro\u017fe@garden.example",
        "rose@g\u0430rden.example",
        "rose@garden\u3002example",
        "ro\u200bse@garden.example",
        "ro\u00e9se@garden.example",
        # Whitespace, control characters and dots around or within
        " ada@example.org",
        "ada@example.org ",
        "ada@example.org\n",
        "ada@example.org\x00",
        "ada\t@example.org",
        "ada@ example.org",
        "rose@garden.example.",
        "rose@.garden.example",
        "rose@garden..example",
        "\u00a0ada@example.org",
        # More, or less, than one address
        "ada@example.org,eve@evil.example",
        "eve@evil.example,ada@example.org",
        "eve,ada@example.org",
        "eve;rose@garden.example",
        "Ada <ada@example.org>",
        "<ada@example.org>",
        "mailto:ada@example.org",
        '"rose"@garden.example',
        '"eve@evil.example"@garden.example',
        "rose(eve)@garden.example",
        "rose\\@garden.example",
        "@garden.example",
        "@",
        "rose@",
        "garden.example",
        "",
        "r" * 65 + "@garden.example",
        # No text
        None,
        True,
        ["ada@example.org"],
        ("ada@example.org",),
        {"ada@example.org": True},
        b"ada@example.org",
    ],
)
def test_every_other_email_claim_is_refused(email: object) -> None:
    assert not list_of(**SECTION).admits(email, True)
    assert not list_of(**SECTION, require_verified_email=False).admits(email, True)


@pytest.mark.parametrize("claim", [True, "true", "True", "TRUE"])
def test_a_verified_address(claim: object) -> None:
    assert is_verified(claim)
    assert list_of(**SECTION).admits("ada@example.org", claim)


@pytest.mark.parametrize(
    "claim",
    [False, None, "false", "False", "", " true", "true\n", "yes", "1", 1, 1.0, 0, [True], ["true"], {"true": 1}],
)
def test_an_address_that_is_not_verified_needs_the_switch(claim: object) -> None:
    assert not is_verified(claim)
    assert not list_of(**SECTION).admits("ada@example.org", claim)
    assert not list_of(**SECTION, require_verified_email=True).admits("ada@example.org", claim)
    switched_off = list_of(**SECTION, require_verified_email=False)
    assert switched_off.admits("ada@example.org", claim)
    assert not switched_off.admits("bob@example.org", claim)


@pytest.mark.parametrize(
    "entry",
    [
        "@",
        "",
        " ",
        "@ ",
        "@.",
        "@example",
        "@.example",
        "@garden.example.",
        "@garden..example",
        "@-garden.example",
        "@10.0.0.1",
        "@*.garden.example",
        "*@garden.example",
        "*",
        "@@garden.example",
        "garden.example",
        "ada",
        "ada@",
        "ada@example",
        "ada@@example.org",
        "ada@example.org@evil.example",
        " ada@example.org",
        "ada@example.org\n",
        "ada@example.org, @garden.example",
        "Ada <ada@example.org>",
        "mailto:ada@example.org",
        "\u212aim@example.org",
        "@g\u0430rden.example",
        "@garden\u3002example",
        "@" + "a" * 64 + ".example",
        "@" + "a." * 200 + "example",
        None,
        1,
        True,
        ["ada@example.org"],
        {"email": "ada@example.org"},
    ],
)
def test_a_malformed_entry_is_named(entry: object) -> None:
    with pytest.raises(AccessError, match="malformed entry") as raised:
        list_of(emails=["ada@example.org", entry])
    assert ascii(entry).strip("'")[:60] in str(raised.value)
    assert "@garden.example" in str(raised.value) and len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("secrets", "part"),
    [
        ({"access": {}}, "no `emails`"),
        ({"access": {"emails": []}}, "emails = `[]`"),
        ({"access": {"emails": "ada@example.org"}}, "ada@example.org"),
        ({"access": {"emails": {"ada": "ada@example.org"}}}, "not a list"),
        ({"access": "everybody"}, "not a section"),
        ({"access": None}, "not a section"),
        ({"access": [SECTION]}, "not a section"),
        ({"access": SECTION | {"require_verified_email": "false"}}, "'false'"),
        ({"access": SECTION | {"require_verified_email": 0}}, "`0`"),
        ({"access": SECTION | {"require_verified_email": None}}, "`None`"),
        ({"access": SECTION | {"require_verified_emails": False}}, "write `require_verified_email`"),
        ({"access": SECTION | {"Require_Verified_Email": True}}, "write `require_verified_email`"),
        ({"access": {"email": ["ada@example.org"]}}, "write `emails`"),
        ({"access": SECTION | {"blocked": ["eve@example.org"]}}, "'blocked'"),
        ({"auth": {}, "acess": SECTION}, "'acess'"),
        ({"auth": {}, "access ": SECTION}, "'access '"),
        ({"auth": {}, "Access": SECTION}, "'Access'"),
        ({"Auth": {"client_id": "x"}}, "write `[auth]`"),
        ({"auth": {"emails": ["ada@example.org"]}}, "'emails'"),
        ({"auth": {"access": SECTION}}, "'emails'"),
        ({"auth": {}, "emails": ["ada@example.org"]}, "'emails'"),
    ],
)
def test_a_malformed_or_misplaced_section_is_named(secrets: dict[str, object], part: str) -> None:
    with pytest.raises(AccessError) as raised:
        access_list(secrets)
    assert part in str(raised.value) and any(remedy in str(raised.value) for remedy in (": write `", ": remove it"))


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        {"milvus": {"cloud": {"uri": "https://c.example"}}},
        {"auth": {"client_id": "x", "garden": {"client_id": "y"}}},
        {"auth": "x"},
        {"emails": ["ada@example.org"], "oauth": {"client_id": "x"}},  # no login, so no list of visitors either
    ],
)
def test_secrets_without_the_section_have_no_list(secrets: dict[str, object]) -> None:
    assert access_list(secrets) is None


def test_nothing_in_a_sentence_ends_its_code() -> None:
    with pytest.raises(AccessError) as raised:
        list_of(emails=["` **everybody** `\n# and more"])
    assert str(raised.value).count("`") % 2 == 0 and "\n" not in str(raised.value)
    assert "`' **" not in str(raised.value)  # a backtick of the entry would have ended the code there


def test_a_long_claim_costs_nothing() -> None:
    start = time.perf_counter()
    for letters in ("a", "@", "a.", "-", "a-", "a@"):
        assert split_address(letters * 1_000_000) is None
        assert split_address(f"a@{letters * 1_000_000}") is None
    assert time.perf_counter() - start < 1
