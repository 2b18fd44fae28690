"""Impressions from the stream become rows exactly once, even among damaged entries."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import redis
from pytest_django.fixtures import DjangoAssertNumQueries

from config.foundation.valkey import run_command
from customers.identity.models import Consent, ConsentDenial
from recommendations.serving.impressions import store, stream
from recommendations.serving.impressions.served_entry import pack_entry
from recommendations.serving.impressions.store import insert_valid_entries, store_impressions
from recommendations.serving.impressions.stream import StreamEntry
from recommendations.serving.models import Impression
from recommendations.serving.state.suppression import suppress_names
from tests.makers import NOON, make_customer, make_identifier
from tests.recommendations.serving.impressions.entries import make_entry, send_entries

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=1)


def test_a_row_has_the_products_and_the_customer(valkey: redis.Redis) -> None:
    ada = make_customer("ada")
    send_entries(
        make_entry("r1", products=["a", 'b"', "c\\,{}"], user_id="ada", arm="new", fallback="popular", first_rank=11),
        make_entry("r2", anonymous_id="nobody"),
    )
    result = store_impressions(at=LATER)
    assert (result.read, result.stored, result.damaged) == (2, 2, 0)
    first, second = Impression.objects.order_by("recommendation_id")
    assert (first.customer, first.user_id, first.arm, first.fallback) == (ada, "ada", "new", "popular")
    assert (first.product_ids, first.first_rank, first.served_at) == (["a", 'b"', "c\\,{}"], 11, NOON)
    assert (second.customer, second.anonymous_id, second.arm, second.fallback) == (None, "nobody", "", "")
    assert valkey.xlen("served") == 0


def test_propensities_are_stored_beside_their_products_and_older_entries_have_none(valkey: redis.Redis) -> None:
    entry = make_entry("r1", products=["a", "b", "c"], propensities=[(2, 0.25)])
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(pack_entry(make_entry("r2")))[:-1])
    stream.append_entries([pack_entry(entry), older])
    assert store_impressions(at=LATER).stored == 2
    assert list(Impression.objects.order_by("recommendation_id").values_list("propensities", flat=True)) == [
        [None, 0.25],
        None,
    ]


def test_the_user_id_takes_precedence_over_the_anonymous_id(valkey: redis.Redis) -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    make_identifier(bob, "browser", kind="anonymous_id")
    send_entries(
        make_entry("r1", user_id="ada", anonymous_id="browser"), make_entry("r2", user_id="new", anonymous_id="browser")
    )
    store_impressions(at=LATER)
    assert list(Impression.objects.order_by("recommendation_id").values_list("customer", flat=True)) == [ada.pk, bob.pk]


def test_a_repeated_entry_changes_nothing(valkey: redis.Redis) -> None:
    send_entries(make_entry("r1", products=["a"]), make_entry("r1", products=["a"]))
    assert store_impressions(at=LATER).stored == 1
    send_entries(make_entry("r1", products=["other"]))
    assert store_impressions(at=LATER).stored == 0
    assert Impression.objects.get().product_ids == ["a"]


def test_a_request_without_identifiers_is_stored_without_customer(valkey: redis.Redis) -> None:
    send_entries(make_entry("r1"))
    store_impressions(at=LATER)
    assert Impression.objects.get(user_id="", anonymous_id="", customer=None).recommendation_id == "r1"


@pytest.mark.parametrize("purpose", [Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION])
def test_a_customer_who_refused_is_stored_anonymously(valkey: redis.Redis, purpose: str) -> None:
    make_customer("ada")
    ConsentDenial.objects.create(kind="user_id", value="ada", purpose=purpose)
    send_entries(make_entry("r1", user_id="ada", anonymous_id="browser"))
    store_impressions(at=LATER)
    assert Impression.objects.get(user_id="", anonymous_id="", customer=None).recommendation_id == "r1"


def test_a_customer_erased_in_the_meantime_is_stored_anonymously(valkey: redis.Redis) -> None:
    make_customer("ada", erased_at=NOON)
    suppress_names(["anonymous_id:browser"], at=NOON)
    send_entries(
        make_entry("r1", user_id="ada"),
        make_entry("r2", anonymous_id="browser"),
        make_entry("r3", anonymous_id="other"),
    )
    store_impressions(at=LATER)
    rows = set(Impression.objects.values_list("recommendation_id", "user_id", "anonymous_id", "customer"))
    assert rows == {("r1", "", "", None), ("r2", "", "", None), ("r3", "", "other", None)}


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\xc1nothing",
        b"\x81\xa1a\x01",
        msgspec.msgpack.encode(["too", "short"]),
        pack_entry(make_entry(user_id="x" * 256)),
        pack_entry(make_entry(user_id="nul\0")),
        pack_entry(make_entry(products=["x"] * 1001)),
        pack_entry(make_entry(first_rank=0)),
        pack_entry(make_entry(propensities=[(1, 0.0)])),
        pack_entry(make_entry(served_at=NOON + timedelta(days=3))),
        pack_entry(make_entry(served_at=NOON.replace(tzinfo=None))),
    ],
)
def test_a_damaged_entry_is_set_aside_and_the_others_are_stored(
    valkey: redis.Redis, packed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    send_entries(make_entry("before"))
    stream.append_entries([packed])
    send_entries(make_entry("after"))
    result = store_impressions(at=LATER)
    assert (result.read, result.stored, result.damaged) == (3, 2, 1)
    assert valkey.xlen("served") == 0
    [(_number, aside)] = valkey.xrange("served-damaged")  # type: ignore[misc]
    assert aside[b"shown"] == packed
    assert "cannot be stored and were moved to served-damaged" in caplog.text


def test_an_entry_of_another_program_is_set_aside(valkey: redis.Redis) -> None:
    run_command("XADD", "served", "*", "other", "field")
    send_entries(make_entry("r1"))
    assert store_impressions(at=LATER).damaged == 1
    assert Impression.objects.count() == 1


def test_an_entry_that_only_the_database_rejects_is_found_by_halving() -> None:
    """The checks are as strict as the table; should they ever differ, one impression must not stop the others."""
    served = [make_entry(f"r{number}") for number in range(9)]
    served[4:4] = [make_entry("long", scenario="x" * 51)]
    entries = [(StreamEntry(str(number).encode(), b""), entry) for number, entry in enumerate(served)]
    stored, rejected = insert_valid_entries(entries)
    assert stored == 9
    assert [entry.number for entry, _why in rejected] == [b"4"]
    assert "too long" in rejected[0][1]
    assert not Impression.objects.filter(recommendation_id="long").exists()


def test_a_stream_of_several_chunks_takes_one_statement_per_chunk(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(store, "CHUNK", 10)
    send_entries(*(make_entry(f"r{number:02}") for number in range(25)))
    with django_assert_num_queries(6):  # a savepoint and its end for each of three chunks
        assert store_impressions(at=LATER).stored == 25


def test_nothing_is_read_while_valkey_is_down(settings: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    assert store_impressions(at=LATER).read == 0
