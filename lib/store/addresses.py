"""Milvus addresses: the path of a Lite store, or a server's URI with or without credentials and a database."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from lib.errors import Remedy, StoreError


def local_path(uri: str) -> Path | None:
    """The absolute path of a Lite store, or None if `uri` is a server's address. Raises StoreError for neither."""
    if not uri:
        raise StoreError("No Milvus address was given", remedy=Remedy.CHOOSE_STORE)
    if "://" in uri or uri.startswith("unix:"):
        scheme = uri.split(":", 1)[0].lower()
        if scheme not in {"http", "https", "tcp", "unix"}:
            raise StoreError(
                f"The Milvus address begins with {scheme!r}: use http://host:19530, https:// or a path ending in .db."
            )
        if scheme != "unix" and uri.endswith(".db"):
            # pymilvus would take the whole address for the path of a Lite store.
            raise StoreError("A server's address cannot end in .db: leave that part out.")
        return None
    uri = split_lite_database(uri)[0]
    if not uri.endswith(".db"):
        raise StoreError(
            f"{uri} is neither a Milvus Lite store (a path ending in .db) nor a server's address (such as "
            "http://localhost:19530): use one of these."
        )
    path = Path(uri).expanduser().absolute()
    real = path.resolve()
    return real if real.name.endswith(".db") else path  # one name per store, whatever links lead to it


def check_lite_path(path: Path) -> None:
    """Refuse paths on which Milvus Lite fails without a reason, or into which it would scatter its files."""
    if not path.parent.is_dir():
        raise StoreError(f"The folder {path.parent} for the Milvus Lite store does not exist: create it first.")
    if path.is_file():
        with path.open("rb") as file:
            is_version_2 = file.read(15) == b"SQLite format 3"
        if is_version_2:
            raise StoreError(
                f"{path} is a single-file database of Milvus Lite 2.x, which version 3 cannot read but `milvus-lite "
                "dump` of version 2.5 can export",
                remedy=Remedy.CHOOSE_STORE,
            )
        raise StoreError(f"{path} is a plain file, not a Milvus Lite store", remedy=Remedy.CHOOSE_STORE)
    if path.is_dir():
        names = {item.name for item in path.iterdir()}
        if names and not names & {"LOCK", "collections"}:
            raise StoreError(f"{path} is a folder with other contents, not a Milvus Lite store: name another path.")


def split_lite_database(uri: str) -> tuple[str, str]:
    """`/data/x.db#roses` → (`/data/x.db`, `roses`): a database of a Lite store; "" for its default one."""
    path, mark, database = uri.rpartition("#")
    return (path, database) if mark and path.endswith(".db") and "://" not in uri else (uri, "")


def split_database(address: str) -> tuple[str, str]:
    """`http://host:19530/roses` → (`http://host:19530`, `roses`): our addresses include the database."""
    if address.startswith("unix:"):
        return address, ""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path="", query="", fragment="")), unquote(parts.path.strip("/"))


def split_credentials(uri: str) -> tuple[str, str]:
    """`https://user:password@host/db` → (`https://host/db`, `user:password`); the first part can be shown."""
    if uri.startswith("unix:"):
        return uri, ""
    try:
        parts = urlsplit(uri)
    except ValueError:  # an unclosed bracket, which opening the store reports
        scheme, mark, rest = uri.partition("://")
        return f"{scheme}{mark}{rest.rpartition('@')[2]}", ""
    userinfo, at, host = parts.netloc.rpartition("@")
    return (urlunsplit(parts._replace(netloc=host)), unquote(userinfo)) if at else (uri, "")


def not_an_address(address: str) -> str:
    """The sentence for a text that `is_server_address` refuses."""
    try:
        host = urlsplit(address).netloc
        is_bare = isinstance(ip_address(host), IPv6Address)
    except ValueError:
        is_bare = False
    if is_bare:
        return f"{address} is not a server's address: IPv6 needs brackets, so write http://[{host}]:19530."
    return f"{address} is not a server's address: write http://host:19530."


def is_server_address(address: str) -> bool:
    """Whether an address names a host and a valid port, or a socket on this machine."""
    if address.startswith("unix:"):
        return True
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        host.encode("idna")  # the form in which it is looked up: no empty or overlong part
        return bool(host) and parts.port != 0
    except ValueError:
        return False
