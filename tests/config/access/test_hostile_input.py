"""No value of a query parameter, a path or a body makes an operation of the REST API fail: wrong input is a named problem."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from config.access import throttling
from config.access.scopes import KNOWN_SCOPES
from tests.config.access.callers import make_key
from tests.config.access.sample_objects import SAMPLE_IDS, make_sample_objects

pytestmark = pytest.mark.django_db
LONG = "x" * 6000
LISTS = ("exclude", "product_ids")  # of up to 50,000 characters
REFERENCES = ("segment", "template", "test_template")  # keys of other objects, which are looked up by an index
# operations whose parser stops at the first problem, so that each field is tried alone
STOPPING = ("/api/v1/rank/", "/api/v1/recommendations/batch/")
TEXTS = [
    "%00",
    "%ED%A0%80",
    LONG,
    "NaN",
    "1e400",
    "-1",
    "9" * 400,
    "%5B%5D",
    "0001-01-01T00:00:00%2B14:00",
    "%F0%9F%8D%B5%27",
]
DEEP: Any = 1
for _level in range(58):
    DEEP = [DEEP]
VALUES: list[Any] = [
    None, True, -1, 10**400, 1.5, "", "\0", "\ud800", LONG, "2026-99-99", [], [None], [[]], ["\ud800\0"], list(range(5000)), {},
    {"\ud800": 1}, {"": None}, {LONG: LONG}, DEEP, {"field": {}}, {"all": {}}, float("nan"), float("-inf"),
]  # fmt: skip
CONDITIONS: list[Any] = [
    *VALUES,
    {"all": [None, 5, "x", {}]},
    {"all": [{"all": []}] * 500},
    {"any": []},
    {"not": {"not": {"not": 1}}},
    {"all": [], "any": []},
    {"all": [], "\ud800": 1},
    {"field": "\ud800", "op": "eq", "value": 1},
    {"field": LONG * 100, "op": "eq", "value": 1},
    {"field": "orders", "op": ["gt"], "value": {}},
    {"field": "orders", "op": "\ud800", "value": 1},
    {"field": ["orders"], "op": "gt", "value": 1},
    *({"field": field, "op": op, "value": value, "\ud800": 1} for field, op in (
        ("orders", "gt"), ("revenue", "between"), ("stage", "in"), ("bought.product", "any"), ("last_order_at", "before"),
        ("traits.plan", "eq"), ("traits.\ud800", "eq"), ("segment", "in"), ("bought.category", "eq"),
    ) for value in VALUES),
    {"field": "bought.product", "op": "in", "value": ["\ud800"] * 1000, "times": float("nan"), "within_days": 10**400},
]  # fmt: skip


@pytest.fixture(autouse=True)
def uncounted_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no call to Valkey for the rate limit of each of thousands of requests."""
    monkeypatch.setattr(throttling, "count_requests", lambda *_arguments, **_options: 0)


def list_operations() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield method, path, description and the schema of the body of each operation."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    components = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, description in operations.items():
            content = description.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            yield method.upper(), path, description, components.get(name, {})


def make_caller() -> Client:
    """Return a client with all scopes, for which an exception is a response."""
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {make_key(*KNOWN_SCOPES)[1]}"})


def find_failure(response: Any, what: str) -> list[str]:
    """Return what is wrong with a response: a server error, or one that is no JSON."""
    if response.status_code >= 500 and response.status_code != 503:
        return [f"{what}: {response.status_code} {response.content[:200]!r}"]
    if response.status_code in (400, 404) and response["Content-Type"] != "application/problem+json":
        return [f"{what}: {response.status_code} {response['Content-Type']}"]
    return []


