"""Adds entries to the audit log: reads of personal data, exports, and actions that do not change a single object."""

from collections.abc import Iterable, Mapping
from typing import Any

from auditlog.models import LogEntry
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import models

from config.foundation.audit_log.actors import (
    Actor,
    PersonalRead,
    PrimaryKey,
    RequestAudit,
    find_actor,
    request_audit,
)
from config.foundation.test_mode import run_after_rollback

READ = "personal_data.read"
EXPORT = "personal_data.exported"
MAX_IDS = 100  # of a list; its count is always recorded
MAX_NAME = 200
PERSON_MODEL = "identity.Customer"  # the model named in the entry if it is unknown whose personal values were shown
SERVER_ERROR = 500


def record_access(
    *,
    model: type[models.Model],
    pks: Iterable[PrimaryKey] = (),
    count: int = 0,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record that personal data of objects is shown to the caller.

    A request writes one entry at its end, however many objects it shows and however often this is called, so a serializer may
    call it for each object.

    Args:
        pks: the objects; the entry names the first hundred.
        count: how many objects, if there are more than ``pks``.
        details: JSON without personal data, because everyone who may read the log sees it.
    """
    audit = request_audit.get()
    read = PersonalRead() if audit is None else audit.reads.setdefault(model, PersonalRead())
    read.pks.update(dict.fromkeys(pks))
    read.count = max(read.count, count)
    read.details.update(details or {})
    if audit is None:
        _write_read(model, read)


def count_shown_value() -> None:
    """Note that the response shows a personal value in plain text; it is recorded unless an entry names the objects."""
    audit = request_audit.get()
    if audit is not None:
        audit.shown_values += 1


def write_collected_reads(audit: RequestAudit, *, status: int) -> None:
    """Write the entry of a request, before its response is sent.

    A failed request has shown nothing, and an export has its own entry.
    """
    if status >= SERVER_ERROR or audit.has_export:
        return
    if audit.shown_values and not audit.reads:
        audit.reads[apps.get_model(PERSON_MODEL)] = PersonalRead(details={"values": audit.shown_values})
    match = audit.request.resolver_match
    for model, read in audit.reads.items():
        _write_read(model, read, route=match.route if match else "", parameters=sorted(audit.request.GET))


def _write_read(model: type[models.Model], read: PersonalRead, **context: Any) -> None:
    if not read.pks and not read.count and not read.details:
        return
    _record_objects(READ, model=model, pks=list(read.pks), count=read.count, details=read.details | context)


def record_export(
    *,
    model: type[models.Model],
    count: int | None = None,
    pks: Iterable[PrimaryKey] = (),
    details: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
) -> None:
    """Record an export before its first row leaves.

    Args:
        count: the number of rows; None if it is not known before the end.
        pks: the exported objects, if they are few.
        details: what was exported, such as the file or the segment; JSON without personal data.
        actor: who asked for it, if it is not the caller of the current request.
    """
    objects = list(pks)
    run_after_rollback(  # data left the shop, also with a test key
        lambda: _record_objects(EXPORT, model=model, pks=objects, count=count, details=details, actor=actor)
    )
    if (audit := request_audit.get()) is not None:
        audit.has_export = True


def record_action(
    event: str,
    *,
    instance: models.Model | None = None,
    model: type[models.Model] | None = None,
    details: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
    label: str = "",
) -> None:
    """Record something that was done, in the transaction of the caller.

    Args:
        event: what was done, for example ``two_factor.reset``; `config.access.audit.events` has its text.
        instance: the object that it was done to; or ``model`` if it was many objects, or none.
        details: JSON without personal data, because everyone who may read the log sees it.
        actor: who did it, if it is not the caller of the current request; see ``describe_user``.
        label: the object's name in the log; its number if omitted.
    """
    subject = instance._meta.model if instance is not None else model  # not its type: request.user is a proxy
    if subject is None:
        raise ValueError(f"record_action({event!r}) needs instance or model, so that the entry names what it concerns.")
    pk = instance.pk if instance is not None else None
    _create_entry(event, LogEntry.Action.UPDATE, subject, pk=pk, label=label, details=details, actor=actor)


def _record_objects(
    event: str,
    *,
    model: type[models.Model],
    pks: list[PrimaryKey],
    count: int | None,
    details: Mapping[str, Any] | None,
    actor: Actor | None = None,
) -> None:
    """Add one entry: about the object if there is only one, else with the number of objects and the first ids."""
    total = None if count is None and not pks else max(count or 0, len(pks))
    only = pks[0] if total == 1 and pks else None
    facts: dict[str, Any] = {} if only is not None else {"count": total}
    if only is None and pks:
        facts["ids"] = pks[:MAX_IDS]
    _create_entry(event, LogEntry.Action.ACCESS, model, pk=only, details=facts | dict(details or {}), actor=actor)


def _create_entry(
    event: str,
    action: int,
    model: type[models.Model],
    *,
    pk: PrimaryKey | None,
    label: str = "",
    details: Mapping[str, Any] | None,
    actor: Actor | None,
) -> None:
    LogEntry.objects.create(
        content_type=ContentType.objects.get_for_model(model),
        object_pk="" if pk is None else str(pk),
        object_id=pk if isinstance(pk, int) else None,
        object_repr=label or ("" if pk is None else f"#{pk}"),
        action=action,
        **make_actor_fields(actor or find_actor(), event=event, details=details),
    )


def make_actor_fields(actor: Actor, *, event: str = "", details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields of an entry that say who did what; the name is stored, because a user can be renamed."""
    data: dict[str, Any] = {"actor": {"kind": actor.kind, "name": actor.name[:MAX_NAME], "id": actor.id}}
    if event:
        data["event"] = event
    if details:
        data["details"] = dict(details)
    return {
        "actor_id": actor.id if actor.kind == "user" else None,
        "remote_addr": actor.address,
        "additional_data": data,
    }
