"""The segments that reports use by their key."""

from typing import Any

from django.utils.translation import gettext as _

from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.models import SavedReport
from customers.segments.models import Segment


class MissingSegmentError(ParameterError):
    """A question uses a segment that does not exist."""


def find_segment_fields(parameters: Any) -> dict[str, str]:
    """Return the keys of the segments of a question by the names of its fields."""
    breakdown = getattr(parameters, "breakdown", None)
    keys = {"segment": getattr(parameters, "segment", "")}
    if breakdown is not None and breakdown.kind == "segment":
        keys["breakdown"] = breakdown.name
    return {field: key for field, key in keys.items() if key}


def check_segments(parameters: Any) -> None:
    """Check that the segments of a question exist. Raises MissingSegmentError."""
    keys = find_segment_fields(parameters)
    known = set(Segment.objects.filter(key__in=list(keys.values())).values_list("key", flat=True)) if keys else set()
    for field, key in keys.items():
        if key not in known:
            text = _("The segment “%(key)s” no longer exists. Choose another one.")
            raise MissingSegmentError(field, text % {"key": key})


def find_reports(key: str) -> list[str]:
    """Return the names of the saved reports that use a segment."""
    rows = SavedReport.objects.values_list("name", "parameters")
    return [_("the report “%(name)s”") % {"name": name} for name, content in rows if key in _list_stored_keys(content)]


def _list_stored_keys(content: Any) -> tuple[Any, ...]:
    if not isinstance(content, dict):
        return ()
    breakdown = content.get("breakdown")
    if not isinstance(breakdown, dict) or breakdown.get("kind") != "segment":
        return (content.get("segment"),)
    return (content.get("segment"), breakdown.get("name"))
