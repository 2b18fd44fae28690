"""Records in the audit log who read, exported or changed what; entries are added and never changed.

Django-auditlog records changes of registered models itself. This module adds what it cannot see: reads of personal data, exports, and
acts that are not the change of one object, such as a rotated key. It also gives every entry its actor.
"""

import getpass
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

from auditlog.models import LogEntry
from celery import current_task
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http import HttpRequest

from config.foundation.client_address import get_client_address

READ = "personal_data.read"
EXPORT = "personal_data.exported"
MAX_IDS = 100  # of a list; its count is always recorded


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a back-office user, an API key, a command, a background job, or nobody that is known.

    ``asdict`` of an actor can be passed to a Celery task, which makes it again with ``Actor(**values)``.
    """

    kind: str  # user, api_key, command, job or anonymous
    name: str = ""
    id: int | None = None
    address: str | None = None


_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


@contextmanager
def audit_request(request: HttpRequest) -> Iterator[None]:
    """Make the caller of this request the actor of the entries of the block."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def find_actor() -> Actor:
    """Return who is acting now: the caller of the current request, or what this process runs.

    Call it before a response is streamed or a task is started, because both run after the request.
    """
    request = _request.get()
    if request is not None:
        return describe_caller(request)
    if current_task:
        return Actor(kind="job", name=str(current_task.name))
    return Actor(kind="command", name=f"{find_system_user()}: {' '.join(sys.argv[1:2])}".rstrip(": "))


def describe_caller(request: HttpRequest) -> Actor:
    """Return the user or API key that sent a request."""
    address = get_client_address(request.META) or None
    # REST framework stores the grant of a key here; only the view knows it, so it is not read before
    grant = getattr(request, "auth", None)
    caller = str(getattr(grant, "caller", ""))
    if caller.startswith("key:"):
        return Actor(kind="api_key", name=str(getattr(grant, "name", "")), id=int(caller[4:]), address=address)
    return describe_user(getattr(request, "user", None), address=address)


def describe_user(user: Any, *, address: str | None = None) -> Actor:
    """Return the actor of a back-office user, also before the log-in is complete."""
    if isinstance(user, get_user_model()) and user.pk is not None:
        return Actor(kind="user", name=user.get_username(), id=user.pk, address=address)
    return Actor(kind="anonymous", address=address)


def find_system_user() -> str:
    """Return the name of the system user that runs this process."""
    try:
        return getpass.getuser()
    except OSError:
        return "unknown"  # a container without an entry in /etc/passwd


def record_action(
    event: str,
    *,
    instance: models.Model | None = None,
    model: type[models.Model] | None = None,
    details: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
    action: int = LogEntry.Action.UPDATE,
    label: str = "",
) -> None:
    """Add one entry, in the transaction of the caller.

    Args:
        event: what was done, for example ``two_factor.reset``; its text is in `config.access.audit.events`.
        instance: the object that it was done to; or ``model`` if it was many objects or none.
        details: JSON without personal data, because everybody who may read the log sees it.
        actor: who did it; the caller of the current request if omitted.
        label: what the log calls the object; the number of the object if omitted.
    """
    subject = type(instance) if instance is not None else model
    if subject is None:
        raise ValueError(f"record_action({event!r}) needs instance or model, so that the entry names what it concerns.")
    pk = instance.pk if instance is not None else None
    LogEntry.objects.create(
        content_type=ContentType.objects.get_for_model(subject),
        object_pk="" if pk is None else str(pk),
        object_id=pk if isinstance(pk, int) else None,
        object_repr=label or ("" if pk is None else f"#{pk}"),
        action=action,
        **describe_entry(event, details, actor),
    )


def describe_entry(event: str, details: Mapping[str, Any] | None, actor: Actor | None) -> dict[str, Any]:
    """Return the fields of an entry about the actor and the event."""
    actor = actor or find_actor()
    return {
        "actor_id": actor.id if actor.kind == "user" else None,
        "remote_addr": actor.address,
        "additional_data": {
            "event": event,
            "actor": {**asdict(actor)},
            **({"details": dict(details)} if details else {}),
        },
    }


def record_access(
    *,
    model: type[models.Model],
    pks: Sequence[int | str] | None = None,
    count: int | None = None,
    details: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
) -> None:
    """Record that personal data of objects was shown: one entry, however many objects there are; none if there is none."""
    _record_objects(READ, model=model, pks=pks, count=count, details=details, actor=actor)


def record_export(
    *,
    model: type[models.Model],
    count: int | None = None,
    pks: Sequence[int | str] | None = None,
    details: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
) -> None:
    """Record an export: call it before the first row leaves, with the number of rows and what was exported in ``details``."""
    _record_objects(EXPORT, model=model, pks=pks, count=count, details=details, actor=actor, even_if_empty=True)


def _record_objects(
    event: str,
    *,
    model: type[models.Model],
    pks: Sequence[int | str] | None,
    count: int | None,
    details: Mapping[str, Any] | None,
    actor: Actor | None,
    even_if_empty: bool = False,
) -> None:
    pks = list(pks) if pks is not None else []
    total = len(pks) if count is None else count
    if not total and not even_if_empty:
        return
    only = pks[0] if len(pks) == 1 and total == 1 else None
    facts: dict[str, Any] = {} if only is not None else {"count": total}
    if only is None and pks:
        facts["ids"] = pks[:MAX_IDS]
    LogEntry.objects.create(
        content_type=ContentType.objects.get_for_model(model),
        object_pk="" if only is None else str(only),
        object_id=only if isinstance(only, int) else None,
        object_repr="" if only is None else f"#{only}",
        action=LogEntry.Action.ACCESS,
        **describe_entry(event, facts | dict(details or {}), actor),
    )
