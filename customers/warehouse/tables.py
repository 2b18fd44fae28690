"""The tables of the warehouse, with their schemas and queries. No personal data leaves PostgreSQL."""

from dataclasses import dataclass, replace

import pyarrow as pa

MOMENT = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(14, 2)
TEXTS = pa.list_(pa.string())
NUMBERS = pa.list_(pa.float32())

# separates the elements of a list column in CSV; a control character that no ID or tag contains
SEPARATOR = "\x1f"

# keys of free-form JSON that can identify or locate a person; "$personal" is the part that the collector encrypted
PERSONAL_KEYS = (
    "$personal", "address", "birthday", "city", "email", "e_mail", "first_name", "firstName", "fullName", "full_name", "ip",
    "lastName", "last_name", "mobile", "name", "phone", "postal_code", "postcode", "referrer", "search", "street",
    "url", "username", "zip",
)  # fmt: skip
# the property of events with the utm_source of the visit, which sources send in the context
TRAFFIC_SOURCE = "$traffic_source"
_PERSONAL = "ARRAY[" + ", ".join(f"'{key}'" for key in PERSONAL_KEYS) + "]"


def hide_personal(column: str) -> str:
    """Return SQL for an ID or text: NULL if it is empty, contains an @, or is a phone number."""
    return (
        f"CASE WHEN {column} = '' OR strpos({column}, '@') > 0 OR strpos({column}, chr(37) || '40') > 0"
        f" OR {column} ~ '^([+][0-9]{{9,15}}|(86)?1[3-9][0-9]{{9}})$' THEN NULL ELSE {column} END"
    )


@dataclass(frozen=True)
class WarehouseTable:
    """One table of the warehouse.

    Attributes:
        query: yields the columns of ``schema`` in order; lists of numbers are base64-encoded bytes.
        key: the column that is unique and never null.
        moment: the time of a fact table, which is partitioned by UTC day; None for tables that are written as a whole.
        page_rows: the number of rows of such a table that are read at a time.
    """

    name: str
    schema: pa.Schema
    query: str
    key: str = "id"
    moment: str | None = None
    page_rows: int = 150_000


EVENTS = WarehouseTable(
    name="events",
    moment="occurred_at",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("source", pa.string()),
            ("type", pa.string()),
            ("name", pa.string()),
            ("customer_id", pa.int64()),
            ("user_id", pa.string()),
            ("anonymous_id", pa.string()),
            ("session_id", pa.string()),
            ("occurred_at", MOMENT),
            ("received_at", MOMENT),
            ("product_ids", TEXTS),
            ("value", MONEY),
            ("currency", pa.string()),
            ("path", pa.string()),
            ("device", pa.string()),
            ("locale", pa.string()),
            ("recommendation_id", pa.string()),
            ("properties", pa.string()),
        ]
    ),
    # identify, group and alias calls describe a person, so their properties are left out; only processed events are exported
    query=f"""
        SELECT e.id, s.key AS source, e.type, COALESCE({hide_personal("e.name")}, '') AS name, COALESCE(u.customer_id, a.customer_id) AS customer_id,
               {hide_personal("e.user_id")} AS user_id, {hide_personal("e.anonymous_id")} AS anonymous_id,
               NULLIF(e.session_id, '') AS session_id, e.occurred_at, e.received_at,
               NULLIF(array_to_string(e.product_ids, chr(31)), '') AS product_ids, e.value,
               NULLIF(e.currency, '') AS currency,
               substring(COALESCE(e.properties ->> 'path', e.context #>> '{{page,path}}') FROM '^[^@]+$') AS path,
               e.context #>> '{{device,type}}' AS device, e.context ->> 'locale' AS locale,
               NULLIF(e.recommendation_id, '') AS recommendation_id,
               CASE WHEN e.type IN ('track', 'page', 'screen') AND jsonb_typeof(e.properties) = 'object'
                    THEN (CASE WHEN e.context ? 'campaign' THEN e.properties || jsonb_strip_nulls(jsonb_build_object(
                              '{TRAFFIC_SOURCE}', {hide_personal("e.context #>> '{campaign,source}'")})) ELSE e.properties END
                          - {_PERSONAL})::text ELSE '{{}}' END AS properties
        FROM events_event e
        JOIN events_source s ON s.id = e.source_id
        LEFT JOIN identity_identifier u ON u.kind = 'user_id' AND u.value = e.user_id
        LEFT JOIN identity_identifier a ON a.kind = 'anonymous_id' AND a.value = e.anonymous_id
        WHERE NOT EXISTS (SELECT FROM events_outbox w WHERE w.event_id = e.id)
    """,  # noqa: S608 — the text is constant
)

