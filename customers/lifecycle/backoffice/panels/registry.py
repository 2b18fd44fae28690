"""Panels of the customer page that other apps register when they are ready."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.utils.functional import Promise

from customers.identity.models import Customer


@dataclass(frozen=True)
class CustomerPanel:
    """A panel of the customer page. key: also its anchor. position: panels are sorted by it.

    permission: the panel is hidden from users without it. build: returns what the template gets as ``panel``, for a customer
    as of a time.
    """

    key: str
    position: int
    title: str | Promise
    template: str
    permission: str
    build: Callable[[Customer, datetime], Any]


@dataclass(frozen=True)
class RenderedPanel:
    key: str
    title: str | Promise
    template: str
    content: Any


_panels: dict[str, CustomerPanel] = {}


def register_panel(panel: CustomerPanel) -> None:
    _panels[panel.key] = panel


def build_customer_panels(
    *, customer: Customer, user: AbstractBaseUser | AnonymousUser | PermissionsMixin, as_of: datetime
) -> list[RenderedPanel]:
    """Return the panels that the user may view, in their order."""
    return [
        RenderedPanel(panel.key, panel.title, panel.template, panel.build(customer, as_of))
        for panel in sorted(_panels.values(), key=lambda panel: panel.position)
        if user.has_perm(panel.permission)  # type: ignore[union-attr]
    ]
