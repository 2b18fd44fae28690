"""Groups of customers worth writing to, with the ready-made message for each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from config.foundation.number_formats import format_full_day
from config.foundation.slow_figures import get_figures
from customers.segments.membership import query_matching
from customers.segments.models import Segment
from customers.segments.starter_segments import STARTERS

LATE_DAYS = 3
CONDITIONS = {key: condition for key, _name, _description, condition in STARTERS}
LATE = """
FROM lifecycle_customerprofile p
WHERE p.stage = 'loyal' AND p.average_gap_days IS NOT NULL
  AND p.last_order_at < %(at)s - (p.average_gap_days + %(late)s) * interval '1 day'
"""
LOYAL = {"field": "stage", "op": "eq", "value": "loyal"}
COUNT_LATE = f"SELECT count(*) {LATE}"
ADD_LATE = f"""
INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
SELECT %(segment)s, p.customer_id, %(at)s {LATE} ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class CampaignGroup:
    """Customers worth writing to.

    Attributes:
        key: key of the segment; prefix of the key if the segment is static. headline: plural forms with %(number)s.
        template_key: a ready-made message. condition: of the segment; if it is static, of the customers among whom its members are found.
        count: counts the customers now. ensure_segment: returns the segment, created if missing.
    """

    key: str
    headline: Any
    advice: str | Promise
    campaign_name: str | Promise
    template_key: str
    condition: dict[str, Any]
    count: Callable[[str, Segment | None, datetime], int]
    ensure_segment: Callable[[str, datetime], Segment]


def count_starter(key: str, segment: Segment | None, as_of: datetime) -> int:
    """Return the size of the segment's latest evaluation, or count its customers if there is none."""
    if segment is not None and segment.size is not None:
        return segment.size
    condition = segment.condition if segment is not None else CONDITIONS[key]
    return get_figures(
        f"suggestion:{key}:{segment.pk if segment else ''}",
        int,
        lambda: query_matching(condition=condition, as_of=as_of, within=(key,)).count(),
    )


def ensure_starter(key: str, _as_of: datetime) -> Segment:
    name, description, condition = next(row[1:] for row in STARTERS if row[0] == key)
    return Segment.objects.get_or_create(
        key=key, defaults={"name": str(name), "description": str(description), "condition": condition}
    )[0]


def count_late(_key: str, _segment: Segment | None, as_of: datetime) -> int:
    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(COUNT_LATE, {"at": as_of, "late": LATE_DAYS})
            return int(cursor.fetchone()[0])

    return get_figures("suggestion:late-loyal", int, count)


def ensure_late(key: str, as_of: datetime) -> Segment:
    """Return a static segment of the customers who are late today, because a condition cannot compare two values of a customer."""
    day = timezone.localdate(as_of)  # the day of the shop, as on the page
    segment, is_new = Segment.objects.get_or_create(
        key=f"{key}-{day:%Y%m%d}",
        defaults={
            "name": _("Late loyal customers, %(day)s") % {"day": format_full_day(day)},
            "description": _(
                "Loyal customers whose last order was at least three days longer ago than their average gap between orders."
            ),
            "kind": Segment.Kind.STATIC,
        },
    )
    if is_new:
        with connection.cursor() as cursor:
            cursor.execute(ADD_LATE, {"segment": segment.pk, "at": as_of, "late": LATE_DAYS})
    return segment


GROUPS = (
    CampaignGroup(
        "late-loyal",
        ngettext_lazy(
            "%(number)s loyal customer is 3 or more days late with the next order",
            "%(number)s loyal customers are 3 or more days late with their next order",
            "count",
        ),
        gettext_lazy(
            "Their last order was longer ago than their average gap between orders. A reminder may be welcome now."
        ),
        gettext_lazy("Reminder for late loyal customers"),
        "replenishment",
        LOYAL,
        count_late,
        ensure_late,
    ),
    CampaignGroup(
        "at-risk",
        ngettext_lazy(
            "%(number)s customer is at risk of leaving", "%(number)s customers are at risk of leaving", "count"
        ),
        gettext_lazy(
            "They have been away for longer than usual. A reminder works best before they get used to another shop."
        ),
        gettext_lazy("Reminder for customers at risk"),
        "win-back",
        CONDITIONS["at-risk"],
        count_starter,
        ensure_starter,
    ),
    CampaignGroup(
        "dormant-loyal",
        ngettext_lazy(
            "%(number)s formerly loyal customer has stopped ordering",
            "%(number)s formerly loyal customers have stopped ordering",
            "count",
        ),
        gettext_lazy("Each of them ordered five times or more. Ask what happened, and offer a reason to come back."),
        gettext_lazy("Win back formerly loyal customers"),
        "win-back",
        CONDITIONS["dormant-loyal"],
        count_starter,
        ensure_starter,
    ),
    CampaignGroup(
        "new-customers",
        ngettext_lazy(
            "%(number)s customer ordered for the first time in the last 30 days",
            "%(number)s customers ordered for the first time in the last 30 days",
            "count",
        ),
        gettext_lazy("Encourage a second order: show what goes with the first one."),
        gettext_lazy("Second order of new customers"),
        "first-to-second-order",
        CONDITIONS["new-customers"],
        count_starter,
        ensure_starter,
    ),
    CampaignGroup(
        "champions",
        ngettext_lazy(
            "%(number)s customer buys most often and spends most",
            "%(number)s customers buy most often and spend most",
            "count",
        ),
        gettext_lazy("Thank them, and show them new products first."),
        gettext_lazy("Thank the best customers"),
        "vip",
        CONDITIONS["champions"],
        count_starter,
        ensure_starter,
    ),
)
GROUPS_BY_KEY = {group.key: group for group in GROUPS}
