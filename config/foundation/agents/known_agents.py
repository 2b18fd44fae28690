"""Automated visitors that name themselves in the User-Agent header, as their operators document them.

Sources: developers.openai.com/api/docs/bots (OpenAI), support.claude.com/en/articles/8896518 (Anthropic),
docs.perplexity.ai/guides/bots (Perplexity), developers.google.com/crawling/docs/crawlers-fetchers (Google),
developer.amazon.com/amazonbot (Amazon), developers.facebook.com/docs/sharing/webmasters/web-crawlers (Meta), docs.mistral.ai/robots
(Mistral), support.apple.com/119829 (Apple), duckduckgo.com/duckduckgo-help-pages/results/duckassistbot (DuckDuckGo) and
commoncrawl.org/ccbot; tokens without a page of their operator are those of github.com/ai-robots-txt/ai.robots.txt.
"""

from dataclasses import dataclass
from enum import StrEnum


class AgentKind(StrEnum):
    """What an automated visitor does: a crawler collects pages for an index or a model, an agent acts for a person."""

    CRAWLER = "crawler"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """An automated visitor.

    Attributes:
        key: what is stored.
        name: as its operator writes it.
        tokens: parts of user agents that name it, matched without regard to case.
        signer: the host of its `Signature-Agent` header (Web Bot Auth); empty if it does not sign its requests.
    """

    key: str
    name: str
    operator: str
    kind: AgentKind
    tokens: tuple[str, ...] = ()
    signer: str = ""


def crawler(name: str, operator: str, *tokens: str) -> KnownAgent:
    return KnownAgent(name.lower(), name, operator, AgentKind.CRAWLER, tokens or (name,))


def agent(name: str, operator: str, *tokens: str, signer: str = "") -> KnownAgent:
    return KnownAgent(
        name.lower().replace(" ", "-"), name, operator, AgentKind.AGENT, tokens or (() if signer else (name,)), signer
    )


OTHER_CRAWLER = KnownAgent("other-crawler", "Other crawler", "", AgentKind.CRAWLER)
OTHER_AGENT = KnownAgent("other-agent", "Other agent", "", AgentKind.AGENT)

KNOWN_AGENTS: tuple[KnownAgent, ...] = (
    agent("ChatGPT agent", "OpenAI", signer="chatgpt.com"),
    agent("ChatGPT-User", "OpenAI"),
    crawler("OAI-SearchBot", "OpenAI"),
    crawler("OAI-AdsBot", "OpenAI"),
    crawler("GPTBot", "OpenAI"),
    agent("Claude-User", "Anthropic"),
    crawler("Claude-SearchBot", "Anthropic"),
    crawler("ClaudeBot", "Anthropic", "ClaudeBot", "anthropic-ai", "Claude-Web"),
    agent("Perplexity-User", "Perplexity"),
    crawler("PerplexityBot", "Perplexity"),
    agent("Google-Agent", "Google", "Google-Agent", "GoogleAgent-Mariner", signer="agent.bot.goog"),
    agent("Gemini-Deep-Research", "Google"),
    crawler("Storebot-Google", "Google"),
    crawler("Google-CloudVertexBot", "Google"),
    crawler("GoogleOther", "Google"),
    crawler("Googlebot", "Google", "Googlebot", "AdsBot-Google", "Google-InspectionTool"),
    agent("Amzn-User", "Amazon"),
    agent("AmazonBuyForMe", "Amazon"),
    agent("NovaAct", "Amazon"),
    crawler("Amzn-SearchBot", "Amazon"),
    crawler("Amazonbot", "Amazon"),
    agent("Meta-ExternalFetcher", "Meta"),
    crawler("Meta-ExternalAgent", "Meta", "Meta-ExternalAgent", "meta-webindexer", "FacebookBot"),
    agent("MistralAI-User", "Mistral"),
    agent("DuckAssistBot", "DuckDuckGo"),
    agent("Manus-User", "Manus"),
    crawler("DuckDuckBot", "DuckDuckGo"),
    crawler("Bingbot", "Microsoft"),
    crawler("Applebot", "Apple"),
    crawler("Bytespider", "ByteDance"),
    crawler("Baiduspider", "Baidu"),
    crawler("YandexBot", "Yandex"),
    crawler("PetalBot", "Huawei"),
    crawler("Sogou", "Sogou", "Sogou web spider", "Sogou inst spider"),
    crawler("360Spider", "Qihoo 360"),
    crawler("ChatGLM-Spider", "Zhipu"),
    crawler("DeepSeekBot", "DeepSeek"),
    crawler("CCBot", "Common Crawl"),
)
AGENTS_BY_KEY: dict[str, KnownAgent] = {each.key: each for each in (*KNOWN_AGENTS, OTHER_CRAWLER, OTHER_AGENT)}
