"""Finds the campaigns that exclude a segment. If it were deleted, they would message its customers."""

from django.db.models import Q
from django.utils.translation import gettext as _

from recommendations.campaigns.launch.template_uses import HAS_RUN_AHEAD
from recommendations.campaigns.models import Campaign


def list_excluding_campaigns(key: str) -> list[str]:
    """Return the drafts, and the campaigns with a run ahead of them, that exclude a segment."""
    unfinished = HAS_RUN_AHEAD | Q(status=Campaign.Status.DRAFT)
    names = Campaign.objects.filter(unfinished, excluded_segments__key=key).values_list("name", flat=True)
    return [_("the campaign “%(name)s”") % {"name": name} for name in names.order_by("name", "pk")]
