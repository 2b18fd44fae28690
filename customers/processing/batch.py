"""Processes one batch of events, top to bottom: identities, orders, reviews, consents, profiles, counts, warehouse."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.events.recent.correction import RevokedPurchase, forget_purchases
from customers.events.recent.interactions import link_identifiers
from customers.feedback.review_events import project_reviews
from customers.lifecycle.refresh.profile_updates import update_profiles
from customers.orders.order_events.projection import OrderProjection, project_orders
from customers.processing.consents.banner_answers import record_event_consents
from customers.processing.consents.deciders import find_deciders
from customers.processing.consents.unsubscribes import record_unsubscribes
from customers.processing.customer_resolution import find_linked_identifiers, resolve_event_customers
from customers.processing.outbox import (
    OutboxClaim,
    OutboxEvent,
    clear_products,
    read_events,
    release_events,
    replace_product_references,
)
from customers.processing.rejections import ProcessingRejection, build_return_rejections, reject_events
from customers.processing.routing import (
    build_order_messages,
    build_review_messages,
    select_counted_events,
    summarize_activity,
)
from customers.processing.signals import events_processed
from customers.segments.changed_customers import note_changed_customers
from customers.segments.event_counts.counting import count_changed_orders, count_events
from customers.warehouse.append import MIN_FILES_TO_JOIN, AppendDraft, draft_events, join_appended, publish_draft
from customers.warehouse.parquet_files import WarehouseWriteError

logger = logging.getLogger(__name__)


@dataclass
class ProcessingResult:
    """The result of a run or a batch.

    Attributes:
        counts: the number of results of each type, such as new orders.
        stage_seconds: the time spent in each stage.
        warehouse_error: the last failed write to the warehouse.
    """

    events: int = 0
    batches: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    warehouse_error: str = ""

    @contextmanager
    def time_stage(self, stage: str) -> Iterator[None]:
        """Add the duration of the block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._add_seconds(stage, time.perf_counter() - began)

    def _add_seconds(self, stage: str, seconds: float) -> None:
        self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds

    def add(self, other: "ProcessingResult") -> None:
        """Add the counts and times of another result."""
        self.events += other.events
        self.batches += other.batches
        self.counts.update(other.counts)
        for stage, seconds in other.stage_seconds.items():
            self._add_seconds(stage, seconds)
        self.warehouse_error = other.warehouse_error or self.warehouse_error

    def note_warehouse_error(self, error: WarehouseWriteError) -> None:
        """Record a failed write; the nightly export writes the missing rows."""
        if not self.warehouse_error:
            logger.warning("%s", error)
        self.warehouse_error = str(error)


@dataclass(frozen=True)
class AfterCommit:
    """The work that follows the commit of a batch."""

    draft: AppendDraft | None
    groups: list[list[tuple[str, str]]]
    revoked: list[RevokedPurchase]


def process_batch(claim: OutboxClaim, result: ProcessingResult, *, at: datetime) -> AfterCommit:
    """Process claimed events in the caller's transaction, and take them off the outbox.

    ``at`` is the time of the run; if the last event was received later, its time is used instead.
    """
    as_of = max(at, claim.high)
    # identities come first: orders, reviews and profiles look their customers up by identifier
    with result.time_stage("read"):
        events = read_events(claim)
    with result.time_stage("products"):
        replace_product_references(claim)
    with result.time_stage("identity"):
        customers = resolve_event_customers(events, at=as_of)
    with result.time_stage("orders"):
        orders = project_orders(messages=build_order_messages(events), at=as_of)
    with result.time_stage("feedback"):
        reviews = project_reviews(messages=build_review_messages(events, customers.customer_ids))
    with result.time_stage("consents"):
        deciders = find_deciders(events, customers.customer_ids)
        unsubscribed = record_unsubscribes(events, deciders)
        consented = record_event_consents(events, deciders)
    with result.time_stage("profiles"):
        update_profiles(
            activity=summarize_activity(events, customers.customer_ids),
            created=customers.resolution.created,
            ordered=orders.customer_ids,
            as_of=as_of,
        )
    with result.time_stage("counts"):
        count_changed_orders(orders.customer_ids)
        counted = count_events(select_counted_events(events, customers.customer_ids), received=(claim.low, claim.high))
        note_changed_customers(customer_id for customer_id in customers.customer_ids if customer_id is not None)
    with result.time_stage("signals"):
        events_processed.send(
            sender=ProcessingResult,
            events=events,
            customer_ids=customers.customer_ids,
            received=(claim.low, claim.high),
        )
    with result.time_stage("rejected"):
        rejections = [
            ProcessingRejection(events[position].id, code, reason)
            for position, code, reason in (*orders.rejected, *reviews.rejected)
        ]
        rejected = reject_events([*rejections, *build_return_rejections(orders.unmatched_returns)])
        revoked = [*orders.cancelled, *revoke_rejected_purchases(claim, events, orders)]
    with result.time_stage("release"):
        release_events(claim)
    with result.time_stage("warehouse"):
        draft = draft_warehouse_rows(claim, result, at=at)
    result.events, result.batches = len(claim.ids), 1
    result.counts.update(customers.counts)
    result.counts.update(
        orders_created=orders.created,
        orders_updated=orders.updated,
        products_created=orders.products_created,
        reviews=reviews.written,
        unsubscribed=unsubscribed,
        consents_changed=consented,
        events_counted=counted,
        rejected=rejected,
        appended=draft.rows if draft else 0,
    )
    return AfterCommit(draft, find_linked_identifiers(events, customers), revoked)


def revoke_rejected_purchases(
    claim: OutboxClaim, events: Sequence[OutboxEvent], orders: OrderProjection
) -> list[RevokedPurchase]:
    """Remove the products of rejected purchases, so that neither recommendations nor a training count them; return the purchases."""
    rejected = [events[position] for position, _code, _reason in orders.rejected]
    purchases = [event for event in rejected if lookup_meaning(event.name) == Meaning.PURCHASE]
    clear_products(claim, event_ids=[event.id for event in purchases])
    return [
        RevokedPurchase(
            event.source_id,
            event.message_id,
            event.user_id,
            event.anonymous_id,
            min(event.occurred_at, event.received_at),
        )
        for event in purchases
    ]


def draft_warehouse_rows(claim: OutboxClaim, result: ProcessingResult, *, at: datetime) -> AppendDraft | None:
    """Write the events to a draft file.

    A failure does not stop processing, since the nightly export fills the gap.
    """
    try:
        return draft_events(ids=claim.ids, received=(claim.low, claim.high), at=at)
    except WarehouseWriteError as error:
        result.note_warehouse_error(error)
        return None


def finish_batch(after_commit: AfterCommit, result: ProcessingResult) -> None:
    """Link recent interactions, remove revoked purchases from them, and publish the warehouse file.

    If the process is killed here, the next run publishes the file and the next event links the interactions. Revoked purchases then
    count until the next update of the recommendations.
    """
    with result.time_stage("links"):
        link_identifiers(groups=after_commit.groups)
        forget_purchases(after_commit.revoked)
    if after_commit.draft is None:
        return
    with result.time_stage("files"):
        try:
            publish_draft(after_commit.draft)
            if after_commit.draft.number % MIN_FILES_TO_JOIN == 0:
                join_appended()
        except WarehouseWriteError as error:
            result.note_warehouse_error(error)
