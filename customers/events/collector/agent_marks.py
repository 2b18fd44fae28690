"""Marks the events of automated visitors: those that are only counted, and those that express what a person wants."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from config.foundation.agents.recognition import AgentClaim, recognize_user_agent
from customers.events.collector.consent import is_consent_event
from customers.events.event_taxonomy import ORDER_MEANINGS, Meaning
from customers.identity.personal_data.personal_texts import hide_personal_text

# what a person does, even if an agent sends it: it concerns the person's orders, rights and account
ACTS_OF_CUSTOMERS = ORDER_MEANINGS | {Meaning.REVIEW, Meaning.STOCK_REQUEST, Meaning.EMAIL_UNSUBSCRIBED}
MAX_USER_AGENT = 1000
MAX_PAGE = 200


class AgentMark(NamedTuple):
    """What an event tells about an automated visitor; see `EventRow`."""

    agent: AgentClaim | None = None
    page: str = ""
    is_counted_only: bool = False


NO_AGENT = AgentMark()


def mark_agent(
    item_context: dict[str, Any],
    header_agent: AgentClaim | None,
    call_type: str,
    name: str,
    meaning: str | None,
    *,
    is_known: bool,
) -> AgentMark:
    """Return the mark of an event.

    Args:
        header_agent: the automated visitor that the headers of a browser or app name.
        is_known: whether the customer ID is proven, or the shop's own server says it.
    """
    agent = header_agent or read_item_agent(item_context)
    if agent is None:
        return NO_AGENT
    if is_act_of_customer(call_type, name, meaning, is_known=is_known):
        return AgentMark(agent)
    return AgentMark(agent, read_page_path(item_context), is_counted_only=True)


def read_item_agent(item_context: dict[str, Any]) -> AgentClaim | None:
    """Return the automated visitor that `context.userAgent` names, which the servers of shops pass on."""
    item_context.pop("agent", None)  # only the collector may write this key
    user_agent = item_context.get("userAgent")
    return recognize_user_agent(user_agent[:MAX_USER_AGENT]) if isinstance(user_agent, str) and user_agent else None


def read_page_path(item_context: dict[str, Any]) -> str:
    """Return the path of the page of an event, without parameters and personal data."""
    page = item_context.get("page")
    address = page.get("path") or page.get("url") if isinstance(page, dict) else None
    if not isinstance(address, str):
        return ""
    try:
        return hide_personal_text(urlsplit(address).path[:MAX_PAGE])
    except ValueError:
        return ""


def is_act_of_customer(call_type: str, name: str, meaning: str | None, *, is_known: bool) -> bool:
    """Return whether an event says what a person wants or bought, not how an agent looked for it.

    Args:
        is_known: whether the customer ID is proven, or the shop's own server says it.
    """
    return is_known and (call_type in ("identify", "alias") or meaning in ACTS_OF_CUSTOMERS or is_consent_event(name))
