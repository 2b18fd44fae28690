"""Requests with a test key are answered as those of a live key, and change nothing."""

import json
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES
from config.foundation.test_mode import enter_test_mode
from config.foundation.ttl_cache import TtlCache, get_background_executor
from config.foundation.valkey import LuaScript, ValkeyDownError, run_command, run_script
from customers.analytics.expressions.parameters import dump_parameters
from customers.identity.models import Consent, Customer
from customers.policy.tasks import apply_consent_settings
from customers.warehouse.models import ExportRun
from recommendations.campaigns.models import Campaign
from recommendations.serving.impressions.writer import process_queue
from tests.clients.generated import build_parameters, read_model
from tests.config.access.callers import make_bearer_client, make_client, make_key
from tests.config.access.sample_objects import FUNNEL, make_sample_objects
from tests.makers import make_customer
from tests.recommendations.sending.test_rest import make_browser
from tests.waiting import DEADLINE_SECONDS

HEADER = "Perennial-Test-Mode"
BROWSER = make_browser()
CONTENT = {"language": "en", "title": "Tea"}
TEMPLATE = {"language": "en", "subject": "Tea", "source": "<mjml><mj-body><mj-footer></mj-footer></mj-body></mjml>"}
SEGMENT = {"key": "new", "name": "New", "condition": {"all": []}}
# operation → a body that a live key would have executed; the others take the required fields
BODIES: dict[str, dict[str, Any]] = {
    "analytics_ask": {"question": "funnel", "parameters": dump_parameters(FUNNEL)},
    "campaigns_create": {"key": "new", "name": "New", "segment": "everyone"},
    "customer_loyalty_reserve": {"points": 5},
    "customers_upsert": {
        "customers": [{"user_id": "grace", "email": "grace@example.com"}, {"user_id": "ada", "name": "Ada"}]
    },
    "flows_create": {"key": "new", "name": "New"},
    "forms_newsletter": {"email": "grace@example.com"},
    "message_templates_create": {"key": "new", "name": "New", "contents": [TEMPLATE]},
    "offers_create": {"key": "new", "name": "New", "contents": [CONTENT]},
    "orders_upsert": {
        "orders": [
            {"order_id": "order-2", "user_id": "ada", "placed_at": "2026-03-01T12:00:00Z"}
            | {"currency": "USD", "lines": [{"product_id": "kettle", "quantity": 1, "price": 5}]}
        ]
    },
    "privacy_links_make": {"user_id": "ada"},
    "privacy_requests_open": {"kind": "erasure", "user_id": "ada"},
    "product_update": {"title": "Red kettle"},
    "product_vectors_upsert": {"name": "image", "vectors": [{"product_id": "kettle", "vector": [0.5, 0.5]}]},
    "products_upsert": {
        "products": [{"product_id": "teapot", "title": "Teapot"}, {"product_id": "kettle", "title": "Red"}]
    },
    "push_subscribe": {"user_id": "ada"} | BROWSER,
    "push_unsubscribe": {"endpoint": BROWSER["endpoint"]},
    "rank": {"product_ids": ["kettle"], "user_id": "ada"},
    "recommendations_batch": {"placements": [{"scenario": "popular"}], "user_id": "ada"},
    "review_moderate": {"is_published": False},
    "reviews_upsert": {"reviews": [{"review_id": "review-2", "product_id": "kettle", "rating": 1}]},
    "rules_create": {"name": "New", "action": "hide", "brand": "Acme"},
    "rules_change": {"factor": 3},
    "segments_create": SEGMENT,
    "segments_replace": SEGMENT | {"key": "everyone"},
    "suppressions_add": {"addresses": ["grace@example.com"]},
    "suppressions_remove": {"addresses": ["grace@example.com"]},
    "surveys_record": {"answers": [{"user_id": "ada", "kind": "nps", "score": 9}]},
}
# the operations that read, and record something about it
RECORDING_READS = ("campaigns_audience", "customer_offer", "customers_retrieve", "recommendations")
# operation → campaign in the state that it needs
CAMPAIGNS = {"campaigns_cancel": "scheduled", "campaigns_pause": "scheduled", "campaigns_resume": "paused"}
# what needs a trained model, an experiment that has ended, or a complete draft; or what cannot be simulated
REFUSALS = {
    400: ("campaigns_launch", "experiments_promote", "flows_publish"),
    403: ("privacy_links_make", "survey_link_create"),
    404: ("message_templates_publish", "models_promote"),
    409: (
        *(
            "experiments_stop",
            "experiments_undo_promotion",
            "flows_end",
            "flows_pause",
            "flows_resume",
            "models_roll_back",
        ),
        *("offers_start", "offers_pause", "segments_delete"),
    ),
}
TABLES = """
SELECT string_agg(format('SELECT %L AS name, md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '''')) FROM %I t',
    relname, relname), ' UNION ALL ')
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
# that a key was used, and that personal data was read or exported with it
AUDITED = {"auditlog_logentry", "access_unsealedentry"}


def read_state() -> dict[str, Any]:
    """Return a hash of each table and the content of each key of Valkey, without rate limits and the last use of API keys."""
    get_background_executor().submit(lambda: None).result(DEADLINE_SECONDS)  # the use of a key is written there
    ApiKey.objects.update(last_used_at=None)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute(cursor.fetchone()[0])
        state = dict(cursor.fetchall())
    with redis.Redis.from_url(settings.VALKEY_URL) as valkey:
        keys = [key for key in valkey.scan_iter() if not key.startswith(b"throttle:")]
        return state | {key.decode(errors="replace"): valkey.dump(key) for key in keys}


def make_test_key(*scopes: str, **fields: Any) -> str:
    return make_key(*scopes, is_test=True, **fields)[1]


@pytest.mark.django_db(transaction=True)
def test_no_operation_changes_a_row_or_a_key_of_valkey(valkey: redis.Redis) -> None:
    make_sample_objects()
    everyone = Campaign.objects.get()
    for status in set(CAMPAIGNS.values()):
        Campaign.objects.create(key=status, name=status, segment=everyone.segment, status=status)
    ada, other = Customer.objects.get(), make_customer("grace")
    # without an export of the warehouse, analytics answers no question
    ExportRun.objects.create(table="events", started_at=timezone.now(), finished_at=timezone.now())
    bodies = BODIES | {"customers_merge": {"keep": {"id": ada.pk}, "merge": {"id": other.pk}}}
    client = make_bearer_client(make_test_key(*KNOWN_SCOPES))
    with connection.cursor() as cursor:  # the sample objects choose their numbers themselves
        for table in ("loyalty_pointreservation", "merchandising_rule"):
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 100)", [table])
    client.get("/api/v1/products/")  # loads what each process loads once
    before, outcomes = read_state(), {}
    for operation in read_model().operations:
        if operation.method == "GET" and operation.name not in RECORDING_READS:
            continue
        parameters = build_parameters(operation)
        path = operation.path
        for member in operation.path_parameters:
            value = CAMPAIGNS.get(operation.name, parameters.pop(member.name))
            path = path.replace(f"{{{member.name}}}", value)
        body = bodies.get(operation.name, parameters.pop("body", None))
        query = {name: value for name, value in parameters.items() if name != "body"}
        response = client.generic(
            operation.method, path, "" if body is None else json.dumps(body), "application/json", query_params=query
        )
        assert response[HEADER] == "true", operation.name
        if operation.method != "GET":
            outcomes[operation.name] = response.status_code, b"" if response.streaming else response.content[-300:]
    after = read_state()
    assert {name for name, value in after.items() if before.get(name) != value} <= AUDITED
    assert before.keys() == after.keys()
    assert [(name, *outcome) for name, outcome in outcomes.items() if not is_expected(name, outcome[0])] == []
    assert len(process_queue.writer.waiting) == 0


def is_expected(name: str, status: int) -> bool:
    expected = [refused for refused, names in REFUSALS.items() if name in names]
    return status in (expected or (200, 201, 202, 204))


@pytest.mark.django_db(transaction=True)
def test_nothing_outside_the_transaction_changes_in_test_mode() -> None:
    """What a request could reach without the database refuses, or pretends."""
    value = ["before"]
    lookups: TtlCache[str] = TtlCache(lambda _key: value[0])
    cache.set("figure", 1)
    stored = read_stored_keys()  # other tests may have left the names of queues
    with enter_test_mode():
        assert (cache.add("new", 1), cache.incr("figure"), cache.delete("figure")) == (True, 2, True)
        cache.set_many({"new": 1})
        assert cache.get("figure") == 1
        assert run_command("EXISTS", "nothing") == 0
        assert run_script(LuaScript("return redis.call('EXISTS', 'nothing')")) == 0
        for write in (
            lambda: run_command("SET", "new", 1),
            lambda: run_script(LuaScript("redis.call('SET', 'new', 1)")),
        ):
            with pytest.raises(ValkeyDownError):
                write()
        assert apply_consent_settings.delay().id
        assert lookups.get("a") == "before"
    value[0] = "after"
    assert lookups.get("a") == "after"
    assert cache.get("new") is None
    assert read_stored_keys() == stored
    cache.clear()


def read_stored_keys() -> dict[bytes, bytes | None]:
    """Return the values of the keys that a request in test mode could have written."""
    with redis.Redis.from_url(settings.VALKEY_URL) as valkey:
        return {key: valkey.dump(key) for key in valkey.scan_iter() if key.startswith((b"new", b"celery:"))}


@pytest.mark.django_db
def test_a_test_key_has_its_own_prefix_and_answers_as_a_live_key() -> None:
    make_customer("ada")
    plain = make_test_key("customers:write", "customers:read")
    assert plain.startswith("sk_test_")
    assert ApiKey.objects.get().hint.startswith("sk_test_")
    live, test = make_client("customers:write", "customers:read"), make_bearer_client(plain)
    entry = {"purpose": "email", "status": "granted"}
    url = "/api/v1/customers/ada/consents/"
    simulated, executed = test.post(url, entry, "application/json"), live.post(url, entry, "application/json")
    assert (simulated.status_code, simulated.json().keys()) == (201, executed.json().keys())
    assert HEADER not in executed
    wrong = {"purpose": "email", "status": "maybe"}
    assert test.post(url, wrong, "application/json").json() == live.post(url, wrong, "application/json").json()
    repeated = [test.post(url, entry, "application/json", headers={"Idempotency-Key": "1"}) for _number in range(2)]
    assert [response.status_code for response in repeated] == [201, 201]
    assert Consent.objects.count() == 1
    assert test.get("/api/v1/orders/").status_code == 403
    refused = test.post("/mcp", {}, "application/json")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:perennial:problem:unsupported-in-test-mode")
