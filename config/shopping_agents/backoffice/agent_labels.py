"""What pages call automated visitors and the evidence for them."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.agents.known_agents import AGENTS_BY_KEY, OTHER_AGENT, OTHER_CRAWLER, AgentKind
from config.foundation.agents.recognition import AgentEvidence

KIND_LABELS = {AgentKind.CRAWLER: gettext_lazy("Crawler"), AgentKind.AGENT: gettext_lazy("Agent acting for a person")}
EVIDENCE_LABELS = {
    AgentEvidence.USER_AGENT: gettext_lazy("user agent"),
    AgentEvidence.SIGNATURE: gettext_lazy("signature, not verified"),
    AgentEvidence.UCP_AGENT: gettext_lazy("UCP-Agent header"),
}


def get_agent_label(key: str) -> str:
    """Return the name of an agent with its operator."""
    if key == OTHER_CRAWLER.key:
        return _("Other crawler")
    if key == OTHER_AGENT.key:
        return _("Unknown client")
    known = AGENTS_BY_KEY.get(key)
    return f"{known.name} ({known.operator})" if known is not None else key


def get_kind(key: str) -> AgentKind:
    """Return whether an agent is a crawler; an agent that this version does not know counts as one."""
    known = AGENTS_BY_KEY.get(key)
    return known.kind if known is not None else AgentKind.CRAWLER
