"""Bodies arrive without a thread, and within limits of time, number and size."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from config.web_server import bodies
from config.web_server.bodies import BodyReceiver
from config.web_server.limits import ClientLimits, find_max_bytes
from customers.events.collector.envelope import MAX_BATCH_BYTES
from customers.events.rest.urls import build_collector_views
from tests.config.web_server.fakes import FakeProtocol

LIMITS = ClientLimits(body_seconds=10, bytes_per_second=1000, bodies_per_address=2, unfinished=5)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every body begin at 0 s, so that a test that is delayed does not add to the time that a body has taken."""
    monkeypatch.setattr(bodies, "time", SimpleNamespace(monotonic=lambda: 0.0))


class Receiver:
    """A receiver with the requests that it has passed on."""

    def __init__(self, limits: ClientLimits = LIMITS) -> None:
        self.complete: list[dict[str, Any]] = []
        self.bodies = BodyReceiver(limits, port=0, on_complete=lambda environ, protocol: self.complete.append(environ))

    def start(
        self, length: int | None, *, address: str = "192.0.2.1", path: str = "/v1/batch", **headers: str
    ) -> FakeProtocol:
        """Start a request; without a length, its body is chunked."""
        protocol = FakeProtocol()
        size = {"HTTP_TRANSFER_ENCODING": "chunked"} if length is None else {"CONTENT_LENGTH": str(length)}
        self.bodies.receive({"REMOTE_ADDR": address, "PATH_INFO": path, **size, **headers}, protocol)
        return protocol

    def check(self, *, after: float) -> None:
        self.bodies.check(now=after)


def read_codes(*protocols: FakeProtocol) -> list[str]:
    """Return the codes of the errors that the protocols sent, "" for those that sent none."""
    return [json.loads(protocol.responses[0][2])["code"] if protocol.responses else "" for protocol in protocols]


def test_a_complete_body_is_passed_on() -> None:
    receiver = Receiver()
    protocol = receiver.start(5)
    assert receiver.complete == []
    protocol.future.finish(b"hello")
    [environ] = receiver.complete
    assert (environ["wsgi.input"].read(), environ["CONTENT_LENGTH"]) == (b"hello", "5")
    assert protocol.responses == []


def test_a_chunked_body_gets_a_length() -> None:
    receiver = Receiver()
    protocol = receiver.start(None)
    protocol.future.finish(b"hel")
    protocol.future.finish(b"lo")
    protocol.end()
    [environ] = receiver.complete
    assert (environ["wsgi.input"].read(), environ["CONTENT_LENGTH"]) == (b"hello", "5")


def test_a_long_body_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MEMORY_BYTES", 4)
    receiver = Receiver()
    protocol = receiver.start(9)
    for part in (b"one", b"two", b"six"):
        protocol.future.finish(part)
    [environ] = receiver.complete
    assert environ["wsgi.input"].fileno() > 0
    assert environ["wsgi.input"].read() == b"onetwosix"
    environ["wsgi.input"].close()


def test_a_late_body_is_refused_and_its_reading_cancelled() -> None:
    receiver = Receiver()
    protocol = receiver.start(100)
    receiver.check(after=10)
    assert read_codes(protocol) == [""]
    receiver.check(after=10.2)
    [(status, headers, _body)] = protocol.responses
    assert read_codes(protocol) == ["request_timeout"]
    assert (status, headers["Connection"], headers["Retry-After"]) == (408, "close", "5")
    assert protocol.future.is_cancelled
    assert receiver.complete == []


def test_a_long_body_has_more_time_while_it_arrives() -> None:
    receiver = Receiver()
    protocol = receiver.start(None, path="/admin/")
    protocol.future.finish(b"x" * 3000)
    receiver.check(after=12.9)
    assert read_codes(protocol) == [""]
    receiver.check(after=13.1)
    assert read_codes(protocol) == ["request_timeout"]


def test_a_body_that_completes_after_its_refusal_is_not_passed_on() -> None:
    receiver = Receiver()
    protocol = receiver.start(5)
    receiver.check(after=60)
    protocol.future.is_cancelled = False
    protocol.future.finish(b"hello")
    assert receiver.complete == []
    assert len(protocol.responses) == 1


def test_the_oldest_slow_bodies_of_an_address_are_refused() -> None:
    receiver = Receiver()
    of_one = [receiver.start(100) for _number in range(4)]
    other = receiver.start(100, address="192.0.2.2")
    receiver.check(after=0.5)
    assert read_codes(*of_one, other) == [""] * 5
    receiver.check(after=1.5)
    assert read_codes(*of_one, other) == ["too_many_unfinished_requests"] * 2 + [""] * 3
    assert of_one[0].responses[0][0] == 429


def test_ipv6_addresses_of_one_network_count_together() -> None:
    receiver = Receiver()
    protocols = [receiver.start(100, address=f"2001:db8::{number}") for number in range(1, 4)]
    other = receiver.start(100, address="2001:db8:0:1::1")
    receiver.check(after=1.5)
    assert read_codes(*protocols, other) == ["too_many_unfinished_requests", "", "", ""]


def test_more_bodies_than_the_process_can_hold_are_refused_at_once() -> None:
    receiver = Receiver()
    protocols = [receiver.start(100, address=f"192.0.2.{number}") for number in range(6)]
    assert read_codes(*protocols) == [""] * 5 + ["too_many_requests"]
    assert protocols[-1].responses[0][0] == 503


def test_bodies_that_are_too_large_together_are_refused_largest_first() -> None:
    receiver = Receiver(ClientLimits(unfinished_bytes=1000))
    small, large = receiver.start(None), receiver.start(None)
    small.future.finish(b"x" * 400)
    large.future.finish(b"x" * 700)
    receiver.check(after=0)
    assert read_codes(small, large) == ["", "too_many_requests"]


def test_a_body_that_is_announced_too_large_is_not_read() -> None:
    receiver = Receiver()
    protocol = receiver.start(MAX_BATCH_BYTES + 1, HTTP_ORIGIN="https://shop.example")
    [(status, headers, _body)] = protocol.responses
    assert (status, read_codes(protocol)) == (413, ["too_large"])
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert protocol.future.callbacks == []


def test_a_chunked_body_is_refused_when_it_gets_too_large() -> None:
    receiver = Receiver()
    protocol = receiver.start(None)
    protocol.future.finish(b"x" * MAX_BATCH_BYTES)
    assert read_codes(protocol) == [""]
    protocol.future.finish(b"x")
    assert read_codes(protocol) == ["too_large"]


def test_a_client_that_disconnects_is_forgotten() -> None:
    receiver = Receiver()
    whole, chunked = receiver.start(100), receiver.start(None)
    whole.future.finish(error=RuntimeError("stream closed"))
    chunked.future.finish(b"hello")
    chunked.future.finish(b"")  # Granian reports the error by an empty part, and ends the body by a second one
    chunked.end()
    assert read_codes(whole, chunked) == ["incomplete_body"] * 2
    assert receiver.complete == []


def test_every_path_of_the_collector_has_its_limit() -> None:
    assert {find_max_bytes(f"/{path}") for path in build_collector_views()} == {MAX_BATCH_BYTES}
    upload = "/admin/orders/orderimport/upload/"
    assert find_max_bytes("/admin/login/") == find_max_bytes(upload, "csrftoken=a") == 2**20
    assert find_max_bytes(upload, "csrftoken=a; sessionid=b") > find_max_bytes("/api/v1/products/") > MAX_BATCH_BYTES
