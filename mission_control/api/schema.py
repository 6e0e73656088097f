"""The OpenAPI schema: derived from what views, serializers and filters already declare.

A new view needs no change here. An action other than the usual five must declare its answer in the `answers` (or
`lists`) of its view; otherwise the generation of the schema fails.

This is the one module that uses private interfaces of drf-spectacular 0.30: AutoSchema's underscore
methods and its registry of components. tests/compat/test_drf_spectacular.py shows what an upgrade changes.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from drf_spectacular.drainage import error
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from agents.backends import registry
from agents.rules import INVISIBLE
from mission_control.errors import NotFound, PlannerFailed, Refusal
from mission_control.planning.answers import GoalAnalysis

ID = {"type": "string", "format": "uuid"}
NO_NUL = r"^[^\x00]*$"
NOT_BLANK = rf"^[^\x00]*[^{INVISIBLE}][^\x00]*$"
SECONDS = {"type": "integer", "minimum": 1}


def canonical(endpoints: list[tuple]) -> list[tuple]:
    """Leave out the second form of each path, which ends with a slash."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


# ---------------------------------------------------------------- answers shared by many endpoints
class Deleted(serializers.Serializer):
    success = serializers.ChoiceField(choices=[True])
    message = serializers.CharField()


class Error(serializers.Serializer):
    detail = serializers.CharField()


class Conflict(Error):
    blocked_by = serializers.ListField(
        child=serializers.UUIDField(), required=False, help_text="The unfinished tasks that block the task."
    )
    hint = serializers.ChoiceField(
        choices=["follow_up"], required=False, help_text="The run has ended: a follow-up continues it."
    )


BAD_FIELDS = {
    "type": "object",
    "description": "Messages per invalid field. `detail` repeats the first.",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
    "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
}

ERRORS: dict[int, tuple[Any, str]] = {
    400: (None, "Invalid field or parameter, or invalid JSON."),
    401: (Error, "Not logged in, or the token is wrong, expired or revoked."),
    403: (Error, "The user lacks the permission."),
    404: (Error, "There is no object with this id, or the id is malformed."),
    406: (Error, "The Accept header allows none of the available formats."),
    409: (Conflict, "The object has an active run, is blocked, or refers to something that has just changed."),
    413: (Error, "The body is too large."),
    415: (Error, "The body's content type is not application/json."),
    429: (Error, "All slots are busy, or the user has too many open streams."),
    502: (Error, "The planner failed, was stopped, or was silent for too long."),
    503: (Error, "The database is unavailable at the moment."),
}

HEADERS = [
    OpenApiParameter(
        name, schema, OpenApiParameter.HEADER, required=True, response=statuses, description=description
    )
    for name, schema, statuses, description in (
        ("WWW-Authenticate", {"type": "string", "enum": ["Bearer"]}, [401], "The accepted way to log in."),
        ("Retry-After", SECONDS, [429, 503], "Seconds until you may try again."),
    )
]


@cache
def one_of(envelope: str, reader: type[serializers.BaseSerializer]) -> type[serializers.Serializer]:
    """Return the serializer of an object in its envelope. Cached, so that each component has one class."""
    return type(f"{_camel(envelope)}Answer", (serializers.Serializer,), {envelope: reader()})


