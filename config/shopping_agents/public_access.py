"""What all public addresses for shopping agents have in common: the switch, the rate limit, and the count of the request."""

import logging
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest

from config.foundation.agents.known_agents import OTHER_AGENT
from config.foundation.agents.recognition import AgentClaim, AgentEvidence, read_agent_claim
from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import RateLimiter, RateLimits
from config.shopping_agents.models import AgentFeedSettings, load_settings
from customers.events.agents.counting import count_fetch
from customers.events.models import AgentActivity

logger = logging.getLogger(__name__)

LIMITS = RateLimits(requests=120, bytes=0, names=0)  # per address and minute
limiter = RateLimiter()
UNKNOWN = AgentClaim(OTHER_AGENT, AgentEvidence.USER_AGENT)


class TooManyRequestsError(Exception):
    """An address sends more requests than the limit; ``seconds`` until it may send the next one."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests from this address; send the next one in {seconds} s.")
        self.seconds = seconds


def require_published(request: HttpRequest) -> AgentFeedSettings:
    """Return the settings if the catalog is published.

    Raises:
        Http404: it is not.
        TooManyRequestsError: the address sends too many requests.
    """
    if seconds := limiter.count(get_client_address(request.META), LIMITS):
        raise TooManyRequestsError(seconds)
    feed_settings = load_settings()
    if not feed_settings.is_enabled:
        raise Http404("The catalog is not published for shopping agents.")
    return feed_settings


def count_request(request: HttpRequest, *, action: AgentActivity.Action, page: str, at: datetime) -> None:
    """Count a request by agent and day; with a read-only database, it is answered without being counted."""
    try:
        count_fetch(read_agent_claim(request.META) or UNKNOWN, action=action, page=page, at=at)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("A request of a shopping agent was not counted: %s", error)
