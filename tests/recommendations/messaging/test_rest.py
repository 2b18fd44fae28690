"""The REST API of message templates."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from recommendations.messaging.models import MessageTemplate
from tests.config.access.callers import make_key
from tests.recommendations.messaging.makers import make_source

pytestmark = pytest.mark.django_db
SOURCE = "\n" + make_source("<mj-text> Hi </mj-text>") + "\n"
BODY = {"key": "spring", "name": "Spring", "contents": [{"language": "en", "subject": "Hi", "source": SOURCE}]}
Call = Callable[..., Any]


@pytest.fixture
def call(client: Client) -> Call:
    _key, plain = make_key("campaigns:read", "campaigns:write")

    def send(method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = {} if method == "get" else {"data": json.dumps(body or {}), "content_type": "application/json"}
        headers = {"authorization": f"Bearer {plain}", **headers}
        return getattr(client, method)(f"/api/v1/message-templates/{path}", **data, headers=headers)

    return send


def test_a_template_is_created_once_and_published(call: Call) -> None:
    created = call("post", "", BODY, **{"Idempotency-Key": "k1"})
    assert created.status_code == 201, created.text
    assert created.json()["contents"][0]["source"] == SOURCE
    assert call("post", "", BODY, **{"Idempotency-Key": "k1"}).json() == created.json()
    assert MessageTemplate.objects.count() == 1
    published = call("post", "spring/publish/")
    assert published.status_code == 200, published.text
    assert published.json()["published_version"] == 1
    assert call("post", "spring/publish/").status_code == 409
    assert [each["key"] for each in call("get", "").json()["results"]] == ["spring"]
    assert call("get", "spring/").json()["version"] == 1


def test_errors_of_a_source_name_their_line(call: Call) -> None:
    answer = call(
        "post", "", {**BODY, "contents": [{"language": "en", "subject": "x", "source": "<mjml>\n<mj-bdy/></mjml>"}]}
    )
    assert answer.status_code == 400
    assert "en, 2:1: Unknown tag <mj-bdy>" in answer.text
    twice = call("post", "", {**BODY, "contents": BODY["contents"] * 2})  # type: ignore[operator]
    assert "occurs twice" in twice.text
    assert not MessageTemplate.objects.exists()


def test_a_key_without_the_scope_is_refused(client: Client) -> None:
    _key, plain = make_key("catalog:read")
    assert client.get("/api/v1/message-templates/", headers={"authorization": f"Bearer {plain}"}).status_code == 403