@cache
def list_of(envelope: str, reader: type[serializers.BaseSerializer]) -> type[serializers.Serializer]:
    """Return the serializer of a page of objects in its envelope."""
    fields = {
        envelope: reader(many=True),
        "count": serializers.IntegerField(min_value=0, help_text="Total number of matches."),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
    }
    if envelope == "files":
        description = "If the list is empty: other machines where the project's agents worked."
        fields["other_hosts"] = serializers.ListField(
            child=serializers.CharField(), required=False, help_text=description
        )
    return type(f"{_camel(envelope)}Answer", (serializers.Serializer,), fields)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def component(auto_schema: AutoSchema, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Register a schema as a component, if it is not registered yet, and return a reference to it."""
    made = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, object=name)
    auto_schema.registry.register_on_missing(made)
    return dict(made.ref)


# ---------------------------------------------------------------- operations
class ContractSchema(AutoSchema):
    """Describes an operation from its view: envelope, filters, statuses."""

    view: Any  # an ObjectViews, or an APIView with those of its attributes that it needs

    @property
    def action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()

    @property
    def listed(self) -> Any:
        """The serializer of the rows that this action lists in its own envelope; None if it has none."""
        return getattr(self.view, "lists", {}).get(self.action)

    def _is_list_view(self, serializer: Any = None) -> bool:
        return serializer is None and (self.action == "list" or self.listed is not None)

    def get_filter_backends(self) -> list[Any]:
        return super().get_filter_backends() if self.action == "list" else []

    def get_operation_id(self) -> str:
        name = "_".join(self._tokenize_path()).replace("-", "_")
        if not hasattr(self.view, "action"):
            return name
        first, _, rest = name.partition("_")
        return name if rest else f"{first}_{self.action}"

    def get_request_serializer(self) -> Any:
        return getattr(self.view, "writers", {}).get(self.action)

    def _get_request_for_media_type(self, serializer: Any, direction: Any = "request") -> Any:
        """Say that a body with required fields is required: drf-spectacular does so only for serializers."""
        schema, is_required = super()._get_request_for_media_type(serializer, direction)
        return schema, is_required or (isinstance(serializer, dict) and bool(serializer.get("required")))

    def get_response_serializers(self) -> Any:
        answer = self._answer()
        answers = answer if isinstance(answer, dict) else {200: answer}
        errors = {status: OpenApiResponse(*ERRORS[status]) for status in self._errors()}
        if 400 in errors:
            errors[400].response = component(self, "BadFields", BAD_FIELDS)
        return {**answers, **errors}

    def _answer(self) -> Any:
        view, action = self.view, self.action
        if declared := getattr(view, "answers", {}).get(action):
            return declared
        if action == "destroy":
            return Deleted
        if self._is_list_view():
            envelope, reader = (action, self.listed) if self.listed else (view.many, view.reader)
            return list_of(envelope, reader)(many=False)
        if action in ("create", "retrieve", "partial_update"):
            return one_of(view.one, view.reader)
        error(f"{type(view).__name__}.answers does not say what {action} answers")
        return None

    def _errors(self) -> Iterator[int]:
        """Return the error statuses that the operation may answer with, lowest first."""
        writes, has_login = self.method in ("POST", "PATCH"), bool(self.view.get_authenticators())
        has_body = writes and self.get_request_serializer() is not None
        refusals: list[type[Refusal]] = getattr(self.view, "refusals", {}).get(self.action, [])
        may = {
            400: has_body or bool(self._takes_parameters()) or any(refusal.status == 400 for refusal in refusals),
            401: has_login,
            403: has_login,
            404: "{" in self.path or bool(self._get_format_parameters()) or NotFound in refusals,
            406: len(self.view.get_renderers()) > 1,
            409: writes or self.method == "DELETE",
            413: has_body,
            415: has_body,
            429: any(refusal.status == 429 for refusal in refusals),
            502: PlannerFailed in refusals,
            503: has_login,
        }
        return (status for status, whether in may.items() if whether)

    def _takes_parameters(self) -> list[Any]:
        own = [parameter for parameter in self.get_override_parameters() if not parameter.response]
        return [*own, *self._get_filter_parameters(), *self._get_pagination_parameters()]

    def get_override_parameters(self) -> list[Any]:
        return HEADERS if self.view.get_authenticators() else []

    def get_serializer_name(self, serializer: serializers.Serializer, direction: Any) -> str:
        return super().get_serializer_name(serializer, direction).removesuffix("Reader")

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Return the parameters. An empty query parameter (`name=`, as HTML forms send it) counts as missing."""
        parameters: list[dict[str, Any]] = super()._get_parameters()
        return [
            {**parameter, "allowEmptyValue": True} if parameter["in"] == "query" else parameter
            for parameter in parameters
        ]

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        return [{"name": name, "in": "path", "required": True, "schema": ID} for name in variables]

    # ------------------------------------------------------------ fields
    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if not isinstance(schema, dict):
            return schema
        schema.pop("x-spec-enum-id", None)
        is_text = isinstance(field, serializers.CharField) and "string" in schema.get("type", "")
        if direction == "request" and is_text and not {"enum", "pattern"} & schema.keys():
            schema |= {"pattern": NO_NUL} if field.allow_blank else {"pattern": NOT_BLANK, "minLength": 1}
        if isinstance(schema.get("type"), list) and "format" in schema:  # null has no format
            [kind] = set(schema.pop("type")) - {"null"}
            schema["anyOf"] = [{"type": kind, "format": schema.pop("format")}, {"type": "null"}]
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        """Add the validators without the pattern, and then the pattern.

        With a pattern, a text that may be blank would become two overlapping choices.
        """
        pattern = schema.pop("pattern", None)
        super()._insert_field_validators(field, schema)
        if pattern:
            schema["pattern"] = pattern
        # In a PATCH, null leaves a field unchanged, unless null is a valid value of the field.
        if self.method == "PATCH" and isinstance(field.parent, serializers.Serializer) and not field.allow_null:
            value = dict(schema)
            schema.clear()
            schema["anyOf"] = [value, {"type": "null"}]


class JSONFields(OpenApiSerializerFieldExtension):
    """Gives a model's JSON field the type of its default: an object, or a list of texts."""

    target_class = "rest_framework.fields.JSONField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        model = getattr(getattr(self.target.parent, "Meta", None), "model", None)
        default = model._meta.get_field(self.target.source).default if model else dict
        if default is list:
            return {"type": "array", "items": {"type": "string"}}
        return {"type": "object", "additionalProperties": {}}


class DataFields(OpenApiSerializerFieldExtension):
    target_class = "mission_control.api.fields.Data"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return _object_of(component(auto_schema, "JSONValue", _json_value()))


class Analyses(OpenApiSerializerFieldExtension):
    """The schema of a planner's analysis, plus any other keys that a client adds; null means absent."""

    target_class = "mission_control.api.serializers.planning.AnalysisField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        properties: dict[str, Any] = GoalAnalysis.model_json_schema()["properties"]
        for field in properties.values():
            for text in (field, field.get("items", {})):
                text.pop("title", None)
                if "minLength" in text:
                    text["pattern"] = NOT_BLANK
        anything = _object_of(component(auto_schema, "JSONValue", _json_value()))
        nullable = {name: {"anyOf": [field, {"type": "null"}]} for name, field in properties.items()}
        return {**anything, "properties": nullable}


def _json_value() -> dict[str, Any]:
    """Return the schema of any JSON value without NUL characters, which PostgreSQL cannot store."""
    this = {"$ref": "#/components/schemas/JSONValue"}
    scalars = [{"type": ["null", "boolean", "number"]}, {"type": "string", "pattern": NO_NUL}]
    return {"anyOf": [*scalars, {"type": "array", "items": this}, _object_of(this)]}


def _object_of(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": {"pattern": NO_NUL}, "additionalProperties": value}


class BackendNamesSchema(OpenApiSerializerFieldExtension):
    target_class = "mission_control.api.fields.BackendName"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": registry.names()}


class BackendOptionsSchema(OpenApiSerializerFieldExtension):
    target_class = "mission_control.api.fields.BackendOptions"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        anything = component(auto_schema, "JSONValue", _json_value())
        return {
            "anyOf": [
                {"title": backend["display_name"], **_storable(backend["options_schema"], anything)}
                for backend in registry.describe()
            ]
        }


def _storable(schema: dict[str, Any], anything: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the values that match `schema` and have no NUL character in a text or a name.

    `anything` is the schema of a value about which `schema` says nothing. A `pattern` stays as it is.
    """
    if not schema.keys() & {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}:
        return {**schema, **anything}
    made = dict(schema)
    for inside in {"items", "additionalProperties"} & schema.keys():
        if isinstance(schema[inside], dict):
            made[inside] = _storable(schema[inside], anything)
    for inside in {"anyOf", "oneOf", "allOf", "prefixItems"} & schema.keys():
        made[inside] = [_storable(one, anything) for one in schema[inside]]
    if "properties" in schema:
        made["properties"] = {name: _storable(one, anything) for name, one in schema["properties"].items()}
    types = schema.get("type", [])
    if "string" in types and not {"enum", "const", "pattern"} & schema.keys():
        made["pattern"] = NO_NUL
    if "object" in types and schema.get("additionalProperties") is not False:
        made = {**_object_of(anything), **made}
    if "array" in types:
        made.setdefault("items", anything)
    return made


class PersonSchema(OpenApiSerializerFieldExtension):
    target_class = "mission_control.api.fields.Person"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = {"anyOf": [{"type": "string", "enum": ["human"]}, {**ID, "description": "An agent."}]}
        if self.target.allow_null:
            schema["anyOf"].append({"type": "null"})
        return schema


class FilterSchema(DjangoFilterExtension):
    """Adds what a filter's form checks besides the type: the length, and that there is no NUL character."""

    priority = 1
    match_subclasses = True
    target_class = "django_filters.rest_framework.DjangoFilterBackend"

    def resolve_filter_field(
        self, auto_schema: Any, model: Any, filterset_class: Any, field_name: str, filter_field: Any
    ) -> Any:
        parameters = super().resolve_filter_field(auto_schema, model, filterset_class, field_name, filter_field)
        for parameter in parameters:
            schema = parameter["schema"]
            schema.pop("x-spec-enum-id", None)
            if schema.get("type") == "string" and not schema.keys() & {"format", "enum"}:
                schema["pattern"] = NO_NUL
                if length := filter_field.extra.get("max_length"):
                    schema["maxLength"] = length
        return parameters


# ---------------------------------------------------------------- login
class Bearer(OpenApiAuthenticationExtension):
    target_class = "mission_control.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An access token."}
