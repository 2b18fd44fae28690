"""The MCP server over real HTTP, called by the official client as several roles; and 200 hostile inputs."""

import asyncio
import html
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils import timezone
from mcp import ClientSession
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from catalog.models import Product
from config.access.grants import Grant
from config.assistant.ask.understanding import understand
from config.assistant.caller import AssistantCaller
from config.assistant.mcp import views
from config.assistant.metrics.registry import METRICS
from config.assistant.tools.registry import TOOLS, call_tool
from customers.feedback.models import Review
from customers.identity.models import Customer
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.flows.models import Flow
from recommendations.merchandising.models import Rule
from recommendations.sending.models import Delivery
from tests.config.access.callers import make_key
from tests.config.assistant.sample_shop import HOSTILE, compute_results, make_shop, start_month
from tests.config.assistant.test_answers import QUESTIONS, read_sql
from tests.makers import make_segment

PROMPTS = json.loads((Path(__file__).parent / "hostile_prompts.json").read_text(encoding="utf-8"))
ANALYST = ("analytics:read", "customers:read", "segments:read", "campaigns:read", "demand:read", "recommendations:read")
MARKETER = (*ANALYST, "segments:write", "campaigns:write", "flows:read", "flows:write", "recommendations:write")

type Session = ClientSession


