"""How Django REST framework and drf-spectacular serve the API. Nothing here depends on the environment."""

from typing import Any

from mission_control import __version__

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mission_control.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mission_control.api.permissions.ModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "mission_control.api.renderers.BrowsableRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": [
        "mission_control.api.parsers.StrictJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "mission_control.api.schema.ContractSchema",
    "DEFAULT_FILTER_BACKENDS": ["mission_control.api.filters.ListFilters"],
    "DEFAULT_PAGINATION_CLASS": "mission_control.api.pagination.ListPagination",
    "EXCEPTION_HANDLER": "mission_control.api.errors.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mission Control",
    "DESCRIPTION": "A self-hosted control plane for AI agents. WebSockets are described in docs/websocket.md.",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/(mission-control|deep-work)|/api|",
    "PREPROCESSING_HOOKS": ["mission_control.api.schema.canonical"],
    "POSTPROCESSING_HOOKS": [],  # choices stay inline, without a named schema for each set
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PARSER_WHITELIST": ["mission_control.api.parsers.StrictJSONParser"],  # forms are for the browsable API
    "SORT_OPERATION_PARAMETERS": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
