"""The OpenAPI description of every operation: problem responses, authentication and required scopes."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import is_patched_serializer
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.problems import CONTENT_TYPE
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.segments.rest.condition_schema import VERBATIM

WRITES = ("POST", "PUT", "PATCH")
DESCRIPTIONS = {
    "400": "The request is invalid. The response lists every invalid field.",
    "401": "The key is missing, unknown, disabled or expired.",
    "403": "The key does not have the required scope.",
    "404": "The resource does not exist.",
    "409": "The request conflicts with stored data, or a request with the same Idempotency-Key is in progress.",
    "412": "If-Match names another ETag than that of the present resource.",
    "413": "The request body is too large.",
    "415": "The Content-Type is not application/json, or the body is compressed.",
    "422": "The Idempotency-Key was used for a different request.",
    "429": "Too many requests. Retry after the number of seconds in Retry-After.",
    "503": "The database is unavailable or busy. Retry after the number of seconds in Retry-After.",
}
# Patterns of texts in requests: without NUL, which PostgreSQL cannot store; and not blank.
STORABLE_PATTERN = r"^[^\u0000]*$"
NOT_BLANK_PATTERN = r"^[^\u0000]*[^\u0000\s][^\u0000]*$"


class FieldErrorSerializer(serializers.Serializer):
    """One invalid field."""

    field = serializers.CharField(
        allow_null=True, help_text="A path such as `lines[3].quantity`; null if the error concerns the whole request."
    )
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """Problem details according to RFC 9457."""

    type = serializers.CharField(help_text="`urn:perennial:problem:` followed by a code.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]


def insert_verbatim_schemas(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Insert the schemas that serializers define themselves; a post-processing hook, after the one that names enums."""
    for component in result.get("components", {}).get("schemas", {}).values():
        component.update(component.pop(VERBATIM, {}))
    return result


