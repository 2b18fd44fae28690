"""Which sources may report orders."""

from django.utils.translation import gettext as _

from customers.events.models import Source


def describe_wrong_source(source: Source) -> str:
    """Return why orders cannot be stored for a source; empty if they can."""
    if not source.is_sandbox:
        return ""
    return _("Source %(key)s is a sandbox, but orders are always counted as real data. Use another source.") % {
        "key": source.key
    }
