"""On which address ports are published, and which of a container's bindings is meant.

One address family each time: where Docker publishes on all addresses it may choose another port
for IPv6 than for IPv4 (moby#42442), and another container's may be at the same number.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import Any


def publish_address(host: str) -> str:
    """Return the address on the daemon's side to publish on, for ports that `host` reaches.

    The same, where it is an address of this machine. All of one family where it is not: the
    daemon is elsewhere, or the tests are in a container and reach it by its machine's address.
    """
    host = literal(host)
    if is_loopback(host) or _is_ours(host):
        return host
    return "::" if ":" in host else "0.0.0.0"  # noqa: S104 - nothing narrower is reached from here


def host_port(bindings: Sequence[Mapping[str, Any]] | None, address: str) -> int | None:
    """Return the host's port among Docker's bindings of a container's port, None if there is none.

    address: what it was published on. Only bindings of its family count; its own goes first.
    """
    family = [each for each in bindings or () if is_of_family(each.get("HostIp", ""), address)]
    family.sort(key=lambda each: each.get("HostIp") != address)
    return next((int(each["HostPort"]) for each in family if each.get("HostPort")), None)


def is_of_family(found: str, address: str) -> bool:
    """Say whether two addresses are both of IPv6 or both of IPv4, which "" counts as."""
    return (":" in found) == (":" in address)


def is_loopback(host: str) -> bool:
    """Say whether `host` is this machine's loopback, by name or by address."""
    found = _address(literal(host))
    return found is not None and found.is_loopback


@functools.cache
def literal(host: str) -> str:
    """Return the IPv4 address of a name that is this machine's; any other host as it is.

    `localhost` is 127.0.0.1, whatever else the machine calls so; and so is "". What stands for all
    addresses is the loopback of its family.
    """
    host = host.strip("[]")
    if host.lower() in ("", "localhost"):
        return "127.0.0.1"
    if (address := _address(host)) is not None:
        return ("::1" if address.version == 6 else "127.0.0.1") if address.is_unspecified else host
    try:
        found = socket.gethostbyname(host)
    except (OSError, UnicodeError):
        return host
    return found if _is_ours(found) else host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_ours(host: str) -> bool:
    """Say whether an address is one of this machine, or container: only these can be bound to."""
    if (address := _address(host)) is None:
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
