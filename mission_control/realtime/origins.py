"""Decide which origins may open a socket with a browser's session."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]  # scheme, host, port


def is_own(scope: dict[str, Any]) -> bool:
    """Return whether the page that opens the socket comes from this server or from an origin the operator trusts.

    Scheme, host and port must all match, as for a form: another port of the same host is another server, to which
    the browser sends the same cookies. A request without an Origin does not come from a page and is refused.
    """
    headers: dict[bytes, bytes] = dict(scope["headers"])
    origin = origin_of(headers.get(b"origin", b"").decode("latin-1"))
    return origin is not None and (origin == _own(scope, headers) or _is_trusted(origin))


def origin_of(text: str) -> Origin | None:
    """Parse an Origin header, with the scheme's default port filled in; return None for an invalid origin."""
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):  # for example `null`
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _own(scope: dict[str, Any], headers: dict[bytes, bytes]) -> Origin | None:
    """Return the origin that the request was sent to; None when its Host is not allowed."""
    host = headers.get(b"host", b"").decode("latin-1")
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return None
    return origin_of(f"{'https' if _is_secure(scope, headers) else 'http'}://{host}")


def _is_secure(scope: dict[str, Any], headers: dict[bytes, bytes]) -> bool:
    if settings.BEHIND_TLS:
        proto = headers.get(b"x-forwarded-proto", b"").decode("latin-1")
        if proto:
            # Traefik names the socket's own scheme, other proxies that of the request that asks for it.
            return proto.partition(",")[0].strip().lower() in {"https", "wss"}
    return scope.get("scheme") in {"wss", "https"}


def _is_trusted(origin: Origin) -> bool:
    return any(_matches(origin, trusted) for trusted in _trusted(settings.CSRF_TRUSTED_ORIGINS))


def _trusted(origins: Iterable[str]) -> Iterable[Origin]:
    return filter(None, (origin_of(text) for text in origins))


def _matches(origin: Origin, trusted: Origin) -> bool:
    """Compare two origins; `*.example.org` matches every subdomain, as in Django's check of forms."""
    host = trusted[1].removeprefix("*")
    return (origin[0], origin[2]) == (trusted[0], trusted[2]) and is_same_domain(origin[1], host)
