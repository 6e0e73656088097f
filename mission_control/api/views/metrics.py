"""`GET /metrics` for Prometheus: needs a login, or a client address that the settings allow."""

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from mission_control.addresses import client_address
from mission_control.api.negotiation import IgnoreAccept
from mission_control.api.permissions import ModelPermissions
from mission_control.models import Run
from mission_control.queries.metrics import REGISTRY


class FromAllowedAddress(BasePermission):
    """Allows clients whose address is in METRICS_ALLOWED_ADDRESSES."""

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
