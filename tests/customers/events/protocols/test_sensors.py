"""Events in the protocol of Sensors Analytics (神策) are stored as events."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client

from customers.events.models import Event, RejectedEvent, Source
from customers.events.sources.write_keys import clear_source_cache
from customers.identity.personal_data.personal_traits import unseal_personal
from tests.customers.events.client import make_keyed_source, send

pytestmark = pytest.mark.django_db
MOMENT = 1_795_780_800_000  # 2026-11-27 12:00 UTC
VISITOR = {
    "distinct_id": "v-1",
    "anonymous_id": "v-1",
    "lib": {"$lib": "js", "$lib_version": "1.27.11"},
    "_track_id": 5,
}
CUSTOMER = {"distinct_id": "u-1", "login_id": "u-1", "anonymous_id": "v-1", "lib": {"$lib": "MiniProgram"}}
VIEWED = {"type": "track", "event": "Product Viewed", "properties": {"product_id": "tea-1", "price": 68}, **VISITOR}


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def encode(events: Any, *, compress: bool = False) -> str:
    data = json.dumps(events).encode()
    return base64.b64encode(gzip.compress(data) if compress else data).decode()


def post(key: str, events: Any, *, field: str = "data_list", compress: bool = False) -> Any:
    form = f"{field}={quote(encode(events, compress=compress), safe='')}&gzip={int(compress)}"
    return send(form.encode(), None, f"/sa?project={key}")


def test_events_become_those_of_a_segment_sdk() -> None:
    _source, key = make_keyed_source()
    sent = int(datetime.now(UTC).timestamp() * 1000) + 3_600_000  # the clock of the phone is an hour fast
    times = {"time": sent - 60_000, "_flush_time": sent}
    page = {
        "$url": "https://shop.example/tea?utm_source=weibo",
        "$title": "绿茶",
        "$referrer": "",
        "$utm_source": "weibo",
    }
    response = post(
        key,
        [
            {**VIEWED, **times},
            {"type": "track", "event": "$pageview", "properties": {**page, "$os": "iOS"}, **VISITOR, **times},
            {"type": "track_signup", "event": "$SignUp", "original_id": "v-1", "properties": {}, **CUSTOMER, **times},
            {"type": "profile_set", "properties": {"$name": "王梅", "plan": "gold"}, **CUSTOMER, **times,
             "identities": {"$identity_email": "mei@example.org", "$identity_mp_wx1_openid": "o-9", "$identity_mp_unionid": "n-9"}},
            {"type": "track", "event": "$MPViewScreen", "properties": {"$title": "首页", "$url_path": "pages/home"}, **CUSTOMER, **times},
        ],
        compress=True,
    )  # fmt: skip
    assert response.json() == {"success": True, "accepted": 5, "duplicates": 0, "rejected": 0}
    viewed, page_view, sign_up, profile, screen = Event.objects.order_by("id")
    assert (viewed.type, viewed.product_ids, viewed.anonymous_id, viewed.user_id) == ("track", ["tea-1"], "v-1", "")
    assert 59 <= (viewed.received_at - viewed.occurred_at).total_seconds() <= 61
    assert (page_view.type, page_view.name, page_view.properties["url"]) == ("page", "绿茶", page["$url"])
    assert page_view.context["campaign"] == {"source": "weibo"}
    assert page_view.context["device"]["type"] == "iOS"
    assert (sign_up.type, sign_up.user_id, sign_up.anonymous_id) == ("identify", "u-1", "v-1")
    assert (profile.user_id, profile.properties["plan"]) == ("u-1", "gold")
    assert unseal_personal(profile.properties["$personal"]) == {
        "name": "王梅",
        "email": "mei@example.org",
        "wechat_openid": "o-9",
        "wechat_unionid": "n-9",
    }
    assert set(profile.properties) == {"plan", "$personal"}
    assert (screen.type, screen.name, screen.properties["path"]) == ("screen", "首页", "pages/home")
    assert viewed.context["library"] == {"name": "sensors-js", "version": "1.27.11"}


def test_an_image_answers_the_address_of_an_image_and_a_repetition_counts_once(client: Client) -> None:
    _source, key = make_keyed_source()
    for flush_time in (MOMENT, MOMENT + 6_000):
        query = urlencode({"project": key, "data": encode({**VIEWED, "time": MOMENT, "_flush_time": flush_time})})
        response = client.get(f"/sa.gif?{query}")
        assert (response.status_code, response["Content-Type"]) == (200, "image/gif")
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({**VIEWED, "type": "profile_increment"}, "unsupported_type"),
        ({**VIEWED, "type": "item_set"}, "unsupported_type"),
        ({**VIEWED, "type": "nonsense"}, "unknown_type"),
        ({"payloads": "x", "ekey": "y"}, "encrypted"),
        (7, "invalid_event"),
        ({"type": "track", "event": "Product Viewed", "properties": {}}, "missing_identity"),
        ({**VIEWED, "time": "yesterday"}, "invalid_timestamp"),
    ],
)
def test_an_unusable_event_is_kept_with_its_reason_and_does_not_affect_the_others(event: Any, code: str) -> None:
    _source, key = make_keyed_source()
    response = post(key, [event, VIEWED]).json()
    assert (response["accepted"], [error["code"] for error in response["errors"]]) == (1, [code])
    assert RejectedEvent.objects.get().code == code


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        (b"", 400, "missing_data"),
        (b"data=%%%", 400, "invalid_base64"),
        (b"data=H4sIAAAA", 400, "invalid_gzip"),
        (b"data=" + base64.b64encode(b"{"), 400, "invalid_json"),
        (b"data=" + base64.b64encode(b"[" * 300), 400, "nested_too_deeply"),
        (b"data=" + quote(base64.b64encode(gzip.compress(b" " * 600_000)), safe="").encode(), 413, "too_large"),
        (b"data_list=" + base64.b64encode(json.dumps([1] * 2501).encode()), 413, "too_many_events"),
        (b"&".join(b"data=MQ" for _n in range(30)), 400, "too_many_fields"),
    ],
)
def test_an_unreadable_call_is_refused(form: bytes, status: int, code: str) -> None:
    _source, key = make_keyed_source()
    response = send(form, None, f"/sa?project={key}")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert send(form, None, "/sa?project=wk_unknown").status_code == 401


def test_a_browser_needs_a_user_token_to_speak_for_a_customer() -> None:
    _source, key = make_keyed_source(kind=Source.Kind.BROWSER)
    event = {**VIEWED, **CUSTOMER, "properties": {"product_id": "tea-1", "user_token": "forged"}}
    assert post(key, [event]).json()["warnings"][0]["code"] == "unverified_user_id"
    stored = Event.objects.get()
    assert (stored.user_id, stored.anonymous_id, "user_token" in stored.properties) == ("", "v-1", False)
