"""The OpenAPI schema, and a page that shows it. The page and its scripts are served from this host."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer2
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer, TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


@cache
def schema() -> dict[str, Any]:
    """Return the whole schema. It depends only on the code and the settings, so it is cached."""
    whole: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return whole


class SchemaView(APIView):
    """The schema itself: OpenAPI 3.1, as JSON or YAML."""

    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer, OpenApiJsonRenderer, OpenApiYamlRenderer2]
    answers = {"get": OpenApiTypes.OBJECT}

    def get(self, request: Request) -> Response:
        return Response(schema())


class DocsView(SpectacularSwaggerSplitView):
    """The schema as a page, on which requests can be tried."""

    permission_classes = [IsAuthenticated]
    renderer_classes = [TemplateHTMLRenderer, JSONRenderer]
    template_name = "api/docs.html"
    url_name = "api-schema"

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error as the rest of the API does; as a page only if the client accepts HTML."""
        if "text/html" not in self.request.headers.get("Accept", ""):
            self.request.accepted_renderer = JSONRenderer()
            self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)
