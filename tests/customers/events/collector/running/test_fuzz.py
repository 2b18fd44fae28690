"""Random and mutated bodies: no response is a 500, and the stored events match the responses.

A few thousand bodies by default; PERENNIAL_FUZZ_BODIES=100000 sends 100,000.
"""

import base64
import gzip
import http.client
import json
import os
import random
import time
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.customers.events.client import track
from tests.customers.events.server import CollectorServer
from tests.waiting import DEADLINE_SECONDS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

BODIES = int(os.environ.get("PERENNIAL_FUZZ_BODIES", "2400"))
PARTS = 3  # memory is measured after each
MAX_GROWTH_MEGABYTES = 60

PATHS = st.sampled_from(
    ["/v1/batch", "/v1/track", "/v1/i", "/v1/alias", "/v1/import", "/mp/collect", "/api/s/page", "/v1/g"]
)
NAMES = st.sampled_from(
    [
        *("type", "messageId", "event", "userId", "anonymousId", "previousId", "groupId", "properties", "traits"),
        *("context", "timestamp", "originalTimestamp", "sentAt", "writeKey", "consent", "categoryPreferences"),
        *("products", "product_id", "total", "$personal"),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["track", "identify", "alias", "2026-11-24T12:00:00Z", "u1", "\x00", "a" * 300, "1e999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=8),
    max_leaves=20,
)
ITEMS = st.dictionaries(NAMES, VALUES, max_size=8)
MUTATIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2**32), st.integers(0, 255)), min_size=1, max_size=3)


class Fuzzer:
    """Sends bodies over one connection and sums the counts of the responses."""

    def __init__(self, shop: CollectorServer) -> None:
        self.key = shop.make_source("fuzz")
        self.connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=DEADLINE_SECONDS)
        self.numbers = count()
        self.accepted = self.rejected = self.bodies = 0

    def close(self) -> None:
        self.connection.close()

    def send(self, path: str, body: bytes) -> None:
        token = base64.b64encode(f"{self.key}:".encode()).decode()
        query = f"?api_secret={self.key}" if path == "/mp/collect" else ""
        headers = {"Authorization": f"Basic {token}"}
        response, content = self.post(path + query, body, headers)
        while response.status == 503:  # the database did not answer in time: clients send again
            time.sleep(0.2)
            response, content = self.post(path + query, body, headers)
        assert response.status in (200, 400, 413), (response.status, content, body)
        assert content["success"] is (response.status == 200)
        self.bodies += 1
        if response.status == 200:
            self.accepted += content["accepted"]
            self.rejected += content["rejected"]

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, Any]:
        try:
            self.connection.request("POST", path, body, headers)
            response = self.connection.getresponse()
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            self.connection.close()  # on a busy machine, it was idle for so long that the server closed it
            self.connection.request("POST", path, body, headers)
            response = self.connection.getresponse()
        return response, json.loads(response.read())

    def build_batch(self) -> bytes:
        """Return a valid batch with new message ids."""
        items = [
            track(
                "Order Completed",
                messageId=f"fuzz-{next(self.numbers)}",
                anonymousId="a1",
                timestamp="2026-11-24T12:00:00.123Z",
                properties={"products": [{"product_id": "p1", "price": 3.5}], "total": "7.00", "name": "Käse 奶酪 🧀"},
                context={
                    "traits": {"email": "a@shop.example"},
                    "consent": {"categoryPreferences": {"analytics": True}},
                },
            )
            for _index in range(3)
        ]
        return json.dumps({"batch": items, "sentAt": "2026-11-24T12:00:01Z"}, ensure_ascii=False).encode()


def mutate(body: bytes, mutations: list[tuple[int, int, int]]) -> bytes:
    data = bytearray(body)
    for kind, position, value in mutations:
        at = position % (len(data) + 1)
        match kind:
            case 0:
                data[at : at + 1] = bytes([value])
            case 1:
                del data[at : at + 1 + value % 4]
            case 2:
                data[at:at] = data[at : at + value % 8]
            case 3:
                data[at:at] = random.Random(position).choice(
                    [b'"', b"\\", b"{", b"]", b"\\u0000", b"\\ud83d", b"1e400", b"NaN"]
                )
            case 4 if value < 64:
                del data[at:]
    return bytes(data)


def test_any_body_gets_a_response_and_accepted_events_are_stored_once(shop: CollectorServer) -> None:
    with closing(Fuzzer(shop)) as fuzzer:
        fuzz(shop, fuzzer)


def fuzz(shop: CollectorServer, fuzzer: Fuzzer) -> None:
    limits = settings(
        max_examples=-(-BODIES // (4 * PARTS)),
        deadline=None,
        derandomize=False,  # each part sends other bodies
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @limits
    @given(PATHS, st.binary(max_size=400))
    def send_any_bytes(path: str, body: bytes) -> None:
        fuzzer.send(path, body)

    @limits
    @given(PATHS, VALUES | ITEMS | st.fixed_dictionaries({"batch": st.lists(ITEMS | VALUES, max_size=6)}))
    def send_any_json(path: str, value: Any) -> None:
        fuzzer.send(path, json.dumps(value).encode())

    @limits
    @given(PATHS, MUTATIONS)
    def send_mutated_batch(path: str, mutations: list[tuple[int, int, int]]) -> None:
        fuzzer.send(path, mutate(fuzzer.build_batch(), mutations))

    @limits
    @given(MUTATIONS)
    def send_mutated_compressed_batch(mutations: list[tuple[int, int, int]]) -> None:
        fuzzer.send("/v1/batch", mutate(gzip.compress(fuzzer.build_batch(), mtime=0), mutations))

    megabytes = []
    for _part in range(PARTS):
        for step in (send_any_bytes, send_any_json, send_mutated_batch, send_mutated_compressed_batch):
            step()
        megabytes.append(shop.measure_web_megabytes())
    assert fuzzer.bodies >= BODIES
    assert fuzzer.accepted > BODIES // 20
    assert fuzzer.rejected > BODIES // 20
    events, message_ids, waiting = shop.count_stored("fuzz")
    assert events == message_ids == waiting == fuzzer.accepted
    assert 0 < shop.query_value("SELECT count(*) FROM events_rejectedevent") <= fuzzer.rejected
    assert megabytes[-1] - megabytes[0] < MAX_GROWTH_MEGABYTES, megabytes
    log = (shop.folder / "web.log").read_text()
    assert "Traceback" not in log, log[-5000:]
