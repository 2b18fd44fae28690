"""The OpenAPI document of this installation."""

from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings


def build_document() -> dict[str, Any]:
    """Return the document that `/api/v1/schema/` serves."""
    document: dict[str, Any] = SchemaGenerator(api_version=spectacular_settings.VERSION).get_schema(
        request=None, public=True
    )
    return document
