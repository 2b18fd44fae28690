"""Which requests claim to come from automated visitors."""

import pytest

from config.foundation.agents.known_agents import AGENTS_BY_KEY, KNOWN_AGENTS, AgentKind
from config.foundation.agents.recognition import AgentEvidence, read_agent_claim

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
SIGNED = {
    "HTTP_USER_AGENT": CHROME,
    "HTTP_SIGNATURE": "g=:AA==:",
    "HTTP_SIGNATURE_INPUT": 'g=("@authority");tag="web-bot-auth"',
}


@pytest.mark.parametrize(
    ("headers", "key", "evidence"),
    [
        ({"HTTP_USER_AGENT": f"{CHROME}; compatible; ChatGPT-User/1.0; +https://openai.com/bot"}, "chatgpt-user", "user_agent"),
        ({"HTTP_USER_AGENT": "Mozilla/5.0; compatible; OAI-SearchBot/1.3; +https://openai.com/searchbot"}, "oai-searchbot", "user_agent"),
        ({"HTTP_USER_AGENT": "Mozilla/5.0 (compatible; gptbot/1.2)"}, "gptbot", "user_agent"),
        ({"HTTP_USER_AGENT": "Mozilla/5.0 (compatible; Claude-User/1.0; +Claude-User@anthropic.com)"}, "claude-user", "user_agent"),
        ({"HTTP_USER_AGENT": "Mozilla/5.0 (compatible; Perplexity-User/1.0)"}, "perplexity-user", "user_agent"),
        ({"HTTP_USER_AGENT": f"{CHROME} (compatible; Google-Agent)"}, "google-agent", "user_agent"),
        ({"HTTP_USER_AGENT": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, "googlebot", "user_agent"),
        ({"HTTP_USER_AGENT": "Mozilla/5.0 (compatible; AhrefsBot/7.0)"}, "other-crawler", "user_agent"),
        ({**SIGNED, "HTTP_SIGNATURE_AGENT": '"https://chatgpt.com"'}, "chatgpt-agent", "signature"),
        ({**SIGNED, "HTTP_SIGNATURE_AGENT": 'g="https://agent.bot.goog"'}, "google-agent", "signature"),
        ({**SIGNED, "HTTP_SIGNATURE_AGENT": '"https://[broken"'}, "other-agent", "signature"),
        ({"HTTP_USER_AGENT": "agent/1", "HTTP_UCP_AGENT": 'profile="https://agent.example/profile"'}, "other-agent", "ucp_agent"),
    ],
)  # fmt: skip
def test_automated_visitors_are_recognized(headers: dict[str, str], key: str, evidence: str) -> None:
    claim = read_agent_claim(headers)
    assert claim is not None
    assert (claim.agent.key, claim.evidence) == (key, AgentEvidence(evidence))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"HTTP_USER_AGENT": CHROME},
        {"HTTP_USER_AGENT": "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Mobile Safari/537.36"},
        {"HTTP_USER_AGENT": "python-requests/2.32"},
        {
            "HTTP_USER_AGENT": CHROME,
            "HTTP_REFERER": "https://chatgpt.com/",
        },  # a person who follows a link of an assistant
        {"HTTP_USER_AGENT": CHROME, "HTTP_SIGNATURE_AGENT": '"https://chatgpt.com"'},  # without a signature
    ],
)
def test_people_are_not_mistaken_for_automated_visitors(headers: dict[str, str]) -> None:
    assert read_agent_claim(headers) is None


def test_each_agent_has_its_own_key_and_names() -> None:
    assert len(AGENTS_BY_KEY) == len(KNOWN_AGENTS) + 2
    tokens = [token.lower() for known in KNOWN_AGENTS for token in known.tokens]
    assert len(tokens) == len(set(tokens))
    assert all(known.kind is AgentKind.AGENT for known in KNOWN_AGENTS if known.signer)
