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
    """A panel of the customer page. key: also its anchor. position: panels of a tab are sorted by it. tab: key of its tab.

    permission: the panel is hidden from users without it. build: returns what the template gets as ``panel``, for a customer
    as of a time; besides, the template gets only ``perms`` and ``csrf_token``.
    """

    key: str
    position: int
    title: str | Promise
    template: str
    permission: str
    build: Callable[[Customer, datetime], Any]
    tab: str = "overview"


@dataclass(frozen=True)
class RenderedPanel:
    key: str
    title: str | Promise
    template: str
    content: Any


_panels: dict[str, CustomerPanel] = {}


def register_panel(panel: CustomerPanel) -> None:
    _panels[panel.key] = panel


type User = AbstractBaseUser | AnonymousUser | PermissionsMixin


def list_visible_panels(*, user: User, tab: str) -> list[CustomerPanel]:
    """Return the panels of a tab that the user may view, in their order."""
    return [
        panel
        for panel in sorted(_panels.values(), key=lambda panel: panel.position)
        if panel.tab == tab and user.has_perm(panel.permission)  # type: ignore[union-attr]
    ]


def build_customer_panels(*, customer: Customer, user: User, as_of: datetime, tab: str) -> list[RenderedPanel]:
    """Return the content of the panels of a tab that the user may view, in their order."""
    return [
        RenderedPanel(panel.key, panel.title, panel.template, panel.build(customer, as_of))
        for panel in list_visible_panels(user=user, tab=tab)
    ]
