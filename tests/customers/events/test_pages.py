"""The back office's pages of sources and events: what they show, to whom, in both languages, with how many queries."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.events.models import Event, Source
from customers.identity.personal_data.personal_traits import seal_personal
from tests.customers.events.senders import make_keyed_source, send, track
from tests.customers.events.stored import make_event, make_letter, member_of
from tests.makers import make_customer, make_source

pytestmark = pytest.mark.django_db

LIVE, ROWS, MINUTES = (reverse(f"admin:events_{name}") for name in ("live", "live_rows", "minutes"))
SOURCES, EVENTS, LETTERS = (reverse(f"admin:events_{name}_changelist") for name in ("source", "event", "rejectedevent"))


def rows_of(client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(ROWS, query)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return answer.json()["events"]


def first_rows(client: Client, **query: Any) -> list[dict[str, Any]]:
    text = client.get(LIVE, query).text
    data = text.partition('<script id="live-data" type="application/json">')[2].partition("</script>")[0]
    return json.loads(data)["events"]


def page_of(event: Event) -> str:
    return reverse("admin:events_event_change", args=[event.pk])


def test_posted_event_is_live_at_once(admin_client: Client) -> None:
    source, key = make_keyed_source("web")
    assert rows_of(admin_client) == []
    send({"batch": [track("Product Viewed", userId="anna", properties={"product_id": "tea", "value": 12.5})]}, key)
    [row] = rows_of(admin_client)
    assert (row["name"], row["type"], row["who"], row["source"]) == ("Product Viewed", "track", "anna", "web")
    assert (row["products"], row["value"], row["simulated"]) == ("tea", "12.50", False)
    assert row["url"] == page_of(Event.objects.get(source=source.pk))
    assert first_rows(admin_client) == [row]


def test_live_rows_are_filtered_and_follow_a_cursor(admin_client: Client) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    seen = make_event(at=long_ago, name="Product Viewed")
    new = make_event(make_source("app", is_simulated=True), at=long_ago, name="Home", type="screen")
    assert [row["id"] for row in rows_of(admin_client)] == [new.pk, seen.pk]
    assert [row["id"] for row in rows_of(admin_client, after=seen.pk)] == [new.pk]
    assert [row["name"] for row in rows_of(admin_client, type="screen")] == ["Home"]
    assert [row["id"] for row in rows_of(admin_client, source=new.source_id)] == [new.pk]
    assert [row["simulated"] for row in first_rows(admin_client, name="home")] == [True]


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"after": "9" * 40}, {"source": "none"}, {"type": "%"}, {"who": "\0"}]
)
def test_live_rows_take_any_query(admin_client: Client, query: dict[str, str]) -> None:
    make_event()
    assert len(rows_of(admin_client, **query)) == 1


def test_live_page_asks_as_much_for_many_events_as_for_one(admin_client: Client) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as taken:
            assert admin_client.get(address).status_code == 200
        return len(taken)

    make_event()
    for_one = queries(ROWS), queries(MINUTES), queries(SOURCES), queries(EVENTS)
    for number in range(8):
        make_event(make_source(f"source-{number}"))
        make_letter(source=make_source(f"source-{number}"))
    assert (queries(ROWS), queries(MINUTES), queries(SOURCES), queries(EVENTS)) == for_one
    assert for_one[0] <= 5  # session, user, permissions, and two for the events


@pytest.mark.parametrize("address", [LIVE, ROWS, MINUTES])
def test_pages_are_for_who_may_see_events(address: str) -> None:
    assert Client().get(address).status_code == 302
    for role in ("Analyst", "Marketer", "Privacy officer", "Operator"):
        assert member_of(role).get(address).status_code == 200
    assert member_of("Merchandiser").get(address).status_code == 403


def test_sources_and_rejected_events_are_for_who_may_see_them() -> None:
    source, letter = make_source(), make_letter()
    pages = [
        SOURCES,
        LETTERS,
        reverse("admin:events_source_change", args=[source.pk]),
        reverse("admin:events_rejectedevent_change", args=[letter.pk]),
    ]
    for address in pages:
        assert member_of("Operator").get(address).status_code == 200
        assert member_of("Analyst").get(address).status_code == 403
    assert member_of("Privacy officer").get(pages[3]).status_code == 200


def test_menu_offers_what_one_may_open() -> None:
    home = reverse("admin:index")
    analyst, operator = member_of("Analyst").get(home).text, member_of("Operator").get(home).text
    for address in (LIVE, MINUTES):
        assert f'href="{address}"' in analyst
        assert f'href="{address}"' in operator
    for address in (SOURCES, LETTERS):
        assert f'href="{address}"' not in analyst
        assert f'href="{address}"' in operator


def test_analyst_sees_no_personal_data() -> None:
    event = make_event(
        type="identify",
        name="",
        user_id="anna@example.com",
        anonymous_id="a-1",
        properties={"$personal": seal_personal({"email": "anna@example.com"}), "plan": "gold"},
        context={"ip": "203.0.113.7", "page": {"path": "/tea"}},
    )
    analyst = member_of("Analyst")
    texts = [analyst.get(address).text for address in (LIVE, EVENTS, page_of(event))]
    assert rows_of(analyst)[0]["who"] == "•••"
    for text in texts:
        assert "anna" not in text
        assert "203.0.113.7" not in text
    assert "gold" in texts[2]
    assert not LogEntry.objects.filter(action=LogEntry.Action.ACCESS).exists()


def test_opening_personal_data_is_written_down() -> None:
    sealed = seal_personal({"email": "anna@example.com"})
    event = make_event(type="identify", name="", properties={"$personal": sealed}, context={"ip": "203.0.113.7"})
    text = member_of("Privacy officer").get(page_of(event)).text
    assert "anna@example.com" in text
    assert "203.0.113.7" in text
    entry = LogEntry.objects.get(object_id=event.pk, content_type__model="event")
    assert (entry.action, entry.actor.username) == (LogEntry.Action.ACCESS, "Privacy officer")


def test_event_whose_key_is_gone_opens_all_the_same(admin_client: Client) -> None:
    event = make_event(properties={"$personal": "gAAAAA", "plan": "gold"})
    text = admin_client.get(page_of(event)).text
    assert "FIELD_KEYS" in text
    assert "gold" in text


def test_event_leads_to_its_customer_its_source_and_its_session(admin_client: Client) -> None:
    now = datetime.now(UTC)
    customer = make_customer("anna")
    event = make_event(user_id="anna", session_id="s1", at=now)
    before = make_event(user_id="anna", session_id="s1", at=now - timedelta(hours=2))
    other_session = make_event(user_id="anna", session_id="s2", at=now)
    somebody = make_event(user_id="ben", session_id="s1", at=now)
    text = admin_client.get(page_of(event)).text
    assert f'href="{reverse("admin:lifecycle_customer", args=[customer.pk])}"' in text
    assert f'href="{reverse("admin:events_source_change", args=[event.source_id])}"' in text
    assert f'href="{page_of(before)}"' in text
    assert f'href="{page_of(other_session)}"' not in text
    assert f'href="{page_of(somebody)}"' not in text
    visible = member_of("Analyst").get(page_of(event)).text
    assert f'href="{reverse("admin:lifecycle_customer", args=[customer.pk])}"' in visible
    assert f'href="{reverse("admin:events_source_change", args=[event.source_id])}"' not in visible


def test_event_without_a_session_shows_the_half_hours_around_it(admin_client: Client) -> None:
    now = datetime.now(UTC)
    event = make_event(user_id="", anonymous_id="a1", at=now)
    near = make_event(user_id="", anonymous_id="a1", at=now + timedelta(minutes=29))
    far = make_event(user_id="", anonymous_id="a1", at=now - timedelta(minutes=31))
    text = admin_client.get(page_of(event)).text
    assert page_of(near) in text
    assert page_of(far) not in text


def test_event_without_a_person_says_so(admin_client: Client) -> None:
    assert "consent to analytics was denied" in admin_client.get(page_of(make_event(user_id=""))).text


def test_source_list_shows_activity_and_what_is_simulated(admin_client: Client) -> None:
    now = datetime.now(UTC)
    web, made = make_source("web"), make_source("made", is_simulated=True)
    make_event(web, at=now - timedelta(hours=3))
    make_event(web, at=now - timedelta(days=2))
    make_letter(source=made, at=now)
    text = admin_client.get(SOURCES).text
    sources = {source.key: source.activity for source in admin_client.get(SOURCES).context["cl"].result_list}
    assert (sources["web"].events, sources["made"].events, sources["made"].rejected) == (1, 0, 1)
    assert "3 hours ago" in text.replace("\xa0", " ")
    assert "simulated" in text


def source_page(client: Client, source: Source) -> str:
    return client.get(reverse("admin:events_source_change", args=[source.pk])).text


def test_silent_source_says_what_to_do_next(admin_client: Client) -> None:
    source, _key = make_keyed_source(kind=Source.Kind.SERVER)
    text = source_page(admin_client, source)
    assert "Next steps" in text
    assert all(f'id="snippet-{language}"' in text for language in ("browser", "node", "python", "curl"))
    assert "http://testserver/v1/track -u YOUR_WRITE_KEY:" in text
    assert source.write_key_hint in text
    make_event(source, at=datetime.now(UTC))
    assert "Next steps" not in source_page(admin_client, source)


def test_key_page_has_snippets_with_the_key(admin_client: Client) -> None:
    fields = {"key": "web", "name": "Web", "kind": "browser", "enabled": "on", "retention_days": "730"}
    page = admin_client.post(reverse("admin:events_source_add"), {**fields, "allowed_origins": ""})
    key = page.context["plain_key"]
    assert f"http://testserver/v1/track -u {key}:" in page.text
    assert page.text.index("snippet-browser") < page.text.index("snippet-node")
    again = admin_client.post(reverse("admin:events_source_rotate", args=[Source.objects.get().pk]), {"hours": "1"})
    assert again.context["plain_key"] in again.context["snippets"][0].code


def test_origins_are_kept_as_browsers_send_them(admin_client: Client) -> None:
    address = reverse("admin:events_source_add")
    fields = {"key": "web", "name": "Web", "kind": "browser", "enabled": "on", "retention_days": "730"}
    wrong = admin_client.post(address, {**fields, "allowed_origins": "shop.example"})
    assert "“shop.example” is not a valid origin" in wrong.text
    admin_client.post(address, {**fields, "allowed_origins": "https://Shop.example/, https://shop.example"})
    assert Source.objects.get().allowed_origins == ["https://shop.example"]


def test_minutes_are_dated_and_told_by_source(admin_client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"  # five hours and three quarters ahead
    now = datetime.now(UTC)
    web = make_source("web", name="Web shop")
    for _number in range(3):
        make_event(web, at=now)
    make_letter(source=web, at=now)
    page = admin_client.get(MINUTES)
    context = page.context
    assert context["rows"][0]["name"] == "Web shop"
    assert (context["rows"][0]["total"], context["rows"][1]["total"]) == ("3", "1")
    assert sum(context["chart"]["sources"][0]["counts"]) == 3
    here = f"{context['as_of'] + timedelta(hours=5, minutes=45):%H:%M}"
    assert context["chart"]["labels"][-1] == here
    assert f"as of {here} (Asia/Kathmandu)" in page.text
    link = context["chart"]["sources"][0]["links"][-1]
    assert len(admin_client.get(link).context["cl"].result_list) == 3


def test_many_sources_are_drawn_as_others(admin_client: Client) -> None:
    for number in range(10):
        make_event(make_source(f"source-{number}"), at=datetime.now(UTC))
    chart = admin_client.get(MINUTES).context["chart"]
    assert (len(chart["sources"]), chart["sources"][-1]["name"], sum(chart["sources"][-1]["counts"])) == (
        8,
        "others",
        3,
    )


@pytest.mark.parametrize(("language", "words"), [("en", "No events were received"), ("zh-hans", "没有收到事件")])
def test_empty_pages_say_what_to_do(language: str, words: str) -> None:
    client = member_of("Operator", language=language)
    assert words in client.get(MINUTES).text
    assert SOURCES in client.get(MINUTES).text
    assert {"en": "within two seconds", "zh-hans": "两秒内"}[language] in client.get(LIVE).text
    assert {"en": "There are no open rejected events", "zh-hans": "没有待处理的被拒事件"}[language] in client.get(
        LETTERS
    ).text
