"""Two web machines and two workers share one PostgreSQL, one Valkey and one store; a web machine and a worker vanish under load."""

import base64
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from config.embedded.servers import EmbeddedServers
from config.foundation.keys.key_ids import make_field_key
from tests.config.embedded.network import PORT, Machine, Network, make_network
from tests.customers.events.client import track
from tests.migrated_servers import copy_migrated_servers
from tests.waiting import DEADLINE_SECONDS, wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

BATCH_EVENTS = 10
JOB = "Hourly job of the test"
PROCESS_EVENTS, PROCESS_EVENTS_SECONDS = "Process events", 2
# A shop, its keys and a model, made on one of the workers.
PREPARE = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from datetime import datetime, timedelta, UTC
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from config.access.keys import create_api_key
from config.access.models import ApiKey
from customers.events.models import Source
from customers.events.sources.write_keys import hash_key
from customers.warehouse.export import export_warehouse
from recommendations.serving.models import PlacementSettings
from tests.makers import NOON
from tests.recommendations.shop import make_tea_and_coffee_shop
from tests.recommendations.trainings import promote_fitted_model
now = datetime.now(UTC)
make_tea_and_coffee_shop()
PlacementSettings.objects.update(switch=PlacementSettings.Switch.ON)
PlacementSettings.objects.filter(placement="for-you").update(max_purchased_share=1.0)
Source.objects.create(key="load", name="load", kind=Source.Kind.SERVER, write_key_hash=hash_key("wk_load"))
export_warehouse(started_at=NOON)
version = promote_fitted_model("popularity", "item-knn")
PeriodicTask.objects.exclude(task="customers.processing.tasks.process_events").update(enabled=False)
hourly, _created = IntervalSchedule.objects.get_or_create(every=1, period="hours")
PeriodicTask.objects.create(
    name={JOB!r}, task="customers.privacy.tasks.purge_old_exports", interval=hourly, last_run_at=now - timedelta(hours=2)
)
print(version.version, create_api_key(name="load", kind=ApiKey.Kind.SECRET, now=now, scopes=["recommendations:read"])[1])
"""


@dataclass
class Answers:
    """What the clients saw. broken: calls without an answer, by address."""

    accepted: set[str] = field(default_factory=set)
    recommendations: int = 0
    models: dict[str, set[str]] = field(default_factory=dict)
    refused: list[tuple[str, int, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Shop:
    """The servers, and the machines that use them."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder = folder
        copy_migrated_servers(folder / "var")
        data = folder / "var" / "postgres"
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network.prefix}.0/24 scram-sha-256\n")
        with (data / "postgresql.auto.conf").open("a") as parameters:
            parameters.write("listen_addresses = '*'\n")
        self.servers = EmbeddedServers(folder / "var", report=lambda message: None)
        addresses = self.servers.ensure(postgres=True, valkey=True)
        self.database, self.valkey = str(addresses.postgres), str(addresses.valkey)
        with redis.Redis.from_url(self.valkey) as client:
            client.config_set("bind", f"127.0.0.1 {network.server_address}")
        place = f"@{network.server_address}:"
        self.env = {
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": self.database.replace("@127.0.0.1:", place),
            "VALKEY_URL": self.valkey.replace("@127.0.0.1:", place),
            "DATABASE_KEEPALIVE_SECONDS": "6",
            "FILE_STORE": f"file://{folder / 'store'}",
            "WAREHOUSE_URL": str(folder / "warehouse"),
            "SECRET_KEY": "a secret key of the machines of a test, long enough for Django",
            "FIELD_KEYS": make_field_key(),
            "HASH_KEY": "a hash key of the machines of a test",
            "ALLOWED_HOSTS": "*",
            "DATABASE_STATEMENT_TIMEOUT": "300",
            "RECOMMEND_DEADLINE_MS": "10000",
        }
        names = ("web-1", "web-2", "worker-1", "worker-2")
        self.machines = {
            name: Machine(network, name, number, folder=folder, env=self.env) for number, name in enumerate(names, 11)
        }
        self.answers, self.stopping, self.lock = Answers(), threading.Event(), threading.Lock()
        self.lost: set[str] = set()
        self.api_key = ""

    def query(self, statement: str, *values: Any) -> Any:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(statement, values).fetchone()
        return row[0] if row is not None else None

    def call(self, address: str, method: str, path: str, *, body: Any = None, login: str) -> tuple[int, Any]:
        """Return status and JSON. Raises OSError or HTTPException without a complete response."""
        connection = http.client.HTTPConnection(address, PORT, timeout=120)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, {"Authorization": login})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        finally:
            connection.close()

    def send_forever(self, client: int) -> None:
        """Send events to the machines in turn, as a proxy does that skips one that does not answer."""
        login = "Basic " + base64.b64encode(b"wk_load:").decode()
        addresses = cycle([self.machines["web-1"].address, self.machines["web-2"].address])
        for number in count():
            ids = [f"{client}-{number}-{event}" for event in range(BATCH_EVENTS)]
            body = {"batch": [track(messageId=message, userId=f"user-{number % 40}") for message in ids]}
            while not self.try_call(next(addresses), "POST", "/v1/batch", body, login):
                pass
            with self.lock:
                self.answers.accepted |= set(ids)
            if self.stopping.is_set():
                return

    def ask_forever(self) -> None:
        addresses = cycle([self.machines["web-1"].address, self.machines["web-2"].address])
        for number in count():
            address = next(addresses)
            path = f"/api/v1/recommendations/for-you/?user_id=user-{number % 40}&n=3"
            answer = self.try_call(address, "GET", path, None, f"Bearer {self.api_key}")
            if answer:
                with self.lock:
                    self.answers.recommendations += bool(answer["items"])
            if self.stopping.is_set():
                return

    def try_call(self, address: str, method: str, path: str, body: Any, login: str) -> Any:
        """Return the answer, or None if the machine has vanished; every other error is recorded."""
        if address in self.lost:
            return None
        try:
            status, answer = self.call(address, method, path, body=body, login=login)
        except (OSError, http.client.HTTPException):
            with self.lock:
                self.answers.broken.append(address)
            time.sleep(0.05)
            return None
        if status != 200:
            with self.lock:
                self.answers.refused.append((address, status, str(answer)[:200]))
            time.sleep(0.2)
            return None
        return answer

    def is_ready(self, name: str) -> bool:
        """Return whether a web machine serves the model."""
        machine = self.machines[name]
        assert machine.programs[0].poll() is None, machine.read_log()
        try:
            status, ready = self.call(machine.address, "GET", "/health/ready", login="")
        except (OSError, http.client.HTTPException):
            return False
        return status == 200 and bool(ready["recommendations"])

    def read_model(self, name: str) -> str:
        """Return the model version that a web machine answers from."""
        path = "/api/v1/recommendations/for-you/?user_id=user-0&n=3"
        status, answer = self.call(self.machines[name].address, "GET", path, login=f"Bearer {self.api_key}")
        assert status == 200, answer
        return str(answer["model_version"])

    def count_waiting(self) -> int:
        return int(self.query("SELECT count(*) FROM events_outbox"))

    def count_starts(self, job: str) -> int:
        """Return how often the schedulers of all machines together have started a job."""
        return int(self.query("SELECT total_run_count FROM django_celery_beat_periodictask WHERE name = %s", job))

    def close(self) -> None:
        self.stopping.set()
        for machine in self.machines.values():
            machine.kill()
        self.servers.release()


