"""Parts of a customer's page that rooms above add to it, each when its app is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.utils.functional import Promise

from customers.identity.models import Customer


@dataclass(frozen=True)
class Section:
    """key: also the anchor on the page. place: the smallest stands first. permission: who lacks it does not see the part.

    told: what the template finds in ``section``, of a customer at a moment.
    """

    key: str
    place: int
    title: str | Promise
    template: str
    permission: str
    told: Callable[[Customer, datetime], Any]


@dataclass(frozen=True)
class ShownSection:
    key: str
    title: str | Promise
    template: str
    told: Any


_sections: dict[str, Section] = {}


def add_section(section: Section) -> None:
    _sections[section.key] = section


def sections_of(
    *, customer: Customer, user: AbstractBaseUser | AnonymousUser | PermissionsMixin, as_of: datetime
) -> list[ShownSection]:
    """Those that the user may see, in their places."""
    return [
        ShownSection(one.key, one.title, one.template, one.told(customer, as_of))
        for one in sorted(_sections.values(), key=lambda one: one.place)
        if user.has_perm(one.permission)  # type: ignore[union-attr]
    ]