def send_json(client: Client, method: str, url: str, body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic(method, url, data, content_type="application/json")


def list_refused_fields(response: Any) -> set[str]:
    """Return the fields of the body that have an error in a response; what is inside a field counts as the field."""
    errors = response.json()["errors"] if response.status_code == 400 else []
    return {(error.get("field") or "").partition(".")[0].partition("[")[0] for error in errors}


def test_no_query_parameter_or_path_makes_an_operation_fail() -> None:
    make_sample_objects()
    caller, wrong = make_caller(), []
    for method, path, description, _body in list_operations():
        url = path.format(**SAMPLE_IDS)
        names = [one["name"] for one in description.get("parameters", []) if one["in"] == "query"]
        if method == "GET":
            queries = ["&".join(f"{name}={text}" for name in names) for text in TEXTS if names]
            queries += [f"{name}={text}" for name in names for text in ("%00", "%ED%A0%80", LONG)]
            for query in [*queries, "%ED%A0%80=1", "%00=", "&&=&"]:
                wrong += find_failure(caller.get(f"{url}?{query}"), f"GET {url}?{query[:80]}")
        if "{" in path:
            for text in TEXTS:
                odd = path.format(**dict.fromkeys(SAMPLE_IDS, text))
                wrong += find_failure(send_json(caller, method, odd, {}), f"{method} {odd[:80]}")
    assert not wrong, "\n".join(wrong)


def test_every_long_text_of_a_query_is_refused_by_name() -> None:
    make_sample_objects()
    caller, wrong = make_caller(), []
    for method, path, description, _body in list_operations():
        for parameter in description.get("parameters", []) if method == "GET" else ():
            schema = parameter["schema"]
            if parameter["in"] != "query" or schema.get("type") != "string" or schema.get("enum"):
                continue
            url, name = path.format(**SAMPLE_IDS), parameter["name"]
            response = caller.get(f"{url}?{name}={LONG * 10 if name in LISTS else LONG}")
            fields = [error["field"] for error in response.json().get("errors", [])]
            if response.status_code != 400 or name not in fields:
                wrong.append(f"GET {url}?{name}: {response.status_code} {fields}")
    assert not wrong, "\n".join(wrong)


def test_every_text_of_a_body_has_a_maximum_length() -> None:
    unlimited = set()
    for method, path, _description, body in list_operations():
        for name, schema in body.get("properties", {}).items():
            is_free = schema.get("type") == "string" and not (
                {"enum", "format", "maxLength", "readOnly"} & schema.keys()
            )
            if is_free and name not in REFERENCES and method in ("POST", "PUT", "PATCH"):
                unlimited.add(f"{method} {path}: {name}")
    assert not unlimited, "\n".join(sorted(unlimited))


def test_no_body_makes_an_operation_fail() -> None:
    make_sample_objects()
    caller, wrong = make_caller(), []
    raw = [b"", b"{", b"\xff\xfe{}", b'{"a": 1e999}', b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b"[" * 70, b'{"a": NaN}']
    for method, path, description, schema in list_operations():
        if "requestBody" not in description:
            continue
        url, properties = path.format(**SAMPLE_IDS), schema.get("properties", {})
        bodies = [*raw, *VALUES]
        bodies += [{name: [{"a": value}, value] for name in properties} for value in VALUES]
        for value in VALUES:
            everywhere = dict.fromkeys(properties, value)
            response = send_json(caller, method, url, everywhere)
            wrong += find_failure(response, f"{method} {url} {str(everywhere)[:100]!a}")
            # alone, a field gets further only if its value was not refused, and if no other field is required
            if path in STOPPING or not schema.get("required"):
                refused = set() if path in STOPPING else list_refused_fields(response)
                bodies += [{name: value} for name in properties if name not in refused]
        for body in bodies:
            what = f"{method} {url} {str(body)[:100]!a}"
            wrong += find_failure(send_json(caller, method, url, body), what)
    assert not wrong, "\n".join(wrong[:40])


def test_every_odd_condition_is_a_problem_that_names_its_place() -> None:
    caller, wrong = make_caller(), []
    for condition in CONDITIONS:
        response = send_json(caller, "POST", "/api/v1/segments/preview/", {"condition": condition})
        wrong += find_failure(response, f"{str(condition)[:100]!a}")
        if response.status_code == 400:
            errors = response.json()["errors"]
            wrong += [f"{condition!a}: {error}" for error in errors if not (error["field"] or error["message"])]
    assert not wrong, "\n".join(wrong)


def test_no_condition_in_the_back_office_is_a_server_error(client: Client) -> None:
    client.raise_request_exception = False
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    wrong = []
    for condition in (*CONDITIONS[:45], *CONDITIONS[45::7]):  # each takes three pages
        text = json.dumps(condition)
        page = client.get(
            f"/admin/segments/segment/add/?condition={quote(text[:20_000])}&kind=%00&key={quote(text[:50])}"
        )
        form = {"key": "odd", "name": "Odd", "kind": "dynamic", "condition": text}
        saved = client.post("/admin/segments/segment/add/", form)
        preview = send_json(
            client, "POST", "/admin/segments/segment/preview/", {"condition": condition, "key": condition}
        )
        statuses = (page.status_code, saved.status_code, preview.status_code)
        if max(statuses) >= 500:
            wrong.append(f"{statuses}: {text[:100]}")
    assert not wrong, "\n".join(wrong)
