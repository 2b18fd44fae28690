"""Creates, edits, publishes, pauses, resumes and ends flows. People who are inside finish on the version that they entered."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from recommendations.flows.capture.listeners import sync_listeners
from recommendations.flows.capture.matches import is_matched_trigger
from recommendations.flows.definition_checks import DefinitionError, check_definition
from recommendations.flows.execution.stays import add_counts
from recommendations.flows.models import Flow, FlowMatch, FlowVersion
from recommendations.flows.notifications import publish_flow_event
from recommendations.flows.queued_messages import cancel_messages, hold_messages, release_messages
from recommendations.flows.removal import end_stays_of

STARTING_DEFINITION: Mapping[str, Any] = {
    "schema": 1,
    "trigger": {"kind": "event", "event": "Product Added"},
    "filter": {"all": []},
    "reentry": {"rule": "after", "days": 30},
    "goal": {"kind": "event", "event": "order_placed"},
    "exits": [],
    "steps": [],
}


class FlowStateError(ValueError):
    """A change that the state of the flow does not allow; the message says what to do."""


class FlowKeyTakenError(ValueError):
    """Another flow has the key."""


def create_flow(
    *,
    name: str,
    description: str = "",
    key: str = "",
    definition: Mapping[str, Any] | None = None,
    recipe: str = "",
    by: User | None = None,
) -> Flow:
    """Create a flow with a draft. Without a key, one is made from the name.

    Raises:
        FlowKeyTakenError: another flow has the key.
    """
    with transaction.atomic():
        if key and Flow.objects.filter(key=key).exists():
            raise FlowKeyTakenError(_("A flow with the key %(key)s already exists; choose another one.") % {"key": key})
        flow = Flow.objects.create(
            key=key or find_free_key(name), name=name[:200], description=description, recipe=recipe
        )
        FlowVersion.objects.create(flow=flow, number=1, definition=definition or STARTING_DEFINITION, created_by=by)
    return flow


def find_free_key(name: str) -> str:
    base = slugify(name)[:90] or f"flow-{blake2b(name.encode(), digest_size=4).hexdigest()}"
    taken = set(Flow.objects.filter(key__startswith=base).values_list("key", flat=True))
    return next(key for key in (base, *(f"{base}-{number}" for number in range(2, 10_000))) if key not in taken)


def get_draft(flow: Flow) -> FlowVersion | None:
    return flow.versions.filter(published_at=None).first()


def get_current(flow: Flow) -> FlowVersion | None:
    """Return the version that new people enter."""
    return flow.versions.filter(is_current=True).first()


def get_or_create_draft(*, flow: Flow, by: User | None) -> FlowVersion:
    """Return the draft; a new one is a copy of the newest version. In the caller's transaction."""
    if flow.status == Flow.Status.ENDING:
        raise FlowStateError(_("The flow is ending: nobody enters it any more. Duplicate it to change it."))
    if flow.status == Flow.Status.ENDED:
        raise FlowStateError(_("The flow has ended. Duplicate it to change it."))
    draft = FlowVersion.objects.select_for_update().filter(flow=flow, published_at=None).first()
    if draft is None:
        newest = flow.versions.order_by("-number").first()
        definition = newest.definition if newest else dict(STARTING_DEFINITION)
        number = newest.number + 1 if newest else 1
        draft = FlowVersion.objects.create(flow=flow, number=number, definition=definition, created_by=by)
    return draft


def save_draft(*, flow: Flow, definition: Mapping[str, Any], by: User | None) -> FlowVersion:
    """Store a definition as the draft. It may be incomplete; publishing checks it."""
    with transaction.atomic():
        lock_flow(flow)
        draft = get_or_create_draft(flow=flow, by=by)
        draft.definition = definition
        draft.save(update_fields=["definition", "updated_at"])
    return draft


def discard_draft(*, flow: Flow) -> None:
    """Delete the draft of a flow that has a published version."""
    with transaction.atomic():
        lock_flow(flow)
        if not flow.versions.filter(published_at__isnull=False).exists():
            raise FlowStateError(_("This is the only version of the flow; delete the flow instead."))
        flow.versions.filter(published_at=None).delete()


def delete_draft_flow(*, flow: Flow) -> None:
    """Delete a flow that was never published. Errors: FlowStateError for others, whose history stays."""
    with transaction.atomic():
        lock_flow(flow)
        if flow.published_at is not None:
            raise FlowStateError(
                _("A flow that has been published cannot be deleted, because its history is kept. End it instead.")
            )
        flow.delete()


