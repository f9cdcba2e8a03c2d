"""Who may use the app: the list `[access]` in `secrets.toml`, checked against the claims of a login provider.

Invariants:
- Every doubt refuses: a claim that is not exactly right admits nobody, and a section that is not is an error.
- Addresses are ASCII, which is checked before they are compared by casefold: casefold turns a Kelvin sign into a k.
- A domain is compared whole: `@garden.example` matches neither `evil-garden.example` nor `sub.garden.example`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any, Final

from lib import text
from lib.errors import AccessError

LOGIN: Final = "auth"  # Streamlit's section, which configures the login itself
SECTION: Final = "access"
EMAILS: Final = "emails"
REQUIRE_VERIFIED: Final = "require_verified_email"
_KEYS: Final = (EMAILS, REQUIRE_VERIFIED)
_LONGEST_ADDRESS = 254  # RFC 5321
# Local parts as providers send them: never quoted, and without `*`, which would look like a wildcard in a list.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'+/=?^_`{|}~.-]{1,64}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_EXAMPLE = '`emails = ["ada@example.org", "@garden.example"]`'


@dataclass(frozen=True)
class AccessList:
    """The admitted visitors: whole `addresses`, and `domains` without their @; both are ASCII and casefolded."""

    addresses: frozenset[str]
    domains: frozenset[str]
    require_verified_email: bool = True

    def trusts(self, email_verified: object) -> bool:
        """Whether an email claim with this claim `email_verified` may be believed."""
        return not self.require_verified_email or is_verified(email_verified)

    def admits(self, email: object, email_verified: object) -> bool:
        """Whether the visitor with these two claims, of any type, is admitted."""
        parts = split_address(email)
        if parts is None or not self.trusts(email_verified):
            return False
        local, domain = parts
        return f"{local}@{domain}" in self.addresses or domain in self.domains


def is_verified(claim: object) -> bool:
    """Whether the claim `email_verified` is `true`, or the word "true", which some providers send."""
    return claim is True or (isinstance(claim, str) and claim.casefold() == "true")


def split_address(email: object) -> tuple[str, str] | None:
    """Local part and domain, casefolded, of one bare ASCII address; None for anything else."""
    if not isinstance(email, str) or not email.isascii() or len(email) > _LONGEST_ADDRESS:
        return None
    local, _, domain = email.partition("@")  # a second @ would be in the domain, which allows none
    if not _LOCAL.fullmatch(local) or not _is_domain(domain):
        return None
    return local.casefold(), domain.casefold()


def access_list(secrets: Mapping[str, Any]) -> AccessList | None:
    """The list in the section `[access]` of `secrets`; None when there is no such section.

    Raises AccessError, which names the bad entry and its correction, when the section is malformed. Raises it, too,
    when the section stands in another place or under a similar name: overlooked, it would admit everybody.
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
            known = " and ".join(f"`{name}`" for name in _KEYS)
            remedy = f"write `{nearest[0]}`" if nearest else f"remove it; the options are {known}"
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
    """Raise AccessError when secrets without `[access]` have a misspelled `[access]` or `[auth]`, or stray options."""
    for name, value in secrets.items():
        # `[oauth]` may belong to another app on this machine, so `[auth]` is recognised only in another case.
        for section, least_similarity in ((SECTION, 0.8), (LOGIN, 1.0)):
            is_similar = SequenceMatcher(None, name.strip().casefold(), section).ratio() >= least_similarity
            if is_similar and name != section and isinstance(value, Mapping):
                raise AccessError(f"The section {_quoted(name)} has an unknown name: write `[{section}]`.")
    login = secrets.get(LOGIN)
    if not isinstance(login, Mapping):
        return
    tables = [secrets, login, *(value for value in login.values() if isinstance(value, Mapping))]
    for key in (key for table in tables for key in table):
        if key.casefold() in _KEYS:
            raise AccessError(f"{_quoted(key)} stands outside its section: write `[access]` on a line above it.")


def _is_entry(entry: object) -> bool:
    """Whether an entry of the list is an address, or an @ with a domain."""
    if isinstance(entry, str) and entry.startswith("@"):
        return _is_domain(entry[1:])
    return split_address(entry) is not None


def _is_domain(domain: str) -> bool:
    """Whether `domain` has at least two labels, none of them empty, and the last one is not a number."""
    labels = domain.split(".")
    return (
        len(domain) <= _LONGEST_ADDRESS
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def _quoted(value: object) -> str:
    """A value as code in a Markdown sentence; letters that only look like ASCII show as \\u escapes."""
    escaped = ascii(value).replace("`", "\\x60")
    return f"`{text.shortened(escaped, 80)}`"
