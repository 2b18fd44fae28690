"""A rotation of the keys is killed while a collector stores events: nothing is lost, everything is readable, and the next run goes on."""

import json
from itertools import takewhile
from typing import Any
from zlib import crc32

import pytest

from config.foundation.database.advisory_locks import compute_lock_key
from tests.child_processes import start_child
from tests.customers.events.collector.running.senders import Senders
from tests.customers.events.server import CollectorServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

USERS = 150
HELD = """SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = %s"""
PROCESS = """
from datetime import UTC, datetime
from customers.processing.pipeline import process_events
process_events(at=datetime.now(UTC))
"""
ROTATE = """
from django.core.management import call_command
from config.encryption_keys import rotation
from tests.stopping_points import stop_at
rotation.start_rotation.__kwdefaults__["rows_per_part"] = 50

if POINT:
    stop_at(rotation, POINT, calls=CALL)  # the part is changed, and not committed
call_command("rotate_keys", "--processes", "1")
"""
CHECK = """
import json
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from config.encryption_keys.counts import count_key_uses
from config.encryption_keys.key_files import find_older_uses
from config.encryption_keys.models import KeyRotation, RotationPart
from customers.events.models import Event
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.identity.personal_data.personal_traits import unseal_personal
events = Event.objects.filter(source__key="rotated").values_list("user_id", "properties")
names = dict(Identifier.objects.filter(kind="user_id", value__startswith="user").values_list("customer_id", "value"))
customers = Customer.objects.in_bulk(names)
owners = dict(Identifier.objects.filter(kind="email_hash").values_list("value", "customer_id"))
print(json.dumps({
    "readable events": sum(unseal_personal(row["$personal"])["email"] == f"{name}@shop.example" for name, row in events),
    "readable customers": sum(customer.email == f"{names[pk]}@shop.example" for pk, customer in customers.items()),
    "found by address": sum(owners[hash_email(customer.email)] == pk for pk, customer in customers.items()),
    "older uses": sum(use.values_count for use in find_older_uses(count_key_uses(at=timezone.now()))),
    "rotations": KeyRotation.objects.count(),
    "open parts": RotationPart.objects.filter(done_at=None).count(),
    "keys": [len(settings.FIELD_KEYS), len(settings.HASH_KEYS)],
}))
"""


def make_identify(message_id: str) -> dict[str, Any]:
    user = f"user{crc32(message_id.encode()) % USERS}"
    traits = {"email": f"{user}@shop.example"}
    return {"type": "identify", "messageId": message_id, "userId": user, "traits": traits}


def run(shop: CollectorServer, program: str) -> str:
    child = start_child(program, **get_environment(shop))
    output, problems = child.communicate()
    assert child.returncode == 0, problems
    return output


def get_environment(shop: CollectorServer) -> dict[str, str]:
    names = ("DATABASE_URL", "VALKEY_URL", "PERENNIAL_VAR")
    return {name: shop.env[name] for name in names}


def kill_at(shop: CollectorServer, point: str, call: int) -> None:
    """Kill a rotation with a part that it has changed and not committed."""
    child = start_child(f"POINT, CALL = {point!r}, {call}\n{ROTATE}", **get_environment(shop))
    assert child.stdout is not None
    lines = takewhile(lambda line: line != "stopped\n", iter(child.stdout.readline, ""))
    printed = list(lines)
    child.kill()
    _output, problems = child.communicate()
    assert child.returncode == -9, (printed, problems)
    # until the server has ended the session of the killed process, the next rotation would find its lock
    wait_until(
        lambda: shop.query_value(HELD, compute_lock_key("rotate_keys")) == 0, what="the end of the killed session"
    )


def test_a_killed_rotation_under_load_loses_nothing_and_the_next_run_ends_it(shop: CollectorServer) -> None:
    with Senders(shop, "rotated", make_identify, pause=0.5) as senders:
        senders.wait_for_more()
        run(shop, PROCESS)  # so that customers have addresses, and identifiers their hashes
        kill_at(shop, "reencrypt_part", 3)
        senders.wait_for_more()
        kill_at(shop, "rehash_part", 1)
        senders.wait_for_more()
        run(shop, f"POINT = ''\n{ROTATE}")
        sent = senders.finish(is_processed=True)
    run(shop, PROCESS)
    assert json.loads(run(shop, CHECK).splitlines()[-1]) == {
        "readable events": sent,
        "readable customers": USERS,
        "found by address": USERS,
        "older uses": 0,
        "rotations": 1,
        "open parts": 0,
        "keys": [2, 2],
    }