def publish_flow(*, flow: Flow, now: datetime) -> FlowVersion:
    """Publish the draft and start the flow, or start a paused flow with it. People inside finish on their version.

    Raises:
        DefinitionError: the definition has problems.
        FlowStateError: there is no draft, or the flow has ended.
    """
    with transaction.atomic():
        lock_flow(flow)
        draft = get_draft(flow)
        if draft is None:
            raise FlowStateError(_("There is nothing to publish: the flow has no draft."))
        if problems := check_definition(draft.definition, as_of=now):
            raise DefinitionError(problems)
        before = get_current(flow)
        flow.versions.filter(is_current=True).update(is_current=False)
        draft.is_current, draft.published_at = True, now
        draft.save(update_fields=["is_current", "published_at"])
        was_paused = flow.status == Flow.Status.PAUSED
        has_new_trigger = before is None or before.definition["trigger"] != draft.definition["trigger"]
        if has_new_trigger:
            reset_matches(flow, draft, now=now)
        if has_new_trigger or was_paused:
            flow.started_at = now
        if was_paused:
            flow.matched_at = None  # see `resume_flow`
        flow.status, flow.published_at = Flow.Status.LIVE, now
        flow.save(update_fields=["status", "published_at", "started_at", "matched_at"])
        sync_listeners(flow=flow)
        if was_paused:
            release_messages(flow)
        publish_flow_event("flow.published", flow)
    return draft


def reset_matches(flow: Flow, version: FlowVersion, *, now: datetime) -> None:
    """Forget who matched the trigger before; customers who match at the next comparison do not count as new."""
    FlowMatch.objects.filter(flow=flow).delete()
    flow.days.all().delete()
    flow.matched_at = None
    if is_matched_trigger(version.definition["trigger"]):
        return  # the next comparison writes who matches


def pause_flow(*, flow: Flow) -> int:
    """Pause a flow immediately: nobody enters, those inside stay where they are, and queued messages are held; return their number.

    Goals and exits are still recognized.
    """
    with transaction.atomic():
        change_status(flow, to=Flow.Status.PAUSED, allowed=(Flow.Status.LIVE,))
        publish_flow_event("flow.paused", flow)
        return hold_messages(flow)


def resume_flow(*, flow: Flow, now: datetime) -> int:
    """Continue a paused flow and release its messages; return their number. Waits that ended during the pause are over immediately.

    Customers who began to match a date or score trigger during the pause do not enter: the next comparison triggers nobody, and triggers
    from before the resumption do not count.
    """
    with transaction.atomic():
        change_status(flow, to=Flow.Status.LIVE, allowed=(Flow.Status.PAUSED,))
        flow.matched_at, flow.started_at = None, now
        flow.save(update_fields=["matched_at", "started_at"])
        publish_flow_event("flow.resumed", flow)
        return release_messages(flow)


def end_flow(*, flow: Flow, now: datetime, removes_people: bool) -> int:
    """End a flow: nobody enters any more, and those inside finish, or are removed immediately.

    When people are removed, their queued messages are canceled; return the number of canceled messages.
    """
    with transaction.atomic():
        change_status(flow, to=Flow.Status.ENDING, allowed=(Flow.Status.LIVE, Flow.Status.PAUSED))
        canceled = 0
        if removes_people:
            counts = end_stays_of(flow_id=flow.pk, now=now)
            canceled = cancel_messages(flow, now=now)
            add_counts(counts)
        else:
            release_messages(flow)
        if not finish_ending(flow=flow, now=now):
            publish_flow_event("flow.ending", flow)
    return canceled


def finish_ending(*, flow: Flow, now: datetime) -> bool:
    """Mark a flow that is ending as ended when nobody is inside; return whether it has ended."""
    if flow.status != Flow.Status.ENDING or flow.entries.filter(status="active").exists():
        return False
    flow.status, flow.ended_at = Flow.Status.ENDED, now
    flow.save(update_fields=["status", "ended_at"])
    sync_listeners(flow=flow)
    publish_flow_event("flow.ended", flow)
    return True


def change_status(flow: Flow, *, to: Flow.Status, allowed: tuple[Flow.Status, ...]) -> None:
    with transaction.atomic():
        lock_flow(flow)
        if flow.status not in allowed:
            raise FlowStateError(
                _("This is not possible while the flow is %(status)s.") % {"status": flow.get_status_display()}
            )
        flow.status = to
        flow.save(update_fields=["status"])
        sync_listeners(flow=flow)


def lock_flow(flow: Flow) -> None:
    """Lock a flow until the transaction ends, and read its state; chunks that are being executed are finished first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM flows_flow WHERE id = %s FOR UPDATE", [flow.pk])
    flow.refresh_from_db(fields=["status", "published_at", "started_at", "ended_at", "matched_at"])


def duplicate_flow(*, flow: Flow, name: str, by: User | None) -> Flow:
    """Create a flow with the newest definition of another one, finished or not, and a holdout group of the same share."""
    newest = flow.versions.order_by("-number").first()
    definition = newest.definition if newest else None
    copied = create_flow(name=name, description=flow.description, definition=definition, recipe=flow.recipe, by=by)
    copied.holdout_share, copied.attribution_days = flow.holdout_share, flow.attribution_days
    copied.save(update_fields=["holdout_share", "attribution_days"])
    return copied