ORDERS = WarehouseTable(
    name="orders",
    moment="placed_at",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("source", pa.string()),
            ("order_id", pa.string()),
            ("customer_id", pa.int64()),
            ("kind", pa.string()),
            ("status", pa.string()),
            ("placed_at", MOMENT),
            ("currency", pa.string()),
            ("subtotal", MONEY),
            ("discount", MONEY),
            ("shipping", MONEY),
            ("tax", MONEY),
            ("total", MONEY),
            ("refunded", MONEY),
            ("coupon", pa.string()),
            ("channel", pa.string()),
        ]
    ),
    query="""
        SELECT o.id, s.key AS source, o.order_id, o.customer_id, o.kind, o.status, o.placed_at, o.currency, o.subtotal,
               o.discount, o.shipping, o.tax, o.total, o.refunded, o.coupon, o.channel
        FROM orders_order o
        JOIN events_source s ON s.id = o.source_id
    """,
)

ORDER_LINES = WarehouseTable(
    name="order_lines",
    moment="placed_at",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("order_pk", pa.int64()),
            ("order_id", pa.string()),
            ("customer_id", pa.int64()),
            ("kind", pa.string()),
            ("status", pa.string()),
            ("placed_at", MOMENT),
            ("currency", pa.string()),
            ("channel", pa.string()),
            ("line_number", pa.int32()),
            ("product_pk", pa.int64()),
            ("product_id", pa.string()),
            ("category", pa.string()),
            ("brand", pa.string()),
            ("quantity", pa.decimal128(12, 3)),
            ("unit_price", pa.decimal128(14, 4)),
            ("discount", MONEY),
            ("total", MONEY),
        ]
    ),
    query="""
        SELECT l.id, o.id AS order_pk, o.order_id, o.customer_id, o.kind, o.status, o.placed_at, o.currency, o.channel,
               l.line_number, p.id AS product_pk, p.product_id, c.path AS category, NULLIF(p.brand, '') AS brand,
               l.quantity, l.unit_price, l.discount, l.total
        FROM orders_orderline l
        JOIN orders_order o ON o.id = l.order_id
        JOIN catalog_product p ON p.id = l.product_id
        LEFT JOIN catalog_category c ON c.id = p.category_id
    """,
)

PRODUCTS = WarehouseTable(
    name="products",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("product_id", pa.string()),
            ("parent_id", pa.string()),
            ("sku", pa.string()),
            ("title", pa.string()),
            ("description", pa.string()),
            ("category", pa.string()),
            ("brand", pa.string()),
            ("price", MONEY),
            ("currency", pa.string()),
            ("availability", pa.string()),
            ("stock", pa.int32()),
            ("attributes", pa.string()),
            ("tags", TEXTS),
            ("published_at", MOMENT),
            ("is_active", pa.bool_()),
        ]
    ),
    query="""
        SELECT p.id, p.product_id, NULLIF(p.parent_id, '') AS parent_id, NULLIF(p.sku, '') AS sku, p.title,
               p.description, c.path AS category, NULLIF(p.brand, '') AS brand, p.price, NULLIF(p.currency, '') AS currency, p.availability, p.stock,
               p.attributes::text AS attributes, NULLIF(array_to_string(p.tags, chr(31)), '') AS tags, p.published_at,
               p.is_active
        FROM catalog_product p
        LEFT JOIN catalog_category c ON c.id = p.category_id
    """,
)

# ratings of all reviews, also of guests; their texts stay in PostgreSQL
REVIEWS = WarehouseTable(
    name="reviews",
    moment="written_at",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("customer_id", pa.int64()),
            ("product_pk", pa.int64()),
            ("product_id", pa.string()),
            ("rating", pa.int16()),
            ("sentiment", pa.float64()),
            ("contradicts", pa.bool_()),
            ("language", pa.string()),
            ("written_at", MOMENT),
        ]
    ),
    query="""
        SELECT r.id, r.customer_id, p.id AS product_pk, p.product_id, r.rating, r.sentiment, r.contradicts,
               NULLIF(r.language, '') AS language, r.written_at
        FROM feedback_review r
        JOIN catalog_product p ON p.id = r.product_id
    """,
)

