"""A shop's first day with the processes of `manage.py up`: from products and orders to an email, a survey, and the erasure of a customer."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.journeys.command_process import CommandProcess
from tests.journeys.operator import Operator
from tests.smtp_sink import SmtpSink, run_smtp_sink
from tests.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.acceptance

TASTES = {
    "tea": ["green tea", "black tea", "white tea", "oolong"],
    "coffee": ["espresso", "filter coffee", "mocha", "decaf"],
}
PRODUCTS = {f"{taste}-{number}": title for taste, titles in TASTES.items() for number, title in enumerate(titles)}
ADA, GRACE = "ada-4711", "grace-4712"  # the two who have stopped ordering
USERS = [ADA, GRACE, *(f"u-{number}" for number in range(2, 30))]
NAME, EMAIL, MUG = "Ada Lovelace-Byron", "ada.lovelace@mail.example", "analytical engine mug"
COMMENT = "The tea of Ada Lovelace-Byron was cold."
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
CUSTOMER_FILE = f"user_id,name,email,language\n{ADA},{NAME},{EMAIL},en\n{ADA}-second,{NAME},not-an-address,en\n"
MAIL = (
    '<mjml><mj-body><mj-section><mj-column><mj-text>Dear {{ customer.name|default:"you" }}, '
    '<a href="{{ links.survey_nps }}">how are we?</a></mj-text><mj-button href="https://shop.example/tea">Tea</mj-button>'
    "</mj-column></mj-section><mj-footer></mj-footer></mj-body></mjml>"
)
TOTALS = """
SELECT (SELECT jsonb_agg(r) FROM (SELECT placed_at::date, currency, count(*), sum(total) FROM orders_order GROUP BY 1, 2 ORDER BY 1) r),
       (SELECT jsonb_agg(r) FROM (SELECT product_id, sum(quantity), sum(total) FROM orders_orderline GROUP BY 1 ORDER BY 1) r),
       (SELECT jsonb_agg(r) FROM (SELECT status, count(*), count(opened_at), count(clicked_at) FROM sending_delivery GROUP BY 1) r),
       (SELECT jsonb_agg(r) FROM (SELECT kind, count(*), sum(score) FROM feedback_surveyanswer GROUP BY 1) r),
       (SELECT jsonb_agg(r) FROM (SELECT name, count(*) FROM events_event GROUP BY 1 ORDER BY 1) r),
       (SELECT count(*) FROM serving_impression)
"""


class Api:
    """Calls the REST API as a shop's server does."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {key}"}
        self.recommendation_ids: set[str] = set()

    def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        response = requests.request(
            method, f"{self.url}/api/v1{path}", headers=self.headers, timeout=DEADLINE_SECONDS, **arguments
        )
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        if "json" not in response.headers["Content-Type"]:
            return response.text
        answer = response.json()
        if "recommendation_id" in answer:
            self.recommendation_ids.add(answer["recommendation_id"])
        return answer


@contextmanager
def run_shop(folder: Path, sink: SmtpSink) -> Iterator[tuple[Operator, CommandProcess]]:
    """Run all programs of a shop, which sends its emails to the sink."""
    environment = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(sink.port), "EMAIL_TLS": "off"}
    environment["RECOMMEND_DEADLINE_MS"] = "10000"  # a busy machine would answer with fallbacks
    operator = Operator(folder, **environment, DEFAULT_FROM_EMAIL="shop@shop.example")
    shop = CommandProcess(
        "tests.journeys.shop_process",
        operator.env | {"DATABASE_URL": operator.database, "VALKEY_URL": operator.valkey_url},
    )
    try:
        yield operator, shop
    finally:
        shop.stop()
        operator.stop()


def make_orders(now: datetime) -> list[dict[str, Any]]:
    """Return the orders of 30 customers with one taste each, every two weeks for half a year; two stopped halfway."""
    orders = []
    for customer, user_id in enumerate(USERS):
        taste = "tea" if customer % 2 == 0 else "coffee"
        for round_ in range(13):
            if customer < 2 and round_ > 6:
                continue
            numbers = [(customer + round_) % 4, (customer + round_ + 1 + round_ % 2) % 4]
            orders.append(
                {
                    "order_id": f"o-{customer}-{round_}",
                    "user_id": user_id,
                    "placed_at": (now - timedelta(days=1 + 14 * (12 - round_), minutes=customer)).isoformat(),
                    "currency": "EUR",
                    "lines": [
                        {"product_id": f"{taste}-{number}", "quantity": "1", "unit_price": "4.50"} for number in numbers
                    ],
                }
            )
    return orders


