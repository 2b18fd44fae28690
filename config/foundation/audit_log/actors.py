"""Finds out who is acting: the caller of the current request, or the job or command that this process runs."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from celery import current_task
from django.contrib.auth import get_user_model
from django.db import models
from django.http import HttpRequest

from config.foundation.http.client_address import get_client_address

PrimaryKey = int | str
CALLER_KINDS = {"key": "api_key", "user": "user"}  # of `Grant.caller`


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something.

    ``asdict`` of an actor can be passed to a Celery task, which rebuilds the actor with ``Actor(**values)``.
    """

    kind: str  # user, api_key, command, job or anonymous
    name: str = ""
    id: int | None = None
    address: str | None = None


@dataclass(slots=True)
class PersonalRead:
    """The objects of a model whose personal data one request showed."""

    pks: dict[PrimaryKey, None] = field(default_factory=dict)  # a set in the order of the page
    count: int = 0
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class RequestAudit:
    """A request, and what it has shown so far.

    Attributes:
        shown_values: the number of personal values that are not known to belong to a certain customer.
        has_export: whether an entry about an export covers them.
    """

    request: HttpRequest
    reads: dict[type[models.Model], PersonalRead] = field(default_factory=dict)
    shown_values: int = 0
    has_export: bool = False


request_audit: ContextVar[RequestAudit | None] = ContextVar("request_audit", default=None)


@contextmanager
def audit_request(request: HttpRequest) -> Iterator[RequestAudit]:
    """Make the caller of a request the actor of all entries of the block, and collect what it shows."""
    audit = RequestAudit(request)
    token = request_audit.set(audit)
    try:
        yield audit
    finally:
        request_audit.reset(token)


def find_actor() -> Actor:
    """Return who is acting now: the caller of the current request, or the job or command that this process runs.

    Call it before a task is started, because the task runs after the request.
    """
    audit = request_audit.get()
    if audit is not None:
        return describe_caller(audit.request)
    if current_task:
        return Actor(kind="job", name=str(current_task.name))
    return Actor(kind="command", name=" ".join([find_system_user(), *sys.argv[1:2]]))


def describe_caller(request: HttpRequest) -> Actor:
    """Return the user or API key that sent a request; for a program that a user has connected, the user."""
    address = get_client_address(request.META) or None
    grant = getattr(request, "auth", None)  # set when the view has identified the caller
    kind, _colon, pk = str(getattr(grant, "caller", "")).partition(":")
    if kind in CALLER_KINDS:
        return Actor(kind=CALLER_KINDS[kind], name=str(getattr(grant, "name", "")), id=int(pk), address=address)
    return describe_user(getattr(request, "user", None), address=address)


def describe_user(user: Any, *, address: str | None = None) -> Actor:
    """Return the actor of a back-office user, also before the log-in is complete; the address is that of the current request."""
    if address is None and (audit := request_audit.get()) is not None:
        address = get_client_address(audit.request.META) or None
    if isinstance(user, get_user_model()) and user.pk is not None:
        return Actor(kind="user", name=user.get_username(), id=user.pk, address=address)
    return Actor(kind="anonymous", address=address)


def serialize_actor(actor: Actor) -> dict[str, Any]:
    """Return an actor as the argument of a Celery task."""
    return asdict(actor)


@cache
def find_system_user() -> str:
    """Return the name of the system user that runs this process."""
    try:
        return getpass.getuser()
    except OSError:
        return "unknown"  # a container without an entry in /etc/passwd