@contextmanager
def run_shop() -> Iterator[Shop]:
    # a folder that PostgreSQL's own user can read
    with tempfile.TemporaryDirectory(prefix="perennial-machines-") as name, make_network() as network:
        Path(name).chmod(0o711)
        shop = Shop(Path(name), network)
        try:
            yield shop
        finally:
            shop.close()


def test_a_web_machine_and_a_worker_vanish_under_load_and_nothing_is_lost() -> None:
    with run_shop() as shop:
        machines = shop.machines
        model, shop.api_key = machines["worker-2"].run(PREPARE).split()
        assert not (machines["web-1"].var / "models" / model).exists(), "nobody has used it there"
        for name, machine in machines.items():
            machine.start_web() if name.startswith("web") else machine.start_worker()
        wait_until(lambda: shop.is_ready("web-1") and shop.is_ready("web-2"), what="the web machines")

        assert shop.read_model("web-1") == model, "trained on worker-2"
        assert (machines["web-1"].var / "models" / model).is_dir()

        clients = [threading.Thread(target=shop.send_forever, args=(client,)) for client in range(2)]
        clients.append(threading.Thread(target=shop.ask_forever))
        for client in clients:
            client.start()
        workers = [machines["worker-1"], machines["worker-2"]]
        wait_until(
            lambda: all("beat: Starting" in machine.read_log() for machine in workers),
            what="both schedulers",
        )
        started_at, starts = time.monotonic(), shop.count_starts(PROCESS_EVENTS)
        wait_until(lambda: shop.count_starts(PROCESS_EVENTS) > starts + 3, what="scheduled jobs")
        starts = shop.count_starts(PROCESS_EVENTS) - starts
        assert starts <= (time.monotonic() - started_at) / PROCESS_EVENTS_SECONDS + 2, "not once by each machine"
        assert shop.count_starts(JOB) == 1

        lost = {machines["web-2"].address}
        shop.lost |= lost  # the proxy has noticed; calls in flight end without an answer
        machines["worker-2"].lose()
        machines["web-2"].lose()
        accepted, answered = len(shop.answers.accepted), shop.answers.recommendations
        wait_until(lambda: len(shop.answers.accepted) > accepted + 20 * BATCH_EVENTS, what="more events")
        wait_until(lambda: shop.answers.recommendations > answered + 20, what="more recommendations")
        shop.stopping.set()
        for client in clients:
            client.join(timeout=DEADLINE_SECONDS)
            assert not client.is_alive()

        answers = shop.answers
        assert answers.refused == []
        assert set(answers.broken) <= lost
        stored = "SELECT count(*) FROM events_event WHERE message_id = ANY(%s)"
        assert shop.query(stored, sorted(answers.accepted)) == len(answers.accepted)
        wait_until(lambda: shop.count_waiting() == 0, what="processing by the worker that is left")
        processed = "SELECT count(*), count(DISTINCT message_id) FROM events_event"
        with psycopg.connect(shop.database) as connection:
            rows, distinct = connection.execute(processed).fetchone() or (0, 0)
        assert rows == distinct
        assert shop.count_starts(JOB) == 1, "the hour is not over"