PRODUCT_VECTORS = WarehouseTable(
    name="product_vectors",
    page_rows=5_000,  # one of 512 numbers takes 2 kB
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("product_id", pa.string()),
            ("name", pa.string()),
            ("dimension", pa.int32()),
            ("vector", NUMBERS),
            ("updated_at", MOMENT),
        ]
    ),
    query="""
        SELECT v.id, p.product_id, v.name, v.dimension, translate(encode(v.vector, 'base64'), chr(10), '') AS vector,
               v.updated_at
        FROM catalog_productvector v
        JOIN catalog_product p ON p.id = v.product_id
    """,
)

_IDENTIFIERS = """
    SELECT id, kind, value, customer_id, created_at
    FROM identity_identifier
    WHERE kind IN ('user_id', 'anonymous_id', 'device_id')
"""
IDENTIFIERS = WarehouseTable(
    name="identifiers",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("kind", pa.string()),
            ("value", pa.string()),
            ("customer_id", pa.int64()),
            ("created_at", MOMENT),
        ]
    ),
    query=f"{_IDENTIFIERS} AND {hide_personal('value')} IS NOT NULL",
)
# Read from PostgreSQL and never written to a file: a shop may use addresses or phone numbers as user IDs.
CURRENT_IDENTIFIERS = replace(IDENTIFIERS, query=_IDENTIFIERS)

CUSTOMERS = WarehouseTable(
    name="customers",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("created_at", MOMENT),
            ("first_seen_at", MOMENT),
            ("last_seen_at", MOMENT),
            ("language", pa.string()),
            ("country", pa.string()),
            ("traits", pa.string()),
        ]
    ),
    query=f"""
        SELECT id, created_at, first_seen_at, last_seen_at, NULLIF(language, '') AS language,
               NULLIF(country, '') AS country,
               CASE WHEN jsonb_typeof(traits) <> 'object' THEN '{{}}'
                    WHEN NOT traits @? '$.*.\"$sealed\"' THEN (traits - {_PERSONAL})::text
                    ELSE COALESCE(
                        (SELECT jsonb_object_agg(key, value) FROM jsonb_each(traits - {_PERSONAL})
                         WHERE jsonb_typeof(value) <> 'object')::text, '{{}}') END AS traits
        FROM identity_customer
        WHERE erased_at IS NULL
    """,  # noqa: S608 — the text is constant
)

# the products recommended to each visitor; later events refer to them by recommendation_id
IMPRESSIONS = WarehouseTable(
    name="impressions",
    moment="served_at",
    schema=pa.schema(
        [
            ("id", pa.int64()),
            ("recommendation_id", pa.string()),
            ("scenario", pa.string()),
            ("customer_id", pa.int64()),
            ("user_id", pa.string()),
            ("anonymous_id", pa.string()),
            ("model_version", pa.string()),
            ("strategy", pa.string()),
            ("arm", pa.string()),
            ("fallback", pa.string()),
            ("served_at", MOMENT),
            ("first_rank", pa.int32()),
            ("product_ids", TEXTS),
        ]
    ),
    query=f"""
        SELECT i.id, i.recommendation_id, i.scenario, i.customer_id, {hide_personal("i.user_id")} AS user_id,
               {hide_personal("i.anonymous_id")} AS anonymous_id, i.model_version, i.strategy, NULLIF(i.arm, '') AS arm,
               NULLIF(i.fallback, '') AS fallback, i.served_at, i.first_rank,
               NULLIF(array_to_string(i.product_ids, chr(31)), '') AS product_ids
        FROM serving_impression i
    """,  # noqa: S608 — the text is constant
)

TABLES: dict[str, WarehouseTable] = {
    table.name: table
    for table in (
        EVENTS, ORDERS, ORDER_LINES, REVIEWS, PRODUCTS, PRODUCT_VECTORS, IDENTIFIERS, CUSTOMERS, IMPRESSIONS,
    )
}  # fmt: skip
