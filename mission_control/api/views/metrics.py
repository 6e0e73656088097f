"""`GET /metrics`, for Prometheus: by login, or from an address that the settings allow."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.permissions import ModelPermissions
from mission_control.metrics import REGISTRY
from mission_control.models import Run


class FromAllowedAddress(BasePermission):
    """The client's address is on the list."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        allowed = settings.METRICS_ALLOWED_ADDRESSES
        address = client_address(request) if allowed else None
        return address is not None and any(address in network for network in allowed)


class MetricsView(APIView):
    """Runs, slots, events and workers in Prometheus' text format."""

    queryset = Run.objects.all()
    permission_classes = [FromAllowedAddress | ModelPermissions]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = IgnoreAccept
    answers = {"get": {(200, "text/plain"): OpenApiTypes.STR}}

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(
            generate_latest(REGISTRY),
            content_type=CONTENT_TYPE_PLAIN_0_0_4,
            headers={"Cache-Control": "no-store"},
        )


def client_address(request: Request) -> IPv4Address | IPv6Address | None:
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
