"""On-site offers as actions: they are seen on the next visit, and compared with the visitors who were held out."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from customers.identity.models import Customer, Identifier
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_customers, query_members
from recommendations.measurement.assignment import build_bucket_expression, count_holdout_buckets
from recommendations.offers.decision import is_within_period
from recommendations.offers.models import Offer, OfferExposure
from recommendations.offers.results import WINDOW, build_first_exposures
from recommendations.uplift.kinds.action_kind import ActionKind, ActionTarget, PastAction, Pool

MAX_OFFERS = 20  # the newest
KEY = "offer"
VISITOR_KINDS = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID)
MEMBERS = sql.SQL("""
SELECT customer_id, arm = 'shown' AS is_treated, {share}::float8 AS share, decided_at AS since, decided_at + {window} AS until,
       NULL::float8 AS predicted_value
FROM ({exposures}) AS first
""")
COUNT_EXPOSED = sql.SQL(
    "SELECT offer_id, count(*), count(*) FILTER (WHERE arm = 'held_out') FROM ({exposures}) AS first GROUP BY offer_id"
)


def list_past_offers(as_of: datetime) -> list[PastAction]:
    """Return the newest offers with exposures of both groups whose window is over, newest first."""
    offers = Offer.objects.filter(holdout_share__gt=0, started_at__lte=as_of - WINDOW).select_related("segment")
    newest = list(offers.order_by("-created_at", "-id")[:MAX_OFFERS])
    counts = count_exposed(newest, as_of)
    return [build_past_offer(offer, *counts[offer.pk], as_of) for offer in newest if offer.pk in counts]


def count_exposed(offers: list[Offer], as_of: datetime) -> Mapping[int, tuple[int, float]]:
    """Return the customers of each offer, and the share of those held out, if both groups have some."""
    exposures = build_first_exposures([offer.pk for offer in offers], until=as_of - WINDOW)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_EXPOSED.format(exposures=exposures))
        rows = cursor.fetchall()
    return {offer_id: (size, held_out / size) for offer_id, size, held_out in rows if 0 < held_out < size}


def build_past_offer(offer: Offer, size: int, share: float, as_of: datetime) -> PastAction:
    """Return an offer as an action. share: the actual share of held-out people, because the setting may have changed since."""
    members = MEMBERS.format(
        share=sql.Literal(share),
        window=sql.Literal(WINDOW),
        exposures=build_first_exposures([offer.pk], until=as_of - WINDOW),
    )
    find = partial(find_offer_customers, offer)
    return PastAction(KEY, Pool.OFFER, offer.pk, offer.key, offer.name, members, size, find)


def find_offer_customers(offer: Offer, as_of: datetime) -> QuerySet[Customer] | None:
    """Return who would see the offer on a visit: in its segment, not held out; None if the offer is not running.

    An individual offer can be queued for any of them.
    """
    if offer.status != Offer.Status.RUNNING or not is_within_period(offer, as_of):
        return None
    try:
        people = query_customers() if offer.segment is None else query_members(segment=offer.segment, as_of=as_of)
    except ConditionError:
        return None
    exposed = OfferExposure.objects.filter(offer=offer)
    is_held_out = build_exposed_condition(exposed.filter(arm=OfferExposure.Arm.HELD_OUT)) | (
        Q(bucket__lt=count_holdout_buckets(offer.holdout_share)) & ~build_exposed_condition(exposed)
    )
    known = Identifier.objects.filter(customer=OuterRef("pk"), kind__in=VISITOR_KINDS)
    return people.annotate(bucket=build_bucket_expression(salt=offer.salt)).filter(Exists(known)).exclude(is_held_out)


def build_exposed_condition(exposed: QuerySet[OfferExposure]) -> Q:
    """Return the filter of customers with one of these exposures, of their own or of a device that belongs to them now."""
    devices = exposed.filter(customer=None).exclude(anonymous_id="").values("anonymous_id")
    owned = Identifier.objects.filter(customer=OuterRef("pk"), kind=Identifier.Kind.ANONYMOUS_ID, value__in=devices)
    return Q(Exists(exposed.filter(customer=OuterRef("pk")))) | Q(Exists(owned))


def find_offer(key: str) -> ActionTarget | None:
    row = Offer.objects.filter(key=key).values_list("pk", "key", "name").first()
    return ActionTarget(*row) if row else None


OFFER = ActionKind(
    key=KEY,
    pool=Pool.OFFER,
    noun=_("On-site offer"),
    label=_("show an on-site offer"),
    instruction=_("Show the on-site offer “%(name)s” on the next visit."),
    field_label=_("on-site offer of the next best action"),
    field_help=_("Keys of on-site offers."),
    url_name="onsite_offers:offer",
    list_past=list_past_offers,
    find_target=find_offer,
    window=WINDOW,
)
