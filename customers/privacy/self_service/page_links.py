"""Links of the public pages to those of other apps, such as the privacy policy and the preference center."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise

from customers.identity.models import Customer


@dataclass(frozen=True)
class PageLink:
    """A link. url: returns the address for a customer, or for everyone (None); empty if there is none."""

    key: str
    label: str | Promise
    url: Callable[[Customer | None], str]


_links: dict[str, PageLink] = {}


def register_page_link(link: PageLink) -> None:
    """Add a link, such as one to the preference center of a customer."""
    _links[link.key] = link


def list_page_links(customer: Customer | None = None) -> list[tuple[str | Promise, str]]:
    """Return the labels and addresses of the links that exist for a customer."""
    return [(link.label, url) for link in _links.values() if (url := link.url(customer))]
