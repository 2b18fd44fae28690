"""What OPTIONS answers."""

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class NameAndDescription(BaseMetadata):
    """What an address is. The fields stand in the OpenAPI document.

    REST framework's own looks for the one object that a PUT to a list would replace, and ours has many.
    """

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        return {"name": view.get_view_name(), "description": view.get_view_description()}
