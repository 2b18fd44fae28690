"""The names of the segments and message templates to which flows refer by key."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from customers.segments.models import Segment
from recommendations.messaging.models import MessageTemplate


@dataclass(frozen=True)
class ReferenceNames:
    """Names by key; what was deleted has its key instead."""

    segments: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)

    def name_segment(self, key: str) -> str:
        return self.segments.get(key, key)

    def name_template(self, key: str) -> str:
        return self.templates.get(key, key)


def load_reference_names() -> ReferenceNames:
    """Return all names, by two queries for any number of flows."""
    return ReferenceNames(
        dict(Segment.objects.values_list("key", "name")), dict(MessageTemplate.objects.values_list("key", "name"))
    )
