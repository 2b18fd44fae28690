"""Finds the destinations that receive a segment. If it were deleted, they would receive nothing more."""

from django.utils.translation import gettext as _

from customers.destinations.models import Destination


def list_destinations_of_segment(key: str) -> list[str]:
    """Return the destinations that receive the entries or the members of a segment."""
    names = Destination.objects.filter(segments__key=key).values_list("name", flat=True)
    return [_("the destination “%(name)s”") % {"name": name} for name in names]
