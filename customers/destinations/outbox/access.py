"""Opens a destination with its settings and keys."""

import json

from django.utils.translation import gettext as _

from customers.destinations.kinds.base import DestinationError, DestinationKind
from customers.destinations.kinds.registry import DESTINATION_KINDS
from customers.destinations.models import Destination


def name_breaker(destination: Destination) -> str:
    return f"destination:{destination.pk}"


def name_audience_lock(destination_id: int) -> str:
    """Return the name of the lock that is held while people are added to an audience of a destination."""
    return f"destinations.audience:{destination_id}"


def open_kind(destination: Destination) -> DestinationKind:
    """Return the kind with the settings and keys of a destination. Raises DestinationError."""
    kind = DESTINATION_KINDS.get(destination.kind)
    if kind is None:
        raise DestinationError(_("Unknown type of destination: %(kind)s") % {"kind": destination.kind})
    return kind(destination.options, json.loads(destination.credentials or "{}"))
