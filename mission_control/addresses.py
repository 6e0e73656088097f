"""The address of a client, as far as it can be trusted."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

from django.conf import settings


class HasMeta(Protocol):
    """A request of Django or of DRF."""

    @property
    def META(self) -> dict[str, str]: ...  # noqa: N802 - Django's name


# A proxy sends at least one of these, even if the settings know no proxy.
_PROXY_HEADERS = ("FORWARDED", "VIA", "X_REAL_IP", *(f"X_FORWARDED_{name}" for name in ("FOR", "HOST", "PROTO")))


def client_address(request: HasMeta) -> IPv4Address | IPv6Address | None:
    """Return the client's address; None if it cannot be trusted.

    Each proxy appends the address of its own client to X-Forwarded-For, so the client's address is the entry
    NUM_PROXIES from the end; the client itself may have sent any entry before it. The server may have copied such
    an entry to REMOTE_ADDR, so the header decides if it is present. A header that our proxies cannot have sent is
    not trusted, and neither is REMOTE_ADDR then, which may be a proxy that the settings do not know.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if forwarded is None:
        return _address(request.META.get("REMOTE_ADDR", ""))
    hops, proxies = forwarded.split(","), settings.NUM_PROXIES
    return _address(hops[-proxies]) if 1 <= proxies <= len(hops) else None


def is_from_this_machine(request: Any) -> bool:
    """Return whether a program on this machine sent the request, directly and to a loopback address.

    The settings do not show where a server listens: `uvicorn --host 0.0.0.0` does not change `HOST`. So both ends
    of the connection count. A request with a proxy's header may come from anywhere, and so may one through a
    socket file.
    """
    if any(f"HTTP_{name}" in request.META for name in _PROXY_HEADERS):
        return False
    ends = [request.META.get("REMOTE_ADDR", "")]
    if (scope := getattr(request, "scope", None)) is not None:
        ends.append((scope.get("server") or ("",))[0])
    addresses = [_address(end) for end in ends]
    return all(address is not None and address.is_loopback for address in addresses)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
