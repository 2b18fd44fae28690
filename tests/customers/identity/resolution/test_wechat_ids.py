"""The openids and unionids of WeChat identify a customer, as keyed hashes."""

from typing import Any

import pytest

from customers.erasure.people import describe_person
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.erased.blocked_identifiers import block_identifiers
from customers.identity.models import ContactClaim, Customer, Identifier
from customers.identity.personal_data.hashing import hash_wechat_id
from customers.identity.personal_data.wechat_ids import list_wechat_ids
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db
OPENID, OFFICIAL, UNIONID = (
    "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "oMgHVjngRipVsoxg6B4Rs5vZtEzq",
    "o6_bmasdasdsad6_2sgVt7hMZOPfL",
)


def identify(anonymous_id: str, traits: dict[str, Any], *, is_trusted: bool = True, user_id: str = "") -> int | None:
    ids = list_wechat_ids(traits)
    event = IdentityEvent(
        1, f"m-{anonymous_id}", "identify", NOON, user_id, anonymous_id, traits=traits, is_trusted=is_trusted, is_verified=is_trusted,
        wechat_ids=ids if is_trusted else (), claimed_wechat_ids=ids,
    )  # fmt: skip
    return resolve_people(events=[event], at=NOON).customer_ids[0]


def list_hashes(customer_id: int | None) -> set[tuple[str, str]]:
    return set(Identifier.objects.filter(customer=customer_id, kind__endswith="id_hash").values_list("kind", "value"))


def test_names_of_shops_and_lists_are_understood() -> None:
    traits = {"openId": OPENID, "wechat_unionid": UNIONID, "open_id": [OFFICIAL, 7, "not an id!"], "plan": "gold"}
    assert list_wechat_ids(traits) == (("unionid_hash", UNIONID), ("openid_hash", OPENID), ("openid_hash", OFFICIAL))


def test_a_unionid_joins_the_openids_of_a_mini_program_and_an_official_account() -> None:
    first = identify("mini-program", {"wechat_openid": OPENID, "wechat_unionid": UNIONID})
    second = identify("official-account", {"openid": OFFICIAL, "unionid": UNIONID})
    assert first == second == identify("new phone", {"wechat_openid": OFFICIAL})
    openids = {("openid_hash", hash_wechat_id(text)) for text in (OPENID, OFFICIAL)}
    assert list_hashes(first) == openids | {("unionid_hash", hash_wechat_id(UNIONID))}
    traits = Customer.objects.get().traits
    assert (traits["wechat_openid"], traits["unionid"]) == (OFFICIAL, UNIONID)


def test_an_app_only_claims_an_openid_until_a_server_names_it() -> None:
    owner = identify("browser-1", {"wechat_openid": OPENID})
    stranger = identify("browser-2", {"wechat_openid": OPENID}, is_trusted=False)
    assert stranger != owner
    visitor = identify("guest-1", {"wechat_openid": OFFICIAL}, is_trusted=False)
    assert not list_hashes(visitor)
    assert ContactClaim.objects.filter(kind="openid_hash").count() == 2
    order = IdentityEvent(1, "o", "track", NOON, "", "guest-1", claimed_wechat_ids=(("openid_hash", OFFICIAL),))
    assert resolve_people(events=[order], at=NOON).customer_ids == [visitor]
    assert list_hashes(visitor) == {("openid_hash", hash_wechat_id(OFFICIAL))}


def test_an_import_links_ids_and_never_takes_those_of_someone_else() -> None:
    changes = [
        CustomerChange("mei", traits={"wechat_openid": [OPENID, OFFICIAL], "wechat_unionid": UNIONID}),
        CustomerChange("bo", traits={"unionid": UNIONID}),
        CustomerChange("cem", traits={"openid": "none"}),
    ]
    problems = [item.problems for item in upsert_customers(changes=changes, seen_at=NOON).results]
    assert [[(problem.field, problem.code) for problem in item] for item in problems] == [
        [],
        [("traits.unionid", "taken")],
        [],
    ]
    mei = Customer.objects.get(identifiers__value="mei")
    assert len(list_hashes(mei.pk)) == 3
    assert identify("phone", {"openid": OFFICIAL}) == mei.pk
    upsert_customers(changes=[CustomerChange("mei", traits={"wechat_openid": None})], seen_at=NOON)
    assert list_hashes(mei.pk) == {("unionid_hash", hash_wechat_id(UNIONID))}


def test_an_erased_person_does_not_come_back_with_their_ids() -> None:
    mei = make_customer("mei", traits={"wechat_openid": [OPENID], "wechat_unionid": UNIONID})
    person = describe_person(mei)
    keys = [("openid_hash", hash_wechat_id(OPENID)), ("unionid_hash", hash_wechat_id(UNIONID))]
    assert set(keys) <= set(person.identifiers)
    assert {OPENID, UNIONID} <= set(person.search_terms)
    block_identifiers(keys, at=NOON)
    visitor = identify("browser", {"wechat_openid": OPENID})
    assert visitor is not None
    assert not list_hashes(visitor)
    assert "wechat_openid" not in Customer.objects.get(pk=visitor).traits
