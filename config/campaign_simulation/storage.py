"""Stores simulated customers and their orders, all of them marked as simulated, and removes them again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction

from catalog.models import Product
from config.campaign_simulation.population import OrderStream, Population, ResponseKind
from customers.events.models import Source
from customers.identity.consent.append_only import allow_ledger_changes
from customers.identity.models import Consent, Customer, Identifier
from customers.segments.models import Segment, SegmentMember
from recommendations.campaigns.models import Campaign
from recommendations.measurement.models import Assignment
from recommendations.sending.models import Delivery

SOURCE_KEY = "simulated-campaign-orders"
SEGMENT_KEY = "simulated-customers"
USER_PREFIX = "simulated-"
CAMPAIGN_PREFIX = "simulated-campaign-"
PRODUCT_ID = "simulated-product"
PRODUCT_PRICE, PRODUCT_COST = Decimal(40), Decimal(24)
CONSENT_SOURCE = "simulated"

COPY_ORDERS = """
COPY orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount, shipping,
                   tax, total, refunded, coupon, channel, created_at) FROM STDIN
"""
INSERT_LINES = """
INSERT INTO orders_orderline (order_id, line_number, product_id, quantity, unit_price, discount, total)
SELECT o.id, 1, %(product)s, 1, o.total, 0, o.total FROM orders_order o
WHERE o.source_id = %(source)s AND NOT EXISTS (SELECT FROM orders_orderline l WHERE l.order_id = o.id)
"""


def exist_simulated_customers() -> bool:
    return Segment.objects.filter(key=SEGMENT_KEY).exists()


def count_real_data() -> tuple[int, int]:
    """Return the customers and orders of the shop that are not simulated by this program."""
    customers = Customer.objects.exclude(identifiers__value__startswith=USER_PREFIX).count()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM orders_order o JOIN events_source s ON s.id = o.source_id WHERE s.key <> %s",
            [SOURCE_KEY],
        )
        return customers, int(cursor.fetchone()[0])


def store_customers(population: Population, *, since: datetime) -> tuple[Segment, list[int]]:
    """Create the customers and the segment that holds them; return it and their IDs. What is known of each is in the traits."""
    rows = zip(population.kinds, population.base_rates, population.effects, strict=True)
    customers = Customer.objects.bulk_create(
        [
            Customer(
                first_seen_at=since,
                email=f"customer-{number}@simulated.invalid",  # a domain that never exists, RFC 2606
                traits={
                    "simulated": True,
                    "response": ResponseKind(kind).name.lower(),
                    "base_rate": round(float(base), 5),
                    "effect": round(float(effect), 5),
                },
            )
            for number, (kind, base, effect) in enumerate(rows, start=1)
        ],
        batch_size=2_000,
    )
    Identifier.objects.bulk_create(
        [
            Identifier(kind=Identifier.Kind.USER_ID, value=f"{USER_PREFIX}{number}", customer=customer)
            for number, customer in enumerate(customers, start=1)
        ],
        batch_size=5_000,
    )
    Consent.objects.bulk_create(
        [
            Consent(customer=customer, purpose="email", status="granted", source=CONSENT_SOURCE, recorded_at=since)
            for customer in customers
        ],
        batch_size=5_000,
    )
    segment = Segment.objects.create(key=SEGMENT_KEY, name="Simulated customers", kind=Segment.Kind.STATIC)
    SegmentMember.objects.bulk_create(
        [SegmentMember(segment=segment, customer=customer) for customer in customers], batch_size=5_000
    )
    return segment, [customer.pk for customer in customers]


def ensure_source() -> Source:
    return Source.objects.get_or_create(
        key=SOURCE_KEY,
        defaults={"name": "Simulated campaigns", "kind": Source.Kind.IMPORT, "is_simulated": True},
    )[0]


def ensure_product(currency: str) -> Product:
    return Product.objects.get_or_create(
        product_id=PRODUCT_ID,
        defaults={
            "title": "Simulated product",
            "price": PRODUCT_PRICE,
            "cost": PRODUCT_COST,
            "currency": currency,
            "is_active": False,
        },
    )[0]


def store_orders(
    stream: OrderStream, customer_ids: Sequence[int], *, start: datetime, first_number: int, currency: str
) -> None:
    """Append orders with one line each."""
    source, product = ensure_source(), ensure_product(currency)
    rows = zip(stream.customers.tolist(), stream.seconds.tolist(), stream.values.tolist(), strict=True)
    with connection.cursor() as cursor:
        with cursor.copy(COPY_ORDERS) as copy:
            for number, (customer, seconds, value) in enumerate(rows, start=first_number):
                names = source.pk, f"simulated-{number}", customer_ids[customer], "", "sale", "placed"
                at = start + timedelta(seconds=seconds)
                copy.write_row((*names, at, currency, value, 0, 0, 0, value, 0, "", "simulated", at))
        cursor.execute(INSERT_LINES, {"product": product.pk, "source": source.pk})


@transaction.atomic
def remove_simulation() -> dict[str, int]:
    """Delete everything that `simulate_campaigns` has stored; return the numbers. A second call changes nothing."""
    campaigns = Campaign.objects.filter(key__startswith=CAMPAIGN_PREFIX, is_simulated=True)
    source = Source.objects.filter(key=SOURCE_KEY).first()
    runs = list(campaigns.values_list("runs__pk", flat=True).exclude(runs=None))
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM orders_orderline WHERE order_id IN (SELECT id FROM orders_order WHERE source_id = %s)",
            [source.pk if source else 0],
        )
        cursor.execute("DELETE FROM orders_order WHERE source_id = %s", [source.pk if source else 0])
        orders = cursor.rowcount
    Assignment.objects.filter(
        kind=Assignment.Kind.CAMPAIGN, scope_id__in=list(campaigns.values_list("pk", flat=True))
    ).delete()
    deliveries, _by_model = Delivery.objects.filter(origin_kind="campaign", origin_id__in=runs).delete()
    counts = {"orders": orders, "deliveries": deliveries, "campaigns": campaigns.count()}
    for campaign in campaigns:
        campaign.runs.all().delete()
    campaigns.delete()
    customers = Customer.objects.filter(identifiers__kind="user_id", identifiers__value__startswith=USER_PREFIX)
    counts["customers"] = customers.count()
    Segment.objects.filter(key=SEGMENT_KEY).delete()
    with allow_ledger_changes():
        Customer.objects.filter(pk__in=list(customers.values_list("pk", flat=True))).delete()
    Product.objects.filter(product_id=PRODUCT_ID).delete()
    if source is not None:
        source.delete()
    return counts
