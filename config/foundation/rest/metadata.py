"""Responses to OPTIONS requests."""

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class NameAndDescription(BaseMetadata):
    """Returns the name and description of an endpoint; the OpenAPI document has its fields.

    REST framework's own class fails for our list endpoints: it looks for the single object that a PUT would replace.
    """

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        return {"name": view.get_view_name(), "description": view.get_view_description()}
