"""What the OpenAPI document says about every operation: problems, keys, the scope needed."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from config.access.problems import CONTENT_TYPE

WRITES = ("POST", "PUT", "PATCH")
DESCRIPTIONS = {
    "400": "The request is wrong; every wrong field is named.",
    "401": "No key, or a key that is unknown, disabled or expired.",
    "403": "The key lacks the scope.",
    "404": "There is no such thing.",
    "409": "The same Idempotency-Key is being answered at this moment.",
    "413": "The body is too large.",
    "415": "The body is no JSON by its Content-Type.",
    "422": "The Idempotency-Key was used for another request.",
    "429": "Too many requests; Retry-After says in how many seconds to come back.",
    "503": "The database can't be reached; try again after Retry-After seconds.",
}


class FieldErrorSerializer(serializers.Serializer):
    """One thing that is wrong."""

    field = serializers.CharField(
        allow_null=True, help_text="A path such as `lines[3].quantity`; null when the whole request is meant."
    )
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """Problem details as of RFC 9457."""

    type = serializers.CharField(help_text="`urn:perennial:problem:` and a code.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]


class ProblemAwareSchema(AutoSchema):
    """AutoSchema that documents the problems each operation can answer with, and the scope it needs."""

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        if direction != "response":
            return responses
        for code in self.problem_codes():
            if code not in responses:
                problem = self._get_response_for_code(ProblemSerializer, code, [CONTENT_TYPE], direction)
                responses[code] = {**problem, "description": DESCRIPTIONS[code]}
        return responses

    def problem_codes(self) -> list[str]:
        codes = ["400", "401", "403", "429", "503"]
        if "{" in self.path:
            codes.append("404")
        if self.method in WRITES:
            codes += ["413", "415"]
        if self.is_idempotent():
            codes += ["409", "422"]
        return sorted(codes)

    def is_idempotent(self) -> bool:
        return bool(getattr(self.view, "idempotent", False)) and self.method in WRITES

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters = super()._get_parameters()
        if self.is_idempotent():
            parameters.append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "The same key with the same request gets the first answer again, for a day.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
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


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "config.access.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key made in the back office. The scope each operation needs stands at `x-scope`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "config.access.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of a back-office user; writes need the CSRF token too.",
        }
