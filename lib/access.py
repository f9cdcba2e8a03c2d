"""Whom the section `[access]` of `secrets.toml` lets in, decided from the claims that a login provider sends.

Invariants:
- Every doubt refuses: a claim that is not exactly what is wanted lets nobody in, a section that is not makes no list.
- Addresses are ASCII, and are compared by casefold only after that was checked: casefold makes a k of a Kelvin sign.
- A domain is compared whole: `@garden.example` is neither `evil-garden.example` nor `sub.garden.example`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any, Final

from lib.errors import AccessError

LOGIN: Final = "auth"  # Streamlit's own section, which sets up the login itself
SECTION: Final = "access"
EMAILS: Final = "emails"
REQUIRE_VERIFIED: Final = "require_verified_email"
_KEYS: Final = (EMAILS, REQUIRE_VERIFIED)
_LONGEST_ADDRESS = 254  # what mail servers allow (RFC 5321)
# Local parts as providers send them. None is quoted, and none holds a `*`, which in a list would look like a wildcard.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'+/=?^_`{|}~.-]{1,64}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_EXAMPLE = '`emails = ["ada@example.org", "@garden.example"]`'


@dataclass(frozen=True)
class AccessList:
    """Who is let in. `addresses` are whole, `domains` stand without their @; both are ASCII and casefolded."""

    addresses: frozenset[str]
    domains: frozenset[str]
    require_verified_email: bool = True

    def trusts(self, email_verified: object) -> bool:
        """Whether the claim `email_verified` is good enough to believe the address beside it."""
        return not self.require_verified_email or is_verified(email_verified)

    def admits(self, email: object, email_verified: object) -> bool:
        """Whether the visitor with these two claims, of any type, is let in."""
        parts = split_address(email)
        if parts is None or not self.trusts(email_verified):
            return False
        local, domain = parts
        return f"{local}@{domain}" in self.addresses or domain in self.domains


def is_verified(claim: object) -> bool:
    """Whether the claim `email_verified` says yes: only `true` does, or the word "true", which some providers send."""
    return claim is True or (isinstance(claim, str) and claim.casefold() == "true")


def split_address(email: object) -> tuple[str, str] | None:
    """The local part and the domain of one bare ASCII address, casefolded; None for anything else."""
    if not isinstance(email, str) or not email.isascii() or len(email) > _LONGEST_ADDRESS:
        return None
    local, _, domain = email.partition("@")  # a second @ would be in the domain, which allows none
    if not _LOCAL.fullmatch(local) or not _is_domain(domain):
        return None
    return local.casefold(), domain.casefold()


def access_list(secrets: Mapping[str, Any]) -> AccessList | None:
    """The list in the section `[access]` of these secrets; None when there is no such section.

    Raises AccessError, which names the bad entry and how to correct it, when the section is malformed, or when
    something looks like it in another place or spelling: overlooked, it would let everybody in.
    """
    if SECTION not in secrets:
        _check_misplaced(secrets)
        return None
    section = secrets[SECTION]
    if not isinstance(section, Mapping):
        raise AccessError(f"`access` is not a section: write `[access]`, and below it {_EXAMPLE}.")
    for key in section:
        if key not in _KEYS:
            nearest = get_close_matches(key.casefold(), _KEYS, 1)
            remedy = f"write `{nearest[0]}`" if nearest else f"remove it, since only {_words(_KEYS)} are known there"
            raise AccessError(f"`[access]` has an unknown option {_quoted(key)}: {remedy}.")
    required = section.get(REQUIRE_VERIFIED, True)
    if not isinstance(required, bool):
        raise AccessError(
            f"`{REQUIRE_VERIFIED}` in `[access]` is {_quoted(required)}: write `true` or `false`, without quotes."
        )
    entries = section.get(EMAILS)
    if not isinstance(entries, list) or not entries:
        state = "has no `emails`" if entries is None else f"has `emails = {_quoted(entries)}`, not a list of addresses"
        raise AccessError(f"`[access]` {state}: write {_EXAMPLE}.")
    for entry in entries:
        if not _is_entry(entry):
            raise AccessError(
                f"`emails` in `[access]` has a malformed entry {_quoted(entry)}: write one whole address "
                '(`"ada@example.org"`), or `"@garden.example"` for everybody of a domain, in ASCII and without spaces.'
            )
    return AccessList(
        addresses=frozenset(entry.casefold() for entry in entries if not entry.startswith("@")),
        domains=frozenset(entry[1:].casefold() for entry in entries if entry.startswith("@")),
        require_verified_email=required,
    )


def _check_misplaced(secrets: Mapping[str, Any]) -> None:
    """Raise AccessError when the secrets, which lack `[access]`, hold what was meant as that section or as `[auth]`."""
    for name, value in secrets.items():
        # `oauth` may be another app's, in the secrets of the whole machine, so of `auth` only the case may differ.
        for right, likeness in ((SECTION, 0.8), (LOGIN, 1.0)):
            alike = SequenceMatcher(None, name.strip().casefold(), right).ratio() >= likeness
            if alike and name != right and isinstance(value, Mapping):
                raise AccessError(f"The section {_quoted(name)} has an unknown name: write `[{right}]`.")
    logins = secrets.get(LOGIN)
    if not isinstance(logins, Mapping):
        return
    places = [secrets, logins, *(value for value in logins.values() if isinstance(value, Mapping))]
    for key in (key for place in places for key in place):
        if key.casefold() in _KEYS:
            raise AccessError(f"{_quoted(key)} stands outside its section: write `[access]` on a line above it.")


def _is_entry(entry: object) -> bool:
    """Whether an entry of the list is one address, or an @ with a domain."""
    if isinstance(entry, str) and entry.startswith("@"):
        return _is_domain(entry[1:])
    return split_address(entry) is not None


def _is_domain(domain: str) -> bool:
    """Whether this is a domain of at least two labels, none of them empty, the last of which is not a number."""
    labels = domain.split(".")
    return (
        len(domain) <= _LONGEST_ADDRESS
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def _quoted(value: object) -> str:
    """A value as it may stand in a sentence in Markdown: what looks like an ASCII letter and is none shows as \\u…."""
    text = ascii(value).replace("`", "\\x60")
    return f"`{text if len(text) <= 80 else text[:79] + '…'}`"


def _words(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)
