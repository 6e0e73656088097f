"""Network addresses that a server named in an agent's options may not have."""

import asyncio
import ipaddress
import socket
from contextlib import suppress
from typing import Any

RESOLVE_SECONDS = 10
_METADATA = {
    ipaddress.ip_address(one)
    for one in (
        *("100.100.100.200", "192.0.0.192", "168.63.129.16"),  # Alibaba, Oracle, Azure
        *("fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe"),  # Amazon, Google, Oracle
    )
}
# IPv6 networks whose last 32 bits are an IPv4 address, to which a gateway (NAT64) or the system forwards.
_IPV4_INSIDE = [ipaddress.IPv6Network(one) for one in ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")]


async def addresses_of(host: str) -> list[str]:
    """Return the IP addresses of a host; none if it is unknown, which a connection to it reports as well."""
    found: list[Any] = []
    with suppress(OSError, TimeoutError, UnicodeError):
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def is_forbidden(address: str) -> bool:
    """Return whether an IP address is link-local or a cloud's metadata service."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(one.is_link_local or one in _METADATA for one in (ip, _ipv4_in(ip)) if one is not None)


def _ipv4_in(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address represents; None if it represents none."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if any(ip in network for network in _IPV4_INSIDE):
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.sixtofour


def is_inside(address: str) -> bool:
    """Return whether an IP address is not one of the public internet: loopback, private, reserved."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(not one.is_global or one.is_multicast for one in (ip, _ipv4_in(ip)) if one is not None)
