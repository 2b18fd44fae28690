"""The data that destinations can receive: which rows are new, and which part of a row is sent.

Personal data is left out here; kinds of destinations add the user ID or hashed identifiers.
"""

from dataclasses import dataclass

from customers.destinations.models import DataStream
from customers.warehouse.tables import PERSONAL_KEYS

_PERSONAL = "ARRAY[" + ", ".join(f"'{key}'" for key in PERSONAL_KEYS) + "]"


@dataclass(frozen=True)
class StreamQueries:
    """The statements of a stream.

    Attributes:
        latest: the largest ID that is complete.
        new: id, customer_id and time of the rows with after < id <= until (and, for segment entries, of the segments).
        content: id, customer_id, time and content as JSON of the rows with the IDs.
    """

    latest: str
    new: str
    content: str


# an event is sent after it is processed, because its customer is only known then
_EVENT_CUSTOMER = """
    LEFT JOIN identity_identifier u ON u.kind = 'user_id' AND u.value = e.user_id
    LEFT JOIN identity_identifier a ON a.kind = 'anonymous_id' AND a.value = e.anonymous_id
"""
_LINES = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object('product_id', p.product_id, 'quantity', l.quantity, 'unit_price', l.unit_price,
        'total', l.total) ORDER BY l.line_number), '[]')
     FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id WHERE l.order_id = o.id)
"""
_ORDER = f"""
    'number', o.id, 'placed_at', o.placed_at, 'order_id', o.order_id, 'kind', o.kind, 'status', o.status, 'currency', o.currency,
    'subtotal', o.subtotal, 'discount', o.discount, 'shipping', o.shipping, 'tax', o.tax, 'total', o.total,
    'refunded', o.refunded, 'coupon', o.coupon, 'lines', {_LINES}
"""

STREAMS: dict[str, StreamQueries] = {
    DataStream.ORDERS: StreamQueries(
        latest="SELECT coalesce(max(id), 0) FROM orders_order",
        new="SELECT o.id, o.customer_id, o.placed_at AS at FROM orders_order o WHERE o.id > %(after)s AND o.id <= %(until)s",
        content=f"""
            SELECT o.id, o.customer_id, o.placed_at, jsonb_build_object('type', 'order.created', {_ORDER})
            FROM orders_order o WHERE o.id = ANY(%(ids)s::bigint[])
        """,  # noqa: S608 — the texts are constant
    ),
    # Events and imports log their changes under IDs of one sequence. An event that is not applied yet stops the position before it.
    DataStream.ORDER_CHANGES: StreamQueries(
        latest="""
            SELECT coalesce((SELECT min(id) - 1 FROM orders_orderevent WHERE NOT folded), greatest(
                (SELECT max(id) FROM orders_orderevent), (SELECT max(id) FROM orders_orderchange)), 0)
        """,
        new="""
            SELECT v.id, o.customer_id, v.occurred_at AS at
            FROM orders_orderevent v JOIN orders_order o ON o.source_id = v.source_id AND o.order_id = v.order_id
            WHERE v.id > %(after)s AND v.id <= %(until)s AND v.folded AND v.kind IN ('updated', 'refunded', 'cancelled')
            UNION ALL
            SELECT c.id, o.customer_id, c.changed_at FROM orders_orderchange c JOIN orders_order o ON o.id = c.order_number
            WHERE c.id > %(after)s AND c.id <= %(until)s AND o.customer_id IS NOT NULL
        """,
        content=f"""
            SELECT v.id, o.customer_id, v.occurred_at, jsonb_build_object('type', 'order.' || v.kind, {_ORDER})
            FROM orders_orderevent v JOIN orders_order o ON o.source_id = v.source_id AND o.order_id = v.order_id
            WHERE v.id = ANY(%(ids)s::bigint[])
            UNION ALL
            SELECT c.id, o.customer_id, c.changed_at, jsonb_build_object('type', 'order.' || c.kind, {_ORDER})
            FROM orders_orderchange c JOIN orders_order o ON o.id = c.order_number WHERE c.id = ANY(%(ids)s::bigint[])
        """,  # noqa: S608 — the texts are constant
    ),
    DataStream.EVENTS: StreamQueries(
        latest="""
            SELECT coalesce((SELECT min(event_id) - 1 FROM events_outbox), (SELECT max(id) FROM events_event), 0)
        """,
        new=f"""
            SELECT e.id, coalesce(u.customer_id, a.customer_id) AS customer_id, e.occurred_at AS at
            FROM events_event e {_EVENT_CUSTOMER}
            WHERE e.id > %(after)s AND e.id <= %(until)s
        """,  # noqa: S608 — the texts are constant
        content=f"""
            SELECT e.id, coalesce(u.customer_id, a.customer_id), e.occurred_at, jsonb_build_object(
                'type', 'event.' || e.type, 'name', e.name, 'product_ids', to_jsonb(e.product_ids), 'value', e.value,
                'currency', e.currency, 'properties', CASE WHEN e.type IN ('track', 'page', 'screen')
                AND jsonb_typeof(e.properties) = 'object' THEN e.properties - {_PERSONAL} ELSE '{{}}'::jsonb END)
            FROM events_event e {_EVENT_CUSTOMER}
            WHERE e.id = ANY(%(ids)s::bigint[])
        """,  # noqa: S608 — the texts are constant
    ),
    DataStream.STAGE_CHANGES: StreamQueries(
        latest="SELECT coalesce(max(id), 0) FROM lifecycle_stagetransition",
        new="""
            SELECT t.id, t.customer_id, t.at FROM lifecycle_stagetransition t WHERE t.id > %(after)s AND t.id <= %(until)s
        """,
        content="""
            SELECT t.id, t.customer_id, t.at, jsonb_build_object('type', 'stage.changed', 'from', t.from_stage, 'to', t.to_stage,
                'reason', t.reason)
            FROM lifecycle_stagetransition t WHERE t.id = ANY(%(ids)s::bigint[])
        """,
    ),
    DataStream.SEGMENT_ENTRIES: StreamQueries(
        latest="SELECT coalesce(max(id), 0) FROM segments_segmentstay",
        new="""
            SELECT s.id, s.customer_id, s.entered_at AS at FROM segments_segmentstay s
            WHERE s.id > %(after)s AND s.id <= %(until)s AND s.is_entry_observed AND s.segment_id = ANY(%(segments)s::bigint[])
        """,
        content="""
            SELECT s.id, s.customer_id, s.entered_at, jsonb_build_object('type', 'segment.entered', 'segment', g.key, 'name', g.name)
            FROM segments_segmentstay s JOIN segments_segment g ON g.id = s.segment_id WHERE s.id = ANY(%(ids)s::bigint[])
        """,
    ),
    DataStream.CONSENTS: StreamQueries(
        latest="SELECT coalesce(max(id), 0) FROM identity_consent",
        new="""
            SELECT c.id, c.customer_id, c.recorded_at AS at FROM identity_consent c WHERE c.id > %(after)s AND c.id <= %(until)s
        """,
        content="""
            SELECT c.id, c.customer_id, c.recorded_at, jsonb_build_object('type', 'consent.' || c.status, 'purpose', c.purpose,
                'policy_version', c.policy_version)
            FROM identity_consent c WHERE c.id = ANY(%(ids)s::bigint[])
        """,
    ),
}
