"""A language model behind an OpenAI-compatible endpoint answers by the tools that only read; no number is taken on trust."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from config.assistant.model.loop import MAX_STEPS, find_unproven
from tests.makers import make_customer, make_profile

URL = "/admin/ask/model/"


def make_call(name: str, /, **arguments: Any) -> dict[str, Any]:
    """Return a message of the shape that the API reference of chat completions documents for tool calls."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


class ModelServer(ThreadingHTTPServer):
    """Answers with the given messages in turn, the last one again and again, and keeps what it was asked."""

    messages: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    status = 200


class ModelHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append({**body, "path": self.path, "key": self.headers["Authorization"]})
        message = server.messages[min(len(server.requests), len(server.messages)) - 1]
        content = json.dumps({"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": message}]})
        self.send_response(server.status)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def model(settings: Any) -> Iterator[ModelServer]:
    server = ModelServer(("127.0.0.1", 0), ModelHandler)
    server.requests = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    settings.ASSISTANT_URL = f"http://127.0.0.1:{server.server_address[1]}/v1"
    settings.ASSISTANT_KEY, settings.ASSISTANT_MODEL = "secret", "small"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.django_db
def test_the_model_answers_from_tools_without_personal_data(admin_client: Client, model: ModelServer) -> None:
    for number in range(14):
        make_profile(make_customer(f"c{number}@shop.example", email=f"c{number}@shop.example"), stage="at_risk")
    model.messages = [
        make_call("get_metric", metric="customers_at_risk"),
        make_call("find_customers", stage="at_risk"),
        {"role": "assistant", "content": "14 customers are at risk, and 99 will leave."},
    ]
    page = admin_client.post(URL, {"q": "who is at risk"}).text
    assert "14 customers are at risk" in page
    assert "These numbers do not appear in any of the figures: 99." in page
    assert "customers_at_risk" in page
    first, last = model.requests[0], model.requests[-1]
    assert (first["path"], first["key"], first["model"]) == ("/v1/chat/completions", "Bearer secret", "small")
    names = {tool["function"]["name"] for tool in first["tools"]}
    assert "get_metric" in names
    assert not {name for name in names if name.startswith("draft_")}
    assert "shop.example" not in json.dumps(last["messages"])
    assert [message["role"] for message in last["messages"]] == ["system", "user", *["assistant", "tool"] * 2]


@pytest.mark.django_db
def test_a_model_that_asks_for_too_much_or_fails_is_stopped(admin_client: Client, model: ModelServer) -> None:
    model.messages = [make_call("draft_segment", name="X", condition={"all": []})]
    page = admin_client.post(URL, {"q": "make a segment"}).text
    assert "There is no tool draft_segment" in page
    assert "made too many tool calls" in page
    assert len(model.requests) == MAX_STEPS
    model.status = 500
    assert "answered with status 500" in admin_client.post(URL, {"q": "x"}).text
    assert admin_client.get(URL).status_code == 405


@pytest.mark.django_db
def test_without_a_model_the_page_does_not_exist(admin_client: Client) -> None:
    assert admin_client.post(URL, {"q": "x"}).status_code == 404


def test_numbers_are_compared_rounded_and_as_percentages() -> None:
    sources = ['{"value": 1234.56, "share": 0.2345, "at": "2026-11-28T10:00"}']
    assert find_unproven("1,234.56 or 1,235 of them, 23.5% and 23%, in 2026 and the 3 stages", sources) == ()
    assert find_unproven("24% of 1,300", sources) == ("24", "1,300")
