"""Recognizes automated visitors by what a request says about itself.

Everything a request says is a claim: a user agent can be copied, and the signature of a `Signature-Agent` (draft-meunier-web-bot-auth-architecture,
RFC 9421) is not verified here, because that needs the signer's keys from its server while the visitor waits. A claim only decides where
behavior is counted, never what a visitor may do.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from config.foundation.agents.known_agents import (
    KNOWN_AGENTS,
    OTHER_AGENT,
    OTHER_CRAWLER,
    AgentKind,
    KnownAgent,
)

MAX_HEADER = 1000
# longest first, because one name can begin like another
_BY_TOKEN = {token.lower(): known for known in KNOWN_AGENTS for token in known.tokens}
_TOKENS = re.compile("|".join(map(re.escape, sorted(_BY_TOKEN, key=len, reverse=True))), re.IGNORECASE)
_BY_SIGNER = {known.signer: known for known in KNOWN_AGENTS if known.signer}
# Words that identify crawlers without an entry. HTTP libraries and headless browsers are left out: shop servers and developers' tests use
# them, so they usually are the shop's own programs, not automated visitors. "Cubot" is a brand of phones.
_CRAWLER_WORDS = re.compile(r"(?<!cu)bot(?![a-z])|crawler|spider|slurp", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]{1,500})"')


class AgentEvidence(StrEnum):
    """What a claim is based on. None of it is verified."""

    USER_AGENT = "user_agent"
    SIGNATURE = "signature"
    UCP_AGENT = "ucp_agent"


class AgentClaim(NamedTuple):
    """An automated visitor that a request claims to be."""

    agent: KnownAgent
    evidence: AgentEvidence

    @property
    def is_crawler(self) -> bool:
        return self.agent.kind is AgentKind.CRAWLER


def read_agent_claim(headers: Mapping[str, str]) -> AgentClaim | None:
    """Return the automated visitor that a request claims to be; None for people.

    Args:
        headers: a WSGI environment or `HttpRequest.META`.
    """
    if headers.get("HTTP_SIGNATURE_AGENT") and headers.get("HTTP_SIGNATURE_INPUT") and headers.get("HTTP_SIGNATURE"):
        return _read_signer(headers["HTTP_SIGNATURE_AGENT"][:MAX_HEADER])
    if (named := recognize_user_agent(headers.get("HTTP_USER_AGENT", "")[:MAX_HEADER])) is not None:
        return named
    return AgentClaim(OTHER_AGENT, AgentEvidence.UCP_AGENT) if headers.get("HTTP_UCP_AGENT") else None


@lru_cache(maxsize=4096)
def recognize_user_agent(user_agent: str) -> AgentClaim | None:
    """Return the automated visitor that a user agent names; None for browsers, apps and HTTP libraries."""
    if match := _TOKENS.search(user_agent):
        return AgentClaim(_BY_TOKEN[match.group().lower()], AgentEvidence.USER_AGENT)
    return AgentClaim(OTHER_CRAWLER, AgentEvidence.USER_AGENT) if _CRAWLER_WORDS.search(user_agent) else None


@lru_cache(maxsize=256)
def _read_signer(signature_agent: str) -> AgentClaim:
    """Return the signer of a request: `"https://chatgpt.com"`, or a dictionary as in `g="https://agent.bot.goog"`."""
    for address in _QUOTED.findall(signature_agent):
        try:
            host = urlsplit(address).hostname or ""
        except ValueError:
            continue
        if (known := _BY_SIGNER.get(host)) is not None:
            return AgentClaim(known, AgentEvidence.SIGNATURE)
    return AgentClaim(OTHER_AGENT, AgentEvidence.SIGNATURE)