def test_a_shop_turns_orders_into_recommendations_and_messages_and_erases_a_customer_everywhere(tmp_path: Path) -> None:
    with run_smtp_sink() as sink, run_shop(tmp_path, sink) as (operator, shop):
        operator.start(training_seconds=2, wait=False)
        keys = shop("prepare")
        operator.wait_for_output("Perennial is running")
        api = Api(f"http://127.0.0.1:{operator.port}", keys["api"])
        send_data(api)
        operator.send_task("customers.imports.tasks.import_file", shop("upload", str(write_customer_file(tmp_path))))
        imported = "SELECT created + updated, rejected FROM imports_importrun WHERE state = 'imported'"
        wait_until(lambda: operator.query_value(imported) is not None, what="the import")
        assert operator.query_value(imported) == (1, 1)
        operator.send_task("customers.lifecycle.tasks.refresh_profiles")
        done = "SELECT count(*) FROM lifecycle_lifecyclerun WHERE status = 'done'"
        wait_until(lambda: operator.query_value(done), what="the refresh")
        check_segments(api)
        send_campaign(api, operator, sink)
        answer_email(api, operator, sink)
        shop("train")
        check_recommendations(api, keys["write"])
        erase_and_search(api, operator, shop, sink)


def write_customer_file(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_text(CUSTOMER_FILE)
    return path


def send_data(api: Api) -> None:
    """Send products, orders and a customer with a consent, the first two twice."""
    names = ("product_id", "title", "category", "price", "currency")
    rows = [(name, title, f"Drinks > {name.split('-')[0]}", "4.50", "EUR") for name, title in PRODUCTS.items()]
    products = [dict(zip(names, row, strict=True)) for row in rows]
    assert api("PUT", "/products/", json={"products": products})["created"] == len(PRODUCTS)
    assert api("PUT", "/products/", json={"products": products})["unchanged"] == len(PRODUCTS)
    orders = make_orders(datetime.now(UTC))
    assert api("POST", "/orders/", json={"orders": orders})["created"] == len(orders)
    assert api("POST", "/orders/", json={"orders": orders})["unchanged"] == len(orders)
    person = {"user_id": ADA, "phone": "+4915112345678", "traits": {"favorite_mug": MUG}}
    assert api("PUT", "/customers/", json={"customers": [person]})["updated"] == 1
    api("POST", f"/customers/{ADA}/consents/", json={"purpose": "email", "status": "granted", "wording": "newsletter"})


def check_segments(api: Api) -> None:
    loyal, churned = api("GET", "/customers/u-5/profile/"), api("GET", f"/customers/{ADA}/profile/")
    assert loyal["stage"]["key"] == "loyal"
    assert churned["stage"]["key"] in ("dormant", "churned")
    lost = {"key": "lost", "name": "Lost", "condition": {"field": "stage", "op": "in", "value": ["dormant", "churned"]}}
    api("POST", "/segments/", json=lost)
    members = api("GET", "/segments/lost/members/")["results"]
    assert sorted(member["user_id"] for member in members) == [ADA, GRACE]
    assert [segment["key"] for segment in api("GET", f"/customers/{ADA}/segments/")["segments"]] == ["lost"]
    campaign = {"key": "call", "name": "Call", "segment": "lost", "channel": "export", "holdout_share": "0"}
    api("POST", "/campaigns/", json=campaign)
    lines = api("GET", "/campaigns/call/audience.csv").splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == {ADA, GRACE}


def send_campaign(api: Api, operator: Operator, sink: SmtpSink) -> None:
    """Launch a campaign by email; only Ada has an address and has agreed."""
    content = {"language": "en", "subject": "We miss you, {{ customer.name }}", "source": MAIL}
    template = {"key": "win-back", "name": "Win back", "channel": "email", "contents": [content]}
    api("POST", "/message-templates/", json=template)
    api("POST", "/message-templates/win-back/publish/")
    campaign = {"key": "win-back", "name": "Win back", "segment": "lost", "channel": "email", "template": "win-back"}
    api("POST", "/campaigns/", json={**campaign, "holdout_share": "0"})
    api("POST", "/campaigns/win-back/launch/")
    wait_until(lambda: sink.mails, what="the email")
    sent = "SELECT count(*) FROM sending_delivery WHERE status = 'sent'"
    wait_until(lambda: operator.query_value(sent) == 1, what="the record of the email")
    assert [mail.recipient for mail in sink.mails] == [EMAIL]


def answer_email(api: Api, operator: Operator, sink: SmtpSink) -> None:
    """Open the email a minute later, click its link, and answer the survey that it links to."""
    operator.execute("UPDATE sending_delivery SET sent_at = sent_at - interval '1 minute'")
    mail = message_from_bytes(sink.mails[0].data, policy=policy.default)
    assert NAME in mail["Subject"]
    part = mail.get_body(("html",))
    assert part is not None
    html = part.get_content()
    browser = requests.Session()
    browser.headers.update(BROWSER)
    assert browser.get(find_link(html, "/m/o/"), timeout=DEADLINE_SECONDS).headers["Content-Type"] == "image/gif"
    links = [browser.get(link, timeout=DEADLINE_SECONDS, allow_redirects=False) for link in find_links(html, "/m/c/")]
    tea = next(link for link in links if urlsplit(link.headers["Location"]).netloc == "shop.example")
    assert tea.headers["Location"].startswith("https://shop.example/tea?utm_source=perennial")
    survey = find_link(html, "/survey/", [link.headers["Location"] for link in links])
    assert '<form method="post">' in browser.get(survey, timeout=DEADLINE_SECONDS).text
    answer = {"score": "3", "comment": COMMENT}
    assert browser.post(survey, answer, headers={"Origin": "null"}, timeout=DEADLINE_SECONDS).status_code == 200
    counted = "SELECT count(*) FROM sending_delivery WHERE opened_at IS NOT NULL AND clicked_at IS NOT NULL"
    wait_until(lambda: operator.query_value(counted) == 1, what="the open and the click")
    summary = api("GET", "/campaigns/win-back/results/")["deliveries"]
    assert (summary["sent"], summary["opened"], summary["clicked"]) == (1, 1, 1)
    assert api("GET", "/feedback/summary/")["nps"]["answers"] == 1


def find_links(html: str, path: str) -> list[str]:
    """Return the links of a page or an email whose path begins so."""
    links = [link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="(http[^"]+)"', html)]
    return [link for link in links if urlsplit(link).path.startswith(path)]


