"""The OpenAPI document of this installation."""

from typing import Any

from drf_spectacular.generators import SchemaGenerator


def build_document() -> dict[str, Any]:
    """Return the document that `/api/v1/schema/` serves."""
    # without api_version, which would be added to the version in parentheses
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document