class ProblemAwareSchema(AutoSchema):
    """AutoSchema that documents each operation's problem responses and required scope.

    For requests it includes everything that REST framework's fields validate: texts that are not blank and contain no NUL, the digits of
    decimals, the lengths of lists, ``exactly_one_of`` the fields of a serializer, and ``request_schema`` for rules about the whole body.
    """

    direction = "response"
    in_url = False

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        outer, self.direction = self.direction, direction
        try:
            schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        finally:
            self.direction = outer
        if direction == "request":
            if isinstance(serializer, StrictTypesMixin | KnownFieldsMixin) and not getattr(
                serializer, "exactly_one_of", ()
            ):
                schema["additionalProperties"] = False
            if names := getattr(serializer, "exactly_one_of", ()):
                schema[VERBATIM] = {
                    "properties": {},
                    "oneOf": [require_property(name, schema["properties"][name]) for name in names],
                }
            elif not is_patched_serializer(serializer, direction):
                schema[VERBATIM] = restrict_body(getattr(serializer, "request_schema", {}))
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if direction == "request" and isinstance(field, serializers.ListSerializer) and schema:
            limits = {"minItems": field.min_length, "maxItems": field.max_length}  # type: ignore[attr-defined]
            schema.update({name: limit for name, limit in limits.items() if limit is not None})
        return schema

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        if self.direction == "request" and isinstance(field, serializers.DecimalField):
            self.describe_decimal(field, schema)
            return
        super()._insert_field_validators(field, schema)
        if getattr(field, "allow_blank", False) and "oneOf" in schema:
            # an empty text matches both alternatives unless the validator checks formats, which is optional
            schema["anyOf"] = schema.pop("oneOf")
        if self.direction == "request" and schema.get("type") == "string":
            describe_text(field, schema)

    def describe_decimal(self, field: serializers.DecimalField, schema: dict[str, Any]) -> None:
        """Describe a decimal as a string of digits; in a body, a number is accepted too."""
        sign = "" if field.min_value is not None and field.min_value >= 0 else "-?"
        digits = {"type": "string", "format": "decimal"}
        if field.max_digits is not None and field.decimal_places is not None:
            integer_digits = max(field.max_digits - field.decimal_places, 1)
            digits["pattern"] = rf"^{sign}[0-9]{{1,{integer_digits}}}(\.[0-9]{{1,{field.decimal_places}}})?$"
        for name in ("type", "format", "pattern"):
            schema.pop(name, None)
        if self.in_url:
            schema.update(digits)
            return
        number: dict[str, Any] = {"type": "number"}
        if field.max_digits is not None and field.decimal_places is not None:
            bound = 10 ** (field.max_digits - field.decimal_places)
            number |= {"minimum": 0 if not sign else -bound, "maximum": bound, "exclusiveMaximum": True}
            if sign:
                number["exclusiveMinimum"] = True
        for name, limit in (("minimum", field.min_value), ("maximum", field.max_value)):
            if limit is not None:
                number[name] = float(limit)
                number.pop(f"exclusive{name.title()}", None)
        schema["oneOf"] = [digits, number]

    def _process_override_parameters(self, direction: Any = "request") -> Any:
        self.in_url = True
        try:
            return super()._process_override_parameters(direction)
        finally:
            self.in_url = False

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        if direction != "response":
            return responses
        for code in self.list_problem_codes():
            if code not in responses:
                problem = self._get_response_for_code(ProblemSerializer, code, [CONTENT_TYPE], direction)
                responses[code] = {**problem, "description": DESCRIPTIONS[code]}
        if self.method == "GET":
            responses.setdefault("414", {"description": "The URL is longer than 65,534 bytes."})
            if self.has_etag():
                responses["304"] = {"description": "The resource is still that of the ETag in If-None-Match."}
        return responses

    def list_problem_codes(self) -> list[str]:
        codes = ["400", "401", "403", "429", "503"]
        if "{" in self.path or getattr(self.view, "may_be_missing", False):
            codes.append("404")
        if self.method in WRITES:
            codes += ["413", "415"]
        if self.is_idempotent():
            codes += ["409", "422"]
        if self.method in getattr(self.view, "conflicts", ()):
            codes.append("409")
        if self.has_etag() and self.method != "GET":
            codes.append("412")
        return sorted(set(codes))

    def has_etag(self) -> bool:
        """Return whether the resource has an ETag, which If-None-Match and If-Match can name."""
        return bool(getattr(self.view, "has_etag", False))

    def is_idempotent(self) -> bool:
        return bool(getattr(self.view, "idempotent", False)) and self.method in WRITES

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters = super()._get_parameters()
        for parameter in parameters:
            if parameter["in"] == "query":
                describe_parameter(parameter)
            elif parameter["in"] == "path" and parameter["schema"] == {"type": "string"}:
                parameter["schema"] = {"type": "string", "pattern": STORABLE_PATTERN}
        if self.is_idempotent():
            parameters.append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "Makes a retry safe: for a day, the same key with the same request gets the first response again.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
                }
            )
        return parameters

    def get_extensions(self) -> dict[str, Any]:
        extensions = dict(super().get_extensions() or {})
        if scope := getattr(self.view, "required_scopes", {}).get(self.method):
            extensions["x-scope"] = scope
        if getattr(self.view, "publishable", False):
            extensions["x-publishable"] = True
        return extensions


def require_property(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has this property and no other."""
    return {
        "type": "object",
        "title": name,
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": False,
    }


def restrict_body(rules: dict[str, Any]) -> dict[str, Any]:
    """Return rules about a whole body in a form that keeps its properties: client generators treat a bare oneOf
    as the complete schema."""
    return {"allOf": [{name: rule} for name, rule in rules.items()]} if rules else {}


def describe_text(field: Any, schema: dict[str, Any]) -> None:
    if not isinstance(field, serializers.CharField) or "format" in schema or "pattern" in schema or "enum" in schema:
        return
    schema["pattern"] = STORABLE_PATTERN if field.allow_blank else NOT_BLANK_PATTERN


def describe_parameter(parameter: dict[str, Any]) -> None:
    """Describe an optional query parameter: an empty value is the same as none."""
    if parameter.get("required"):
        return
    parameter["allowEmptyValue"] = True
    schema = parameter["schema"]
    if schema.get("type") == "string" and not {"format", "enum", "pattern"} & schema.keys():
        schema["pattern"] = STORABLE_PATTERN


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "config.access.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key created in the back office. `x-scope` names the scope that each operation requires.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "config.access.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a back-office user. Writes also require the CSRF token.",
        }
