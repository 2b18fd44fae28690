"""A tool: something that an assistant can read or draft for the person who asks, with that person's permissions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise

from config.assistant.caller import AssistantCaller

type Text = str | Promise
type Arguments = Mapping[str, Any]
type Schema = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a tool returns.

    Attributes:
        data: JSON values; texts in them come from the shop, its products and its customers. as_of: the moment of the figures. path: the
            page of the back office with the same figures. query: the name of the function behind it and its parameters.
    """

    data: Any
    as_of: datetime | None
    path: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool.

    Attributes:
        label, description: for people and models; synonyms: what people call it, by language. properties: JSON Schema of each argument.
        scopes: of REST, all of which are needed. is_draft: it creates a draft, which a person reviews and launches in the back office.
    """

    name: str
    label: Text
    description: str
    run: Callable[[Arguments, AssistantCaller], ToolResult]
    scopes: tuple[str, ...]
    properties: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    is_draft: bool = False
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def input_schema(self) -> Schema:
        """The JSON Schema of the arguments; any other argument is rejected."""
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }

    def is_allowed(self, caller: AssistantCaller) -> bool:
        return all(caller.may(scope) for scope in self.scopes)
