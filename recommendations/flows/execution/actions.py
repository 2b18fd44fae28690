"""The actions of flows: each is executed for many people at once, in the transaction of their progress."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from customers.identity.trait_updates import TraitUpdate, apply_trait_updates
from customers.identity.traits import IdentifyTraits
from customers.segments.models import Segment, SegmentMember
from recommendations.flows.execution.stays import Stay, insert_message_runs
from recommendations.flows.machine.definition_schema import MESSAGE_STEPS
from recommendations.flows.machine.graph import FlowStep
from recommendations.messaging.models import TemplateVersion
from recommendations.sending.queue import QueuedMessage, queue_messages

logger = logging.getLogger(__name__)

ORIGIN_KIND = "flow"
TAGS = "tags"  # the trait with the tags of a customer
DONE, FAILED = "done", "failed"

READ_TAGS = (
    "SELECT id, traits -> 'tags' FROM identity_customer WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE"
)


def run_action(step: FlowStep, stays: Sequence[Stay], *, now: datetime) -> tuple[bool, str]:
    """Execute the action of a step for stays; return whether their step runs are written, and the outcome."""
    if step.kind in MESSAGE_STEPS:
        return queue_step_messages(step, stays, now=now)
    action = ACTIONS[step.kind]
    outcome = action(step.settings, [stay.customer_id for stay in stays], now)
    if outcome == FAILED:
        logger.warning("Step %s of flow version %s failed", step.key, stays[0].version_id)
    return False, outcome


def queue_step_messages(step: FlowStep, stays: Sequence[Stay], *, now: datetime) -> tuple[bool, str]:
    """Queue the message of a step. The ID of the step run is the origin, so there is at most one message per stay and step."""
    version = find_template_version(step.settings["template"])
    if version is None:
        logger.warning("The template %r of step %s is not published", step.settings["template"], step.key)
        return False, FAILED
    runs = insert_message_runs(stays, step_key=step.key, now=now)
    queue_messages(
        [
            QueuedMessage(
                origin_kind=ORIGIN_KIND,
                origin_id=runs[stay.id],
                customer_id=stay.customer_id,
                template_version_id=version.pk,
                channel=version.template.channel,
                due_at=now,
                is_transactional=bool(step.settings.get("transactional", False)),
                event=stay.event,
            )
            for stay in stays
        ]
    )
    return True, DONE


def find_template_version(key: str) -> TemplateVersion | None:
    """Return the newest published version of a template; None if there is none, or the template is archived."""
    versions = TemplateVersion.objects.filter(
        template__key=key, template__archived_at__isnull=True, published_at__isnull=False
    )
    return versions.select_related("template").order_by("-number").first()


def set_trait(settings: Mapping[str, Any], customer_ids: Sequence[int], now: datetime) -> str:
    traits = IdentifyTraits(traits={settings["trait"]: settings["value"]})
    apply_trait_updates(updates=[TraitUpdate(customer_id, now, traits) for customer_id in customer_ids])
    return DONE


def add_tag(settings: Mapping[str, Any], customer_ids: Sequence[int], now: datetime) -> str:
    tag = settings["tag"]
    return change_tags(customer_ids, lambda tags: [*tags, tag] if tag not in tags else tags, now)


def remove_tag(settings: Mapping[str, Any], customer_ids: Sequence[int], now: datetime) -> str:
    tag = settings["tag"]
    return change_tags(customer_ids, lambda tags: [other for other in tags if other != tag], now)


def change_tags(customer_ids: Sequence[int], change: Callable[[list[str]], list[str]], now: datetime) -> str:
    with connection.cursor() as cursor:
        cursor.execute(READ_TAGS, [format_bigint_list(customer_ids)])
        rows = cursor.fetchall()
    updates = []
    for customer_id, raw in rows:
        stored = msgspec.json.decode(raw) if isinstance(raw, str) else raw
        tags = stored if isinstance(stored, list) else []
        changed = change(tags)
        if changed != tags:
            updates.append(TraitUpdate(customer_id, now, IdentifyTraits(traits={TAGS: changed or None})))
    apply_trait_updates(updates=updates)
    return DONE


def add_to_segment(settings: Mapping[str, Any], customer_ids: Sequence[int], now: datetime) -> str:
    segment = Segment.objects.filter(key=settings["segment"], kind=Segment.Kind.STATIC).first()
    if segment is None:
        return FAILED
    members = [SegmentMember(segment=segment, customer_id=customer_id) for customer_id in sorted(customer_ids)]
    SegmentMember.objects.bulk_create(members, ignore_conflicts=True)
    return DONE


def remove_from_segment(settings: Mapping[str, Any], customer_ids: Sequence[int], now: datetime) -> str:
    segment = Segment.objects.filter(key=settings["segment"], kind=Segment.Kind.STATIC).first()
    if segment is None:
        return FAILED
    segment.members.filter(customer_id__in=customer_ids).delete()
    return DONE


def end_stay(settings: Mapping[str, Any], customer_ids: Sequence[int], now: datetime) -> str:
    return DONE  # the graph has no step after it


ACTIONS: dict[str, Callable[[Mapping[str, Any], Sequence[int], datetime], str]] = {
    "set_trait": set_trait,
    "add_tag": add_tag,
    "remove_tag": remove_tag,
    "add_to_segment": add_to_segment,
    "remove_from_segment": remove_from_segment,
    "exit": end_stay,
}
