"""The network address behind a server's name, and the networks that no visitor may make this process call.

Invariants: the name is resolved once, every address that it stands for is checked, and exactly a checked address is
connected to. So neither how the name is written (other digits, invisible characters) nor a name server that changes
its answer leads around the check. The refusal is one sentence, made without a connection: it does not tell open ports
from closed ones. TLS still verifies the certificate against the name.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import quote, urlsplit

from lib.errors import StoreError

REFUSED: Final = (
    "This server's address is refused: it leads to a link-local network or to a service with secrets of this machine's "
    "cloud. Use the address of a Milvus server."
)
_PORTS: Final = {"https": 443}
_DEFAULT_PORT: Final = 19530

IPAddress = IPv4Address | IPv6Address

# Services from which clouds give a machine its credentials, outside the link-local networks: AWS and Google Cloud over
# IPv6, Alibaba Cloud, Oracle Cloud, Azure. From the providers' documentation of instance metadata.
_METADATA: Final = tuple(
    ip_network(text)
    for text in ("fd00:ec2::/32", "fd20:ce::/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32")
)
# Prefixes whose last 32 bits are an IPv4 address: NAT64 (RFC 6052, RFC 8215), IPv4-compatible and -translated ones.
_TAILS: Final = tuple(
    IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "::ffff:0:0/96")
)
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # bits 64 to 95, before an IPv4 address (RFC 5214)


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens. `host` is its name as written, which TLS verifies; `ip` is the checked address to connect
    to, "" to let each library resolve the name."""

    host: str
    port: int
    secure: bool
    ip: str = ""

    @property
    def target(self) -> tuple[str, int]:
        """What a socket connects to."""
        return self.ip or self.host, self.port

    @property
    def uri(self) -> str:
        """The URI for pymilvus, with the checked address if there is one."""
        host = self.ip or self.host
        # pymilvus drops the brackets of an IPv6 address; gRPC undoes percent-encoding, so that these brackets arrive.
        host = quote(f"[{host}]", safe="") if ":" in host else host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    @property
    def grpc_options(self) -> dict[str, Any]:
        """With a checked address, the name that TLS verifies and that the server sees."""
        if not self.ip:
            return {}
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {"grpc.ssl_target_name_override": self.host, "grpc.default_authority": f"{host}:{self.port}"}


def endpoint(address: str) -> Endpoint:
    """The endpoint of a server's address (http, https or tcp), which `addresses.is_server_address` has accepted."""
    parts = urlsplit(address)
    return Endpoint(
        parts.hostname or "", parts.port or _PORTS.get(parts.scheme, _DEFAULT_PORT), parts.scheme == "https"
    )


def resolved(unresolved: Endpoint) -> Endpoint:
    """The endpoint with the address that its name stands for now. Raises StoreError when there is none, or when one of
    the name's addresses is refused."""
    try:
        found = socket.getaddrinfo(unresolved.host, unresolved.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise StoreError(
            f"There is no host called {unresolved.host}: correct the address, or check the network."
        ) from None
    ips = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not ips or any(is_refused(ip) for ip in ips):
        raise StoreError(REFUSED)
    return replace(unresolved, ip=min(ips, key=lambda ip: ":" in ip))  # IPv4 first: servers listen on it by default


def is_refused(ip: str) -> bool:
    """Whether no visitor may make this process call `ip`, or an IPv4 address inside it."""
    try:
        outer = ip_address(ip)
    except ValueError:  # no address at all: nothing that a resolver returns
        return True
    return any(
        each.is_link_local or any(each in network for network in _METADATA) for each in (outer, *_embedded(outer))
    )


def _embedded(ip: IPAddress) -> Iterator[IPAddress]:
    """The IPv4 addresses to which networks translate or tunnel an IPv6 address."""
    if isinstance(ip, IPv4Address):
        return
    tail = IPv4Address(int(ip) & 0xFFFF_FFFF)
    if any(ip in network for network in _TAILS) or (int(ip) >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield tail
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
