"""Resolving events to customers, in cases worked out by hand."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connections

from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer, Identifier, IdentityConflict, IdentityMerge
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.resolution.resolution import IdentityEvent, ResolutionResult, resolve_people
from customers.identity.resolution.resolution_rules import LIMITS
from tests.makers import NOON, make_customer, make_identifier

pytestmark = pytest.mark.django_db
messages = count(1)


def make_event(*, minutes: int = 0, type: str = "track", **fields: Any) -> IdentityEvent:
    at = NOON + timedelta(minutes=minutes)
    return IdentityEvent(source_id=1, message_id=f"m{next(messages)}", type=type, occurred_at=at, **fields)


def make_identify_event(**fields: Any) -> IdentityEvent:
    return make_event(type="identify", **fields)


def resolve(*events: IdentityEvent, at: datetime = NOON) -> ResolutionResult:
    return resolve_people(events=events, at=at)


def get_owner_id(kind: str, value: str) -> int:
    return Identifier.objects.get(kind=kind, value=value).customer_id


def test_visitor_becomes_one_customer() -> None:
    first = resolve(make_event(anonymous_id="a"), make_event(anonymous_id="a"), make_event(anonymous_id="b"))
    assert first.customer_ids[0] == first.customer_ids[1] != first.customer_ids[2]
    assert sorted(first.created) == sorted(set(first.customer_ids))
    repeated = resolve(make_event(anonymous_id="b"), make_event(anonymous_id="a"))
    assert repeated.customer_ids == [first.customer_ids[2], first.customer_ids[0]]
    assert not repeated.created


def test_new_user_id_is_added_to_the_visitor_of_the_same_event() -> None:
    visitor = resolve(make_event(anonymous_id="a")).customer_ids[0]
    result = resolve(make_event(user_id="u1", anonymous_id="a"), make_event(user_id="u1"))
    assert result.customer_ids == [visitor, visitor]
    assert (result.created, result.merges) == ([], [])


def test_visitor_is_merged_into_the_known_user_and_the_message_is_the_cause() -> None:
    anna = make_customer("u1")
    visitor = resolve(make_event(anonymous_id="a")).customer_ids[0]
    cause = make_event(user_id="u1", anonymous_id="a")
    result = resolve(cause)
    assert result.merges == [(anna.pk, visitor)]
    assert set(Customer.objects.values_list("pk", flat=True)) == {anna.pk}
    merge = IdentityMerge.objects.get()
    assert (merge.kept_id, merge.merged_id, merge.cause, merge.at) == (anna.pk, visitor, cause.message_id, NOON)
    assert get_owner_id("anonymous_id", "a") == anna.pk


def test_shared_computer_belongs_to_its_first_user_and_the_second_keeps_their_events() -> None:
    resolve(make_event(anonymous_id="a"))
    result = resolve(
        make_event(user_id="u1", anonymous_id="a"),
        make_event(user_id="u2", anonymous_id="a"),
        make_event(anonymous_id="a"),
    )
    first, second, unnamed = result.customer_ids
    assert first == unnamed != second
    conflict = IdentityConflict.objects.get()
    assert (conflict.reason, conflict.customer_ids, conflict.status) == ("two_user_ids", [first, second], "open")
    assert conflict.identifiers == [{"kind": "anonymous_id", "value": "a"}, {"kind": "user_id", "value": "u2"}]
    assert result.conflicts == [conflict.pk]


def test_third_user_of_a_shared_computer_reopens_the_conflict() -> None:
    resolve(make_event(user_id="u1", anonymous_id="a"), make_event(user_id="u2", anonymous_id="a"))
    IdentityConflict.objects.update(status="resolved", resolution="kept_apart")
    resolve(make_event(user_id="u2", anonymous_id="a", minutes=5))
    assert IdentityConflict.objects.get().status == "resolved"
    third = resolve(make_event(user_id="u3", anonymous_id="a")).customer_ids[0]
    conflict = IdentityConflict.objects.get()
    assert (conflict.status, conflict.resolution, conflict.customer_ids[2]) == ("open", "", third)
    assert conflict.last_at == NOON + timedelta(minutes=5)


def test_repeating_a_batch_changes_nothing() -> None:
    batch = [
        make_event(anonymous_id="a"),
        make_identify_event(user_id="u1", anonymous_id="a", email="x@shop.org", traits={"name": "X", "plan": "gold"}),
        make_event(user_id="u2", anonymous_id="a", device_id="d"),
        make_event(type="alias", user_id="u2", previous_id="b"),
        make_event(type="alias", user_id="u2", previous_id="u1"),
        make_event(anonymous_id="b"),
    ]

    def list_all_rows() -> list[Any]:
        rows = [list(model.objects.order_by("pk").values()) for model in (Customer, Identifier, IdentityConflict)]
        return [*rows, IdentityMerge.objects.count()]

    first = resolve(*batch)
    before = list_all_rows()
    repeated = resolve(*batch)
    assert repeated.customer_ids == first.customer_ids
    assert (repeated.created, repeated.merges) == ([], [])
    assert list_all_rows() == before


def test_alias_links_a_visitor_seen_before_or_afterwards() -> None:
    early = resolve(make_event(anonymous_id="early")).customer_ids[0]
    result = resolve(
        make_event(type="alias", user_id="u1", previous_id="early"),
        make_event(type="alias", user_id="u1", previous_id="late"),
    )
    assert result.customer_ids == [early, early]
    assert resolve(make_event(anonymous_id="late")).customer_ids == [early]


@pytest.mark.parametrize("alias_first", [True, False])
def test_alias_of_two_user_ids_is_a_conflict_in_any_order(alias_first: bool) -> None:
    alias, user = make_event(type="alias", user_id="new", previous_id="old"), make_event(user_id="old")
    result = resolve(*([alias, user] if alias_first else [user, alias]))
    assert len(set(result.customer_ids)) == 2
    conflict = IdentityConflict.objects.get()
    assert conflict.reason == "two_user_ids"
    assert sorted(conflict.customer_ids) == sorted(set(result.customer_ids))


def test_alias_to_its_own_id_is_ignored() -> None:
    resolve(make_event(type="alias", user_id="u1", previous_id="u1"))
    assert list(Identifier.objects.values_list("kind", "value")) == [("user_id", "u1")]


def test_user_id_that_is_its_own_anonymous_id_is_one_person() -> None:
    result = resolve(
        make_event(user_id="u1", anonymous_id="u1"), make_event(anonymous_id="u1"), make_event(user_id="u1")
    )
    assert len(set(result.customer_ids)) == 1
    assert not IdentityConflict.objects.exists()


def test_email_of_another_user_is_a_conflict_and_is_not_written() -> None:
    upsert_customers(changes=[CustomerChange("u1", {"email": "anna@shop.org"})], seen_at=NOON)
    result = resolve(make_identify_event(user_id="u2", email="Anna@shop.org", traits={"name": "Bo"}))
    other_customer = Customer.objects.get(pk=result.customer_ids[0])
    assert (other_customer.name, other_customer.email) == ("Bo", "")
    assert IdentityConflict.objects.get().reason == "two_user_ids"
    assert get_owner_id("email_hash", hash_email("anna@shop.org")) == get_owner_id("user_id", "u1") != other_customer.pk


def test_visitor_with_a_known_email_is_that_customer() -> None:
    upsert_customers(changes=[CustomerChange("u1", {"email": "anna@shop.org"})], seen_at=NOON)
    visitor = resolve(make_event(anonymous_id="a")).customer_ids[0]
    result = resolve(
        make_identify_event(anonymous_id="a", email="anna@shop.org"),
        make_identify_event(anonymous_id="b", email="anna@shop.org"),
    )
    assert result.customer_ids == [get_owner_id("user_id", "u1")] * 2
    assert result.merges == [(get_owner_id("user_id", "u1"), visitor)]


def test_email_outside_an_identify_call_links_no_customers() -> None:
    upsert_customers(changes=[CustomerChange("u1", {"email": "anna@shop.org"})], seen_at=NOON)
    result = resolve(make_event(anonymous_id="a", email="anna@shop.org", traits={"name": "Nobody"}))
    assert result.customer_ids[0] != get_owner_id("user_id", "u1")
    assert Customer.objects.get(pk=result.customer_ids[0]).name == ""


def test_customer_known_only_by_email_gets_the_user_id() -> None:
    buyer = make_customer()
    make_identifier(buyer, hash_email("anna@shop.org"), kind="email_hash")
    assert resolve(make_identify_event(user_id="u1", email="anna@shop.org")).customer_ids == [buyer.pk]


def test_changed_email_is_stored_and_the_old_one_still_finds_the_customer() -> None:
    result = resolve(
        make_identify_event(user_id="u1", email="old@shop.org"),
        make_identify_event(user_id="u1", email="new@shop.org", minutes=1),
    )
    customer = Customer.objects.get(pk=result.customer_ids[0])
    assert customer.email == "new@shop.org"
    assert {get_owner_id("email_hash", hash_email(email)) for email in ("old@shop.org", "new@shop.org")} == {
        customer.pk
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("batches", [1, 3])
def test_latest_traits_are_kept_in_any_order_of_arrival(order: tuple[int, ...], batches: int) -> None:
    events = [
        make_identify_event(user_id="u1", phone="+49 170 1111111", traits={"name": "A", "plan": "free", "seats": 1}),
        make_identify_event(user_id="u1", minutes=1, traits={"name": "B", "plan": None}),
        make_identify_event(
            user_id="u1", minutes=2, traits={"name": "C", "birthday": "1990-05-17T00:00:00Z", "locale": "de"}
        ),
    ]
    arriving = [events[position] for position in order]
    for batch in [arriving] if batches == 1 else [[event] for event in arriving]:
        resolve(*batch)
    customer = Customer.objects.get()
    assert (customer.name, customer.phone, customer.birthday) == ("C", "+49 170 1111111", "1990-05-17")
    assert (customer.language, customer.traits) == ("de", {"seats": 1})


def test_old_event_does_not_overwrite_newer_data_of_the_shop() -> None:
    upsert_customers(
        changes=[CustomerChange("u1", {"name": "Anna", "country": "DE"}, {"plan": "gold"})],
        seen_at=NOON + timedelta(days=1),
    )
    resolve(
        make_identify_event(
            user_id="u1", traits={"name": "A.", "plan": "free", "address": {"country": "FR"}, "seats": 2}
        )
    )
    customer = Customer.objects.get()
    assert (customer.name, customer.country, customer.traits) == ("Anna", "DE", {"plan": "gold", "seats": 2})


def test_traits_that_cannot_be_stored_are_omitted() -> None:
    deep, huge, infinite = {"deep": {"er": 1}}, {"big": 10**30}, {"much": float("inf")}
    odd = {"address": {"street": "Hidden 1"}, "firstName": "Li", "lastName": "王", "long": "x" * 3000, "ok": ["a", 1]}
    resolve(make_identify_event(user_id="u1", email="no address", phone="1", traits=deep | huge | infinite | odd))
    customer = Customer.objects.get()
    assert (customer.name, customer.email, customer.phone, customer.traits) == ("Li 王", "", "", {"ok": ["a", 1]})


@pytest.mark.parametrize("placeholder", ["null", "Undefined", "0", " guest ", "00000000-0000-0000-0000-000000000000"])
def test_placeholder_id_resolves_to_no_customer(placeholder: str) -> None:
    result = resolve(
        make_event(user_id=placeholder), make_event(user_id=placeholder, anonymous_id="a"), make_event(anonymous_id="a"),
        make_event(type="alias", user_id="u1", previous_id=placeholder),
    )  # fmt: skip
    assert result.customer_ids[0] is None
    assert result.customer_ids[1] == result.customer_ids[2] is not None
    assert set(Identifier.objects.values_list("value", flat=True)) == {"a", "u1"}
    assert set(IdentityConflict.objects.values_list("reason", flat=True)) == {"blocked"}


def test_identifiers_per_customer_and_type_are_limited() -> None:
    limit = LIMITS["anonymous_id"]
    batch = [make_event(user_id="u1", anonymous_id=f"a{number}") for number in range(limit + 20)]
    result = resolve(*batch)
    assert len(set(result.customer_ids)) == 1
    assert Identifier.objects.filter(kind="anonymous_id").count() == limit
    conflict = IdentityConflict.objects.get()
    assert (conflict.reason, conflict.customer_ids) == ("limit", [result.customer_ids[0]])
    stranger = resolve(make_event(anonymous_id=f"a{limit}")).customer_ids[0]
    assert resolve(make_event(user_id="u1", anonymous_id=f"a{limit}")).customer_ids == [result.customer_ids[0]]
    assert get_owner_id("anonymous_id", f"a{limit}") == stranger


def test_customers_above_the_limit_are_not_merged() -> None:
    limit = LIMITS["email_hash"]
    visitor = [make_identify_event(anonymous_id="a", email=f"v{number}@shop.org") for number in range(limit)]
    user = [make_identify_event(user_id="u1", email=f"u{number}@shop.org") for number in range(limit)]
    result = resolve(*visitor, *user, make_event(user_id="u1", anonymous_id="a"))
    assert result.merges == []
    assert result.customer_ids[-1] == get_owner_id("user_id", "u1") != get_owner_id("anonymous_id", "a")
    assert IdentityConflict.objects.get().reason == "limit"


def test_device_id_continues_a_visitor_but_never_identifies_a_user() -> None:
    result = resolve(
        make_event(anonymous_id="a1", device_id="tablet"), make_event(anonymous_id="a2", device_id="tablet"),
        make_event(user_id="u1", anonymous_id="a2"), make_event(anonymous_id="a3", device_id="tablet"),
        make_event(user_id="u2", anonymous_id="a3", device_id="tablet"),
    )  # fmt: skip
    first, second, anna, third, bo = result.customer_ids
    assert first == second == anna
    assert third == bo != anna
    assert not IdentityConflict.objects.exists()


def test_erased_customer_gets_no_identifiers_and_no_merges() -> None:
    erased = make_customer("gone", erased_at=NOON)
    make_identifier(erased, "a", kind="anonymous_id")
    make_identifier(erased, hash_email("gone@shop.org"), kind="email_hash")
    result = resolve(
        make_event(user_id="gone", anonymous_id="new"), make_event(anonymous_id="a"),
        make_identify_event(user_id="u1", anonymous_id="a", email="gone@shop.org", traits={"name": "Anna"}),
    )  # fmt: skip
    assert result.customer_ids[:2] == [None, None]
    assert set(erased.identifiers.values_list("value", flat=True)) == {"gone", "a", hash_email("gone@shop.org")}
    anna = Customer.objects.get(pk=result.customer_ids[2])
    assert (anna.name, anna.email) == ("Anna", "")
    assert Customer.objects.count() == 2


def test_first_and_last_seen_are_extended() -> None:
    customer = make_customer("u1", first_seen_at=NOON, last_seen_at=NOON)
    resolve(
        make_event(user_id="u1", minutes=-10),
        make_event(user_id="u1", minutes=20),
        make_event(anonymous_id="a", minutes=-60),
    )
    resolve(make_event(user_id="u1", anonymous_id="a", minutes=5))
    customer.refresh_from_db()
    assert customer.first_seen_at == NOON - timedelta(minutes=60)
    assert customer.last_seen_at == NOON + timedelta(minutes=20)


def test_chain_of_merges_in_one_batch_results_in_one_customer() -> None:
    for anonymous_id in ("a", "b", "c"):
        resolve(make_event(anonymous_id=anonymous_id))
    anna = make_customer("u1")
    result = resolve(
        make_event(type="alias", anonymous_id="a", previous_id="b"), make_event(type="alias", anonymous_id="b", previous_id="c"),
        make_event(user_id="u1", anonymous_id="c"), make_event(anonymous_id="a"),
    )  # fmt: skip
    assert set(result.customer_ids) == {anna.pk}
    assert {kept for kept, _merged in result.merges} == {anna.pk}
    assert len(result.merges) == IdentityMerge.objects.count() == 3


def test_reverted_merge_is_not_repeated_by_the_next_event() -> None:
    anna = make_customer("u1")
    visitor = resolve(make_event(anonymous_id="a")).customer_ids[0]
    resolve(make_event(user_id="u1", anonymous_id="a"))
    revert_merge(merge_id=IdentityMerge.objects.get().pk, at=NOON, by="anna")
    result = resolve(make_event(user_id="u1", anonymous_id="a"), make_event(anonymous_id="a"))
    assert result.customer_ids == [anna.pk, visitor]
    conflict = IdentityConflict.objects.get()
    assert (conflict.reason, sorted(conflict.customer_ids)) == ("undone", sorted([anna.pk, visitor]))


def test_reverted_merge_is_not_repeated_with_the_customer_who_took_the_other_one_over() -> None:
    anna = make_customer("u1")
    resolve(make_event(anonymous_id="a"))
    resolve(make_event(user_id="u1", anonymous_id="a"))
    merge = IdentityMerge.objects.get()
    revert_merge(merge_id=merge.pk, at=NOON, by="anna")
    [second] = merge_customers(pairs=[(anna.pk, merge.merged_id)], at=NOON, causes=["staff"])
    revert_merge(merge_id=second, at=NOON, by="anna")
    older = resolve(make_event(anonymous_id="b")).customer_ids[0]
    assert older is not None
    [other] = merge_customers(pairs=[(older, merge.merged_id)], at=NOON, causes=["staff"])
    assert resolve(make_event(user_id="u1", anonymous_id="a")).customer_ids == [anna.pk]
    assert get_owner_id("anonymous_id", "a") == older
    assert IdentityConflict.objects.get().reason == "undone"
    revert_merge(merge_id=other, at=NOON, by="anna")
    assert resolve(make_event(user_id="u1", anonymous_id="b")).merges == [(anna.pk, older)], (
        "no decision is about these two"
    )


def test_customer_with_two_manually_merged_user_ids_still_absorbs_visitors() -> None:
    anna, bo = make_customer("u1"), make_customer("u2")
    merge_customers(pairs=[(anna.pk, bo.pk)], at=NOON, causes=["staff"])
    resolve(make_event(anonymous_id="a"))
    result = resolve(make_event(user_id="u2", anonymous_id="a"), make_event(user_id="u1", anonymous_id="a"))
    assert result.customer_ids == [anna.pk, anna.pk]
    assert not IdentityConflict.objects.exists()


def test_thousand_customers_are_resolved_with_few_queries(django_assert_max_num_queries: Any) -> None:
    batch = [make_event(user_id=f"u{n}", anonymous_id=f"a{n}") for n in range(1000)]
    batch += [
        make_identify_event(user_id=f"u{n}", email=f"e{n}@shop.org", traits={"name": f"n{n}"}) for n in range(1000)
    ]
    with django_assert_max_num_queries(20):
        resolve(*batch)
    assert Customer.objects.count() == 1000


@pytest.fixture
def closing() -> Iterator[None]:
    yield
    connections.close_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closing")
def test_concurrent_writers_create_each_customer_once() -> None:
    barrier = threading.Barrier(3)
    ids = range(150)

    def run_in_thread(task: Any) -> Any:
        barrier.wait()
        try:
            return task()
        finally:
            connections.close_all()

    def resolve_all(step: int) -> list[ResolutionResult]:
        batches = [ids[start : start + 50] for start in range(0, 150, 50)][::step]
        return [
            resolve(*[make_event(user_id=f"u{n}", anonymous_id=f"a{n}") for n in start], *[make_event(anonymous_id=f"a{n}") for n in start])
            for start in batches
        ]  # fmt: skip

    def upsert() -> None:
        for n in ids:
            upsert_customers(changes=[CustomerChange(f"u{n}", {"email": f"e{n}@shop.org"})], seen_at=NOON)

    with ThreadPoolExecutor(3) as pool:
        tasks = [lambda: resolve_all(1), lambda: resolve_all(-1), upsert]
        results = [future.result() for future in [pool.submit(run_in_thread, task) for task in tasks]]
    assert Customer.objects.count() == 150
    assert (
        Identifier.objects.filter(kind="user_id").count()
        == Identifier.objects.filter(kind="anonymous_id").count()
        == 150
    )
    for n in ids:
        assert (
            get_owner_id("user_id", f"u{n}")
            == get_owner_id("anonymous_id", f"a{n}")
            == get_owner_id("email_hash", hash_email(f"e{n}@shop.org"))
        )
    assert results[0][0].customer_ids == results[1][-1].customer_ids
    assert hash_phone("1") == hash_phone(" 1 ")