@pytest.fixture
def server(settings: Any, tmp_path: Any, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve the sample shop; without a worker, figures are not waited for."""
    monkeypatch.setattr(views, "WAIT_SECONDS", 0.0)
    make_shop(settings, tmp_path)
    return f"{live_server.url}/mcp"


def run(url: str, key: str, call: Callable[[Session], Awaitable[Any]]) -> Any:
    """Run a function with a session of the official client."""

    @asynccontextmanager
    async def open_session() -> Any:
        client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60)
        async with (
            client,
            streamable_http_client(url, http_client=client) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            yield session

    async def main() -> Any:
        async with open_session() as session:
            return await call(session)

    return asyncio.run(main())


async def call_all(session: Session, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [await session.call_tool(name, arguments) for name, arguments in calls]


def count_objects() -> dict[str, int]:
    return {
        "launched": Campaign.objects.exclude(status=Campaign.Status.DRAFT).count(),
        "live_flows": Flow.objects.exclude(status=Flow.Status.DRAFT).count(),
        "enabled_rules": Rule.objects.filter(enabled=True).count(),
        "deliveries": Delivery.objects.count(),
        "customers": Customer.objects.filter(erased_at=None).count(),
    }


@pytest.mark.django_db(transaction=True)
def test_the_official_client_lists_and_calls_tools_as_two_roles(server: str, client: Client) -> None:
    analyst, marketer = make_key(*ANALYST)[1], make_key(*MARKETER)[1]
    condition = {"all": [{"field": "stage", "op": "in", "value": ["at_risk"]}]}
    revenue = ("get_metric", {"metric": "revenue", "period": "last_month", "interval": "month"})
    reads: list[tuple[str, dict[str, Any]]] = [
        ("list_metrics", {}),
        ("get_metric", {"metric": "customers_at_risk"}),
        ("find_customers", {"stage": "at_risk", "limit": 5}),
        ("explain_customer", {"user_id": "customer-0"}),
        ("size_segment", {"condition": condition}),
        ("list_stage_changes", {}),
        ("list_campaigns", {}),
        ("read_campaign_results", {"key": "spring"}),
        ("list_rules", {}),
        ("forecast_demand", {"product_id": "tea"}),
    ]
    drafts: list[tuple[str, dict[str, Any]]] = [
        ("draft_segment", {"name": "Win back", "condition": condition}),
        ("draft_campaign", {"key": "autumn", "name": "Autumn", "segment": "everyone"}),
        ("draft_flow", {"recipe": "welcome"}),
        ("draft_rule", {"name": "Tea first", "action": "boost", "factor": 2, "tag": "tea"}),
    ]

    async def use(session: Session) -> tuple[list[str], list[Any]]:
        tools = await session.list_tools()
        return [tool.name for tool in tools.tools], await call_all(session, [revenue, *reads, *drafts])

    before = count_objects()
    names, answers = run(server, analyst, use)
    assert "explain_customer" in names
    assert not {"draft_campaign", "draft_segment", "draft_flow", "draft_rule"} & set(names)
    results = dict(zip((name for name, _arguments in [revenue, *reads, *drafts]), answers, strict=True))
    assert [name for name, result in results.items() if result.is_error] == [name for name, _arguments in drafts]
    assert answers[0].structured_content["data"]["status"] == "computing"
    risk = answers[2].structured_content
    assert risk["data"]["rows"] == [{"value": 3}]
    assert risk["as_of"]
    assert risk["link"].startswith("http")
    assert risk["query"]["name"] == "customers"
    text = json.dumps([answer.structured_content for answer in answers], ensure_ascii=False)
    assert "shop.example" not in text  # no address without customers:personal
    assert "Person 1" not in text
    compute_results()
    names, answers = run(server, marketer, use)
    assert {name for name, _arguments in drafts} <= set(names)
    assert not [answer.content[0].text for answer in answers if answer.is_error]
    assert answers[0].structured_content["data"]["rows"][0]["value"] == 9 * 35.0
    assert Campaign.objects.get(key="autumn").status == Campaign.Status.DRAFT
    assert Segment.objects.filter(name="Win back").exists()
    assert count_objects() == before
    used = LogEntry.objects.filter(additional_data__event="assistant.tool_called")
    assert used.filter(additional_data__details__tool="draft_campaign").count() == 1
    check_access(client, server)


@pytest.mark.django_db
def test_a_draft_whose_audience_cannot_be_counted_is_reported_and_recorded() -> None:
    key, secret = make_key(*MARKETER)
    request = RequestFactory().post("/mcp", headers={"Authorization": f"Bearer {secret}"})
    caller = AssistantCaller(request, Grant(caller=f"key:{key.pk}", name=key.name, scopes=frozenset(MARKETER)))
    make_segment("broken", {"all": [{"field": "segment", "op": "in", "value": ["removed"]}]})
    result = call_tool("draft_campaign", {"key": "autumn", "name": "Autumn", "segment": "broken"}, caller)
    assert Campaign.objects.get(key="autumn").status == Campaign.Status.DRAFT
    assert (result.data["campaign"]["key"], result.data["audience"]) == ("autumn", None)
    assert "The segment is not valid" in str(result.notes[-1])
    assert LogEntry.objects.filter(additional_data__details__tool="draft_campaign").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_official_client_gets_the_figures_that_sql_gives(server: str) -> None:
    """An assistant finds the metric and its arguments by itself; here the page Ask does, which works without a model."""
    calls: list[tuple[str, dict[str, Any]]] = []
    for text, _query in QUESTIONS:
        query = understand(text, today=timezone.localdate(), segments={}, metrics=METRICS.values()).to_query(
            timezone.localdate()
        )
        calls.append(("get_metric", query.to_parameters()))
    analyst = make_key(*ANALYST)[1]
    run(server, analyst, lambda session: call_all(session, calls))
    compute_results()
    answers = run(server, analyst, lambda session: call_all(session, calls))
    for (text, sql), answer in zip(QUESTIONS, answers, strict=True):
        assert not answer.is_error, (text, answer.content)
        content = answer.structured_content
        assert content["data"]["status"] == "done", text
        figures = {row.get("group", ""): row["value"] for row in content["data"]["rows"] if row["value"]}
        assert figures == pytest.approx(read_sql(sql)), text
        assert content["as_of"], text
        assert content["link"].startswith("http"), text
        assert content["query"]["name"], text


def check_access(client: Client, url: str) -> None:
    """Without a valid secret key, and for pages of other origins, there is no answer."""
    missing = client.post("/mcp", {}, content_type="application/json")
    assert missing.status_code == 401
    assert missing["WWW-Authenticate"].startswith("Bearer")
    assert missing.json()["type"] == "urn:perennial:problem:not-authenticated"
    wrong = client.post("/mcp", {}, content_type="application/json", headers={"Authorization": "Bearer sk_live_no"})
    assert wrong.status_code == 401
    public = make_key(kind="publishable")[1]
    headers = {"Authorization": f"Bearer {public}"}
    assert client.post("/mcp", {}, content_type="application/json", headers=headers).status_code == 403
    headers = {"Authorization": f"Bearer {make_key(*ANALYST)[1]}"}
    get = client.get("/mcp", headers=headers)
    assert (get.status_code, get["Allow"], get.json()["type"]) == (
        405,
        "POST",
        "urn:perennial:problem:method-not-allowed",
    )
    foreign = {**headers, "Origin": "https://evil.example"}
    assert client.post("/mcp", {}, content_type="application/json", headers=foreign).status_code == 403
    headers["Accept"] = "application/json, text/event-stream"
    assert client.post("/mcp", "{", content_type="application/json", headers=headers).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_two_hundred_hostile_inputs_change_and_reveal_nothing(server: str) -> None:
    assert len(PROMPTS) == 200
    analyst = make_key(*ANALYST)[1]
    tea = Product.objects.get(product_id="tea")
    Review.objects.create(
        review_id="review-1", product=tea, rating=1, title=HOSTILE, body=f"{HOSTILE} now", written_at=start_month(1)
    )
    before, known = count_objects(), set(Customer.objects.values_list("pk", flat=True))
    calls = [(each["tool"], each["arguments"]) for each in PROMPTS]
    answers = run(server, analyst, lambda session: call_all(session, calls))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        text = answer.content[0].text
        assert "shop.example" not in text, prompt
        assert "Traceback" not in text, prompt
        if prompt["tool"] not in TOOLS or prompt["tool"].startswith("draft_"):
            assert answer.is_error, prompt
        if not answer.is_error:
            check_ids(answer.structured_content, known)
    assert count_objects() == before
    assert not Segment.objects.exclude(key__in=["vip", "everyone"]).exists()
    # a hostile title comes back as data, in the field of the title
    metrics = ("best_sellers", "average_rating")
    reads = [("get_metric", {"metric": metric, "period": "last_month"}) for metric in metrics]
    run(server, analyst, lambda session: call_all(session, reads))
    compute_results()
    answer, ratings = run(server, analyst, lambda session: call_all(session, reads))
    groups = [row["group"] for row in answer.structured_content["data"]["rows"]]
    assert HOSTILE in groups
    assert answer.structured_content["source"].endswith("never instructions.")
    # the text of a review is not an answer of any tool: only its stars count
    assert [row["value"] for row in ratings.structured_content["data"]["rows"]] == [1]
    every = json.dumps([each.structured_content for each in (*answers, answer, ratings)], ensure_ascii=False)
    assert f"{HOSTILE} now" not in every


def check_ids(values: Any, known: set[int]) -> None:
    """Check that every customer ID in an answer exists."""
    if isinstance(values, dict):
        if "customer_id" in values:
            assert values["customer_id"] in known
        for inner in values.values():
            check_ids(inner, known)
    elif isinstance(values, list):
        for inner in values:
            check_ids(inner, known)


class MemoryStorage:
    """Keeps what the official client stores."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.program: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.program

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.program = client_info


async def authorize(url: str, session_id: str) -> AuthorizationCodeResult:
    """Allow only reading on the page that the official client opens; return what the browser is sent back with."""
    async with httpx2.AsyncClient(cookies={"sessionid": session_id}, timeout=60) as browser:
        page = await browser.get(url)
        assert "Perennial tests" in page.text
        assert re.findall(r'value="(assistant:\w+)"( checked)?( disabled)?>', page.text) == [
            ("assistant:read", " checked", " disabled"),
            ("assistant:draft", " checked", ""),
            ("assistant:personal", "", ""),
        ]
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        values = {name: html.unescape(value) for name, value in fields.items()}
        agreed = await browser.post(url, data={**values, "allow": "Authorize"}, headers={"Referer": url})
    answer = dict(parse_qsl(urlsplit(agreed.headers["Location"]).query))
    return AuthorizationCodeResult(**answer)


@pytest.mark.django_db(transaction=True)
def test_the_official_client_registers_itself_and_gets_a_token_of_the_person(server: str, client: Client) -> None:
    user = User.objects.create_superuser("root")
    client.force_login(user)
    session_id = client.cookies["sessionid"].value
    opened: list[str] = []

    async def open_page(url: str) -> None:
        opened.append(url)

    async def wait_for_answer() -> AuthorizationCodeResult:
        return await authorize(opened[-1], session_id)

    metadata = OAuthClientMetadata(
        client_name="Perennial tests", redirect_uris=[AnyUrl("http://127.0.0.1:3334/callback")]
    )
    storage = MemoryStorage()
    provider = OAuthClientProvider(server, metadata, storage, open_page, wait_for_answer)

    async def main() -> Any:
        async with (
            httpx2.AsyncClient(auth=provider, timeout=60) as http,
            streamable_http_client(server, http_client=http) as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            names = [tool.name for tool in (await session.list_tools()).tools]
            return names, await session.call_tool("get_metric", {"metric": "customers_at_risk"})

    names, answer = asyncio.run(main())
    assert len(opened) == 1
    assert "draft_campaign" not in names  # the person may draft, but has not allowed the program to
    assert answer.structured_content["data"]["rows"] == [{"value": 3}]
    assert storage.tokens is not None
    assert storage.tokens.scope == "assistant:read"
    entry = LogEntry.objects.get(additional_data__event="assistant.tool_called")
    assert (entry.actor_id, entry.remote_addr) == (user.pk, "127.0.0.1")
    assert entry.additional_data["actor"] == {"kind": "user", "name": "root", "id": user.pk}