def find_link(html: str, path: str, others: list[str] | None = None) -> str:
    """Return the first such link of an email, or of those that its links lead to."""
    return [*find_links(html, path), *(link for link in others or [] if urlsplit(link).path.startswith(path))][0]


def check_recommendations(api: Api, write_key: str) -> None:
    """Check the recommendations of the trained model, and that a stranger's view changes theirs immediately."""

    def is_trained() -> bool:
        tea = api("GET", "/recommendations/for-you/?user_id=u-4&n=3")
        return tea["fallback"] is None and all(
            item["product_id"].startswith("tea") and item["reason"]["text"] for item in tea["items"]
        )

    wait_until(is_trained, what="recommendations by the model")
    assert api("GET", f"/recommendations/for-you/?user_id={ADA}&n=3")["fallback"] is None
    similar = api("GET", "/recommendations/similar/?product_id=coffee-1&n=3")
    assert all(item["product_id"].startswith("coffee") for item in similar["items"])
    assert api("GET", "/recommendations/for-you/?anonymous_id=new&n=3")["fallback"] == "popular"
    number = count(1)

    def track(**person: str) -> None:
        event = {"type": "track", "event": "Product Viewed", "messageId": f"m-{next(number)}", **person}
        sent = requests.post(
            f"{api.url}/v1/track",
            json={**event, "properties": {"product_id": "coffee-2", "query": f"a mug for {MUG}"}},
            headers={"X-Write-Key": write_key},
            timeout=DEADLINE_SECONDS,
        )
        assert (sent.status_code, sent.json()["success"]) == (200, True)

    def view_and_recommend() -> bool:
        """Send another view each time, because Valkey may time out for a second on a slow machine and lose one."""
        track(anonymousId="new")
        response = api("GET", "/recommendations/for-you/?anonymous_id=new&n=3")
        return response["fallback"] is None and response["items"][0]["product_id"].startswith("coffee")

    track(userId=ADA)
    wait_until(view_and_recommend, what="a recommendation based on the view")


def erase_and_search(api: Api, operator: Operator, shop: CommandProcess, sink: SmtpSink) -> None:
    """Erase Ada by REST: nothing of her is found in any file, key, queue, table or log, and no sum changes."""
    wait_until(lambda: operator.query_value(WAITING) == (0, 0), what="events to be processed")
    wait_until(
        lambda: operator.query_value(STORED, [*api.recommendation_ids]) == len(api.recommendation_ids),
        what="impressions to be stored",
    )
    known = shop("describe", ADA)
    assert {NAME, EMAIL} <= set(known["search_terms"])
    traces = {"identity.customers", "orders.orders", "warehouse.files", "imports.files", "sending.deliveries"}
    assert traces | {"feedback.surveys", "serving.impressions"} <= set(known["stores"]), known["stores"]
    totals = operator.query_value(TOTALS)
    request = api("POST", "/privacy/requests/", json={"kind": "erasure", "user_id": ADA})
    path = f"/privacy/requests/{request['reference']}/"
    operator.send_task("customers.privacy.tasks.run_due_erasures")
    wait_until(lambda: api("GET", path)["state"] == "done", what="the erasure")
    # the last message that Ada gets confirms it; until then, a queue has her address, encrypted
    wait_until(lambda: len(sink.mails) == 2, what="the confirmation")
    assert sink.mails[1].recipient == EMAIL
    report = shop("search")
    assert report["findings"] == []
    assert min(report["files"], report["keys"], report["tables"]) > 0
    logs = [operator.output, *(operator.folder / "var" / "log").iterdir()]
    assert all(log.stat().st_size > 0 for log in logs)
    texts = [text.encode() for text in {*known["search_terms"], NAME, EMAIL, MUG, COMMENT, ADA}]
    assert [(log.name, text) for log in logs for text in texts if text in log.read_bytes()] == []
    assert "nothing found" in shop("verify", known["id"])
    assert operator.query_value(TOTALS) == totals
    assert [member["user_id"] for member in api("GET", "/segments/lost/members/")["results"]] == [GRACE]


STORED = "SELECT count(DISTINCT recommendation_id) FROM serving_impression WHERE recommendation_id = ANY(%s)"
WAITING = "SELECT (SELECT count(*) FROM events_outbox), (SELECT count(*) FROM lifecycle_lifecyclerun WHERE status = 'running')"
