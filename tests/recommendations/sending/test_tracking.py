"""Links in messages: clicks, opens, unsubscribing and preferences."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Consent, Customer
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.portrait.queries import CustomerEvent
from customers.lifecycle.portrait.responses import make_response_lines
from customers.segments.conditions.compiler import compile_condition
from customers.segments.event_counts.counting import recount_events, recount_pending_events
from customers.segments.models import PendingEventCount
from recommendations.sending.models import Delivery, DeliveryEvent, OutboxMessage
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from recommendations.sending.tracking import tokens, views
from recommendations.sending.tracking.entries import TrackedEntry
from recommendations.sending.tracking.links import DeliveryLinks, add_campaign_parameters
from recommendations.sending.tracking.storing import store_entries, store_waiting_entries
from tests.makers import NOON
from tests.recommendations.sending.fakes import make_subscriber

pytestmark = pytest.mark.django_db
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"


@pytest.fixture
def sent(valkey: Any) -> Delivery:
    """Send one message to the outbox, a minute before noon."""
    make_subscriber("a@shop.example", name="Ann")
    customers = Customer.objects.all()
    at = NOON - timedelta(minutes=1)
    queue_audience(
        origin_kind="campaign", origin_id=1, customers=customers, template_version_id=1, channel="email", due_at=at
    )
    send_due(now=at)
    return Delivery.objects.get()


def find_link(page: str) -> str:
    html = OutboxMessage.objects.get().html
    match = re.search(rf"http://[^/]+(/m/{page}/[^\"]+)", html)
    assert match
    return match[1]


def test_click_leads_to_the_shop_and_counts_once_a_minute(
    sent: Delivery, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    for _time in range(2):
        response = client.get(find_link("c"), headers={"user-agent": PHONE})
        assert response.status_code == 302
        assert response["Location"] == (
            "https://shop.example/products/1?a=b&utm_source=perennial&utm_medium=email&utm_campaign=welcome&utm_content=button"
        )
        assert not response.cookies
    store_waiting_entries()
    sent.refresh_from_db()
    assert sent.clicked_at is not None
    assert sent.opened_at == sent.clicked_at
    assert DeliveryEvent.objects.count() == 1


def test_changed_or_foreign_tokens_lead_nowhere(sent: Delivery, client: Client) -> None:
    token = find_link("c").rpartition("/")[2]
    changed = token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB")
    assert client.get(f"/m/c/{changed}").status_code == 404
    assert client.get(f"/m/u/{token}").status_code == 404
    assert client.get("/m/c/https:%2F%2Fevil.example").status_code == 404
    assert "shop.example" not in token


def test_a_damaged_link_shows_a_page_of_the_shop_and_not_the_way_to_the_back_office(
    sent: Delivery, client: Client
) -> None:
    preferences = tokens.make_token(tokens.PREFERENCES, sent.pk)
    for path in ("u/notatoken", f"p/{preferences}x", "c/notatoken", "v/notatoken", "r/notatoken"):
        page = client.get(f"/m/{path}")
        assert page.status_code == 404
        assert "This link is not valid" in page.content.decode()
        assert "use the link in a newer message, or contact us." in page.content.decode()
        assert "/admin/" not in page.content.decode()
    assert client.post("/m/u/notatoken").status_code == 404


@pytest.mark.parametrize("path", ["/m/", "/m/u/", "/m/u/x/y/", "/survey/", "/newsletter/", "/newsletter/confirm/"])
def test_what_is_left_of_a_cut_link_shows_a_page_of_the_shop(client: Client, path: str) -> None:
    for page in (client.get(path), client.get(path.removesuffix("/"), follow=True), client.post(path)):
        assert page.status_code == 404
        assert "This link is not valid" in page.text
        assert "/admin/" not in page.text


def test_only_unknown_pages_of_the_back_office_lead_back_to_it(admin_client: Client) -> None:
    for path, leads_back in (("/nothing/", False), ("/admin/nothing/", True)):
        page = admin_client.get(path)
        assert page.status_code == 404
        assert ('href="/admin/"' in page.text) is leads_back


def test_a_link_with_a_slash_at_its_end_works(sent: Delivery, client: Client) -> None:
    assert client.get(f"{find_link('c')}/").status_code == 302
    for page, purpose in (("p", tokens.PREFERENCES), ("v", tokens.VIEW), ("u", tokens.UNSUBSCRIBE)):
        path = f"/m/{page}/{tokens.make_token(purpose, sent.pk)}"
        assert client.get(f"{path}/").status_code == client.get(path).status_code != 404
    unsubscribed = client.post(
        f"/m/u/{tokens.make_token(tokens.UNSUBSCRIBE, sent.pk)}/", {"List-Unsubscribe": "One-Click"}
    )
    assert (unsubscribed.status_code, unsubscribed.content) == (200, b"")
    assert Consent.objects.latest("pk").status == "withdrawn"


def test_too_many_requests_are_refused_in_the_language_of_the_browser(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGES_PER_MINUTE", 0)
    refused = client.get("/m/u/notatoken", headers={"Accept-Language": "zh-hans"})
    assert (refused.status_code, refused.content.decode()) == (429, "请求过于频繁。")


def test_open_of_a_person_and_of_apple_are_told_apart(sent: Delivery, client: Client) -> None:
    client.get(find_link("o"), headers={"user-agent": "Mozilla/5.0"})
    store_waiting_entries()
    sent.refresh_from_db()
    assert (sent.opened_at, sent.machine_opened_at is not None) == (None, True)
    client.get(find_link("o"), headers={"user-agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"})
    store_waiting_entries()
    sent.refresh_from_db()
    assert sent.opened_at is not None


def test_opens_within_seconds_and_many_at_once_are_machines(sent: Delivery) -> None:
    assert sent.sent_at is not None
    store_entries([TrackedEntry("open", sent.pk, sent.sent_at + timedelta(seconds=2), "", PHONE, "s")])
    links = [f"https://shop.example/{number}" for number in range(3)]
    store_entries([TrackedEntry("click", sent.pk, NOON, link, PHONE, "s") for link in links])
    sent.refresh_from_db()
    assert (sent.opened_at, sent.clicked_at) == (None, None)
    assert DeliveryEvent.objects.filter(is_machine=True).count() == 4


def find_members(field: str, *, times: int = 1) -> list[int]:
    condition = {"all": [{"field": field, "op": "exactly", "times": times, "within_days": 30}]}
    return list(Customer.objects.filter(compile_condition(condition, as_of=NOON)).values_list("pk", flat=True))


def test_opens_and_clicks_of_a_message_count_once_each_in_segments(sent: Delivery) -> None:
    assert (find_members("opened_email"), find_members("clicked_email")) == ([], [])
    for minute in range(2):
        at = NOON + timedelta(minutes=minute)
        store_entries([TrackedEntry("open", sent.pk, at, "", PHONE, "s")])
        store_entries([TrackedEntry("click", sent.pk, at, "https://shop.example/1", PHONE, "s")])
    everyone = [sent.customer_id]
    assert (find_members("opened_email"), find_members("clicked_email")) == (everyone, everyone)
    recount_events(everyone)
    assert (find_members("opened_email"), find_members("clicked_email")) == (everyone, everyone)
    assert (find_members("opened_push"), find_members("clicked_sms")) == ([], [])


@pytest.mark.parametrize(("channel", "field"), [("push", "opened_push"), ("sms", "clicked_sms")])
def test_a_click_in_a_push_notification_or_text_message_counts_for_its_channel(
    sent: Delivery, channel: str, field: str
) -> None:
    Delivery.objects.update(channel=channel)
    store_entries([TrackedEntry("click", sent.pk, NOON, "https://shop.example/1", PHONE, "s")])
    assert (find_members(field), find_members("clicked_email"), find_members("opened_email")) == (
        [sent.customer_id],
        [],
        [],
    )


def test_machines_tests_and_erased_customers_do_not_count_in_segments(sent: Delivery) -> None:
    assert sent.sent_at is not None
    store_entries([TrackedEntry("click", sent.pk, sent.sent_at + timedelta(seconds=2), "", PHONE, "s")])
    assert find_members("clicked_email") == []
    Delivery.objects.update(origin_kind="test")
    store_entries([TrackedEntry("click", sent.pk, NOON, "", PHONE, "s")])
    assert find_members("clicked_email") == []
    Delivery.objects.update(origin_kind="campaign", clicked_at=None, opened_at=None)
    Customer.objects.update(erased_at=NOON)
    store_entries([TrackedEntry("click", sent.pk, NOON + timedelta(minutes=1), "", PHONE, "s")])
    recount_pending_events()
    assert not PendingEventCount.objects.exists()
    Customer.objects.update(erased_at=None)
    assert find_members("clicked_email") == []


def test_the_customer_profile_counts_messages_of_perennial_and_of_other_programs(sent: Delivery) -> None:
    customer = Customer.objects.get()
    store_entries([TrackedEntry("click", sent.pk, NOON, "", PHONE, "s")])
    at = to_microseconds(NOON - timedelta(days=2))
    other = CustomerEvent(at, "track", "Email Opened", [], 0, 0, "", "", "", "", False, None, "", "")
    lines = {
        line.key: line.value
        for line in make_response_lines(customer_id=customer.pk, events=[other], as_of=NOON + timedelta(hours=1))
    }
    assert lines["responses.email"] == {"sent": 1, "opened": 2, "clicked": 1}
    assert lines["responses.push"] is None


def test_clicks_follow_the_customer_through_a_merge_and_its_revert(sent: Delivery) -> None:
    kept = make_subscriber("kept@shop.example")
    store_entries([TrackedEntry("click", sent.pk, NOON, "", PHONE, "s")])
    [merge_id] = merge_customers(pairs=[(kept.pk, sent.customer_id)], at=NOON, causes=["test"])
    assert find_members("clicked_email") == [kept.pk]
    revert_merge(merge_id=merge_id, at=NOON, by="test")
    assert find_members("clicked_email") == [sent.customer_id]


def test_a_counted_link_to_the_preferences_is_stored_without_its_token(sent: Delivery, client: Client) -> None:
    links = DeliveryLinks(sent.pk, "email", "sunset")
    counted = urlsplit(links.click(links.preferences(), "Stay")).path
    response = client.get(counted, headers={"user-agent": PHONE})
    assert client.get(urlsplit(response["Location"]).path).status_code == 200
    store_waiting_entries()
    assert DeliveryEvent.objects.get(kind="click").url.endswith("/m/p/")


def test_one_click_unsubscribes_and_get_only_asks(sent: Delivery, client: Client) -> None:
    url = f"/m/u/{tokens.make_token(tokens.UNSUBSCRIBE, sent.pk)}"
    page = client.get(url)
    assert page.status_code == 200
    assert "Unsubscribe from these messages?" in page.content.decode()
    assert Consent.objects.latest("id").status == "granted"
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(url, {"List-Unsubscribe": "One-Click"}).status_code == 200
    strict.post(url)
    consent = Consent.objects.get(status="withdrawn")
    assert (consent.purpose, consent.source) == ("email", "one-click unsubscribe")
    sent.refresh_from_db()
    assert sent.unsubscribed_at is not None


def test_preference_page_writes_the_ledger_in_the_language_of_the_message(sent: Delivery, client: Client) -> None:
    Delivery.objects.update(language="zh-hans")
    url = f"/m/p/{tokens.make_token(tokens.PREFERENCES, sent.pk)}"
    assert "您希望我们如何使用您的数据" in client.get(url).content.decode()
    client.post(url, {"sms": "on", "analytics": "on", "personalisation": "on"})
    latest = dict(Consent.objects.order_by("id").values_list("purpose", "status"))
    assert latest == {"email": "withdrawn", "sms": "granted"}


@pytest.mark.parametrize(
    ("answer", "is_counted"), [({"action": "none"}, True), ({"sms": "on"}, True), ({"email": "on"}, False)]
)
def test_a_withdrawal_on_the_preference_page_of_a_message_counts_as_its_unsubscription(
    sent: Delivery, client: Client, answer: dict[str, str], is_counted: bool
) -> None:
    url = f"/m/p/{tokens.make_token(tokens.PREFERENCES, sent.pk)}"
    for _time in range(2):
        client.post(url, answer)
    sent.refresh_from_db()
    assert (sent.unsubscribed_at is not None) == is_counted
    assert DeliveryEvent.objects.filter(kind="unsubscribe").count() == is_counted


def test_links_of_an_erased_customer_answer_without_error(sent: Delivery, client: Client) -> None:
    Customer.objects.update(erased_at=datetime(2026, 11, 25, tzinfo=UTC))
    assert client.get(f"/m/p/{tokens.make_token(tokens.PREFERENCES, sent.pk)}").status_code == 410
    assert client.post(f"/m/u/{tokens.make_token(tokens.UNSUBSCRIBE, sent.pk)}").status_code == 200


def test_campaign_parameters_do_not_replace_those_of_the_shop() -> None:
    url = add_campaign_parameters(
        "https://shop.example/?utm_source=own#top", medium="email", campaign="spring", content=""
    )
    assert url == "https://shop.example/?utm_source=own&utm_medium=email&utm_campaign=spring#top"
