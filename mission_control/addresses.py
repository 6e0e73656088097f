"""The address of a client, as far as it can be believed."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from django.conf import settings


class HasMeta(Protocol):
    """A request of Django or of DRF."""

    @property
    def META(self) -> dict[str, str]: ...  # noqa: N802 - Django's name


def client_address(request: HasMeta) -> IPv4Address | IPv6Address | None:
    """Return the client's address as far as it can be believed; None where it cannot.

    Each proxy adds to X-Forwarded-For the address that it was called from: of NUM_PROXIES entries from the end the
    first is the client's, and what stands before is what the client says. The server may have put just that into
    REMOTE_ADDR, so with proxies the header decides. A header that no proxy of ours can have sent is not believed,
    and neither is the address of what may be a proxy that the settings do not know.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if forwarded is None:
        return _address(request.META.get("REMOTE_ADDR", ""))
    hops, proxies = forwarded.split(","), settings.NUM_PROXIES
    return _address(hops[-proxies]) if 1 <= proxies <= len(hops) else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
