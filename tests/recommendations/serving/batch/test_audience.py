"""The audience of a product: customers of the right taste, without those who must be left out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from catalog.models import Product
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Consent, ConsentDenial, Customer
from customers.segments.models import Segment
from recommendations.engine import ALGORITHMS
from recommendations.serving.backoffice import audience_page
from recommendations.serving.batch import audience as audience_module
from recommendations.serving.batch.audience import Audience, choose_reason_code, find_audience
from recommendations.serving.models import PlacementSettings
from recommendations.serving.rest import audience_api
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.config.access.callers import make_client
from tests.makers import NOON, make_order, make_product
from tests.recommendations.shop import N_CUSTOMERS, get_customer

ADDRESS = "/api/v1/products/tea-1/audience/"


@pytest.fixture
def get_audience(trained: ModelVersion, loader: StateLoader) -> Any:
    def find(product_id: str = "tea-1") -> Audience:
        return find_audience(product_id=product_id, now=NOON, source=loader)

    return find


@pytest.fixture
def fresh_loader(monkeypatch: pytest.MonkeyPatch, trained: ModelVersion, loader: StateLoader) -> Iterator[StateLoader]:
    """Let the pages and the API use the loader of this test."""

    def find(**arguments: Any) -> Audience:
        return find_audience(**{**arguments, "source": loader})

    monkeypatch.setattr(audience_api, "find_audience", find)
    monkeypatch.setattr(audience_page, "find_audience", find)
    return loader  # type: ignore[return-value]


def list_user_ids(audience: Audience) -> list[str]:
    return [member.user_id for member in audience.customers]


def test_tea_drinkers_are_the_audience_of_a_tea(get_audience: Any) -> None:
    audience = get_audience()
    drinkers = {f"user-{person}" for person in range(0, N_CUSTOMERS, 2)}
    assert audience.known
    assert set(list_user_ids(audience)[: len(drinkers)]) == drinkers
    scores = [member.score for member in audience.customers]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 + 1e-6 for score in scores)
    assert all(member.reason for member in audience.customers)


def test_scores_are_the_weighted_scores_of_the_components(get_audience: Any, loader: StateLoader) -> None:
    audience = get_audience("cake-2")
    model = loader.get_state(now=NOON).model
    assert model is not None
    row = model.items.get_row("cake-2")
    shares = {name: share for name, share in model.blend.compute_shares().items() if share and name != "popularity"}
    contributions = {name: [] for name in shares}  # type: ignore[var-annotated]
    for person in range(N_CUSTOMERS):
        history = model.build_history(
            users=model.find_user_rows([f"user_id:user-{person}"]), recent=[], now=NOON.timestamp()
        )
        for name in shares:
            scores = model.blend.components_[name].score(history)
            column = np.asarray(scores[:, [row]].todense() if hasattr(scores, "todense") else scores[:, [row]])
            contributions[name].append(max(float(column[0, 0]), 0.0))
    expected = sum(
        share * np.array(contributions[name]) / max(max(contributions[name]), 1e-30) for name, share in shares.items()
    ) / sum(shares.values())
    scores_by_user = {member.user_id: member.score for member in audience.customers}
    for person in range(N_CUSTOMERS):
        assert scores_by_user.get(f"user-{person}", 0) == pytest.approx(expected[person], rel=1e-3, abs=1e-6)  # type: ignore[index]


def test_changed_weights_of_for_you_change_the_audience(get_audience: Any, loader: StateLoader) -> None:
    """Without the components that depend on the customer, no customer is likelier than another one."""
    assert get_audience().customers
    settings = PlacementSettings.objects.get(placement="for-you")
    settings.weights = {"popularity": 1.0}
    settings.save()
    loader.refreshed_at = float("-inf")
    assert get_audience().customers == []


@pytest.mark.parametrize("name", ["repeat", "repeat-ranker", "repeat-rhythm"])
def test_algorithms_of_own_products_name_the_own_purchases(name: str) -> None:
    component = ALGORITHMS[name]()
    codes = [choose_reason_code(component, times, is_bought=True) for times in (0, 1, 2)]
    bought = ["due_again"] * 2 if name == "repeat-rhythm" else ["bought_before", "bought_often"]
    assert codes == ["you_viewed", *bought]


def test_other_algorithms_claim_similar_customers_only_if_several_bought_it() -> None:
    component = ALGORITHMS["user-knn"]()
    assert choose_reason_code(component, 3, is_bought=True) == "customers_like_you"
    assert choose_reason_code(component, 3, is_bought=False) == "because_you_bought"


def test_customers_who_were_erased_or_refused_are_left_out_at_once(get_audience: Any) -> None:
    first, second, *_others = list_user_ids(get_audience())
    Customer.objects.filter(pk=get_customer(first).pk).update(erased_at=NOON)
    ConsentDenial.objects.create(kind="user_id", value=second, purpose=Consent.Purpose.PERSONALISATION)
    assert {first, second} & set(list_user_ids(get_audience())) == set()


def test_buyers_are_left_out_if_purchased_products_are_hidden(get_audience: Any, loader: StateLoader) -> None:
    assert "user-0" in list_user_ids(get_audience())
    settings = PlacementSettings.objects.get(placement="for-you")
    settings.purchased_products = "hide"
    settings.save()
    loader.refreshed_at = float("-inf")
    audience = get_audience("cake-0")
    buyers = set(
        Customer.objects.filter(orders__lines__product__product_id="cake-0").values_list("pk", flat=True).distinct()
    )
    assert buyers
    assert not buyers & {member.customer_id for member in audience.customers}
    customer = audience.customers[0]
    make_order(Customer.objects.get(pk=customer.customer_id), products=[make_product("unrelated")])
    assert customer in get_audience("cake-0").customers
    make_order(Customer.objects.get(pk=customer.customer_id), products=[Product.objects.get(product_id="cake-0")])
    assert customer not in get_audience("cake-0").customers


def hide_purchased_products(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="for-you").update(purchased_products="hide")
    loader.refreshed_at = float("-inf")


def test_buyers_of_another_product_of_the_group_take_no_place_if_purchased_products_are_hidden(
    get_audience: Any, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_purchased_products(loader)
    buyers = set(Customer.objects.filter(orders__lines__product__product_id="cake-2").values_list("pk", flat=True))
    alone = [member.customer_id for member in get_audience("cake-0").customers]
    others = [number for number in alone if number not in buyers]
    assert 0 < len(others) < len(alone)
    for product in Product.objects.filter(product_id__in=["cake-0", "cake-2"]):
        product.parent_id = "mixed"
        product.save()  # with the time of the change, by which the loader finds it
    loader.refreshed_at = float("-inf")
    monkeypatch.setattr(audience_module, "_cache", audience_module.AudienceCache())
    monkeypatch.setattr(audience_module, "MAX_AUDIENCE", len(others))
    assert [member.customer_id for member in get_audience("cake-0").customers] == others


def test_buyers_of_a_new_product_of_the_group_are_left_out_at_once_if_purchased_products_are_hidden(
    get_audience: Any, loader: StateLoader
) -> None:
    large = make_product("cake-0-large", parent_id="cakes")
    Product.objects.filter(product_id="cake-0").update(parent_id="cakes")
    hide_purchased_products(loader)
    first, second, *_others = get_audience("cake-0").customers
    make_order(Customer.objects.get(pk=first.customer_id), products=[large])
    assert get_audience("cake-0").customers[0] == second


@pytest.mark.parametrize("dismissed", ["tea-1", "tea-3"])
def test_customers_who_dismissed_the_product_or_its_group_are_left_out(
    get_audience: Any, loader: StateLoader, monkeypatch: pytest.MonkeyPatch, dismissed: str
) -> None:
    Product.objects.filter(product_id__in=["tea-1", "tea-3"]).update(parent_id="teas")
    first, second, *others = list_user_ids(get_audience())
    model = loader.get_state(now=NOON).model
    assert model is not None
    [user] = model.find_user_rows([f"user_id:{first}"])
    indptr = np.zeros(model.n_trained + 1, np.int64)
    indptr[user + 1 :] = 1
    object.__setattr__(model, "dismissed", (indptr, np.array([model.items.get_row(dismissed)], np.int32)))
    monkeypatch.setattr(audience_module, "_cache", audience_module.AudienceCache())
    assert list_user_ids(get_audience()) == [second, *others]
    merge_customers(pairs=[(get_customer(second).pk, get_customer(first).pk)], at=NOON, causes=["test"])
    assert list_user_ids(get_audience()) == others, "one customer since the training"


def test_two_customers_merged_since_the_training_count_once(get_audience: Any) -> None:
    before = get_audience()
    merge_customers(pairs=[(get_customer("user-0").pk, get_customer("user-2").pk)], at=NOON, causes=["test"])
    after = get_audience()
    assert len(after.customers) == len(before.customers) - 1
    assert [member.customer_id for member in after.customers].count(get_customer("user-0").pk) == 1


def test_the_block_size_does_not_change_the_ranking(get_audience: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = get_audience()
    monkeypatch.setattr(audience_module, "BLOCK_SIZE", 7)
    monkeypatch.setattr(audience_module, "_cache", audience_module.AudienceCache())
    in_blocks = get_audience()
    assert [member.customer_id for member in in_blocks.customers] == [member.customer_id for member in whole.customers]


def test_a_product_that_the_model_does_not_know_has_no_audience_yet(get_audience: Any) -> None:
    make_product("brand new")
    audience = get_audience("brand new")
    assert (audience.known, audience.customers) == (False, [])


def test_the_number_of_customers_does_not_change_the_number_of_queries(
    get_audience: Any, loader: StateLoader, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    get_audience()
    loader.has_refresh_thread = True
    with django_assert_num_queries(1):
        get_audience()
    with django_assert_num_queries(1):
        get_audience("coffee-1")


def test_the_api_returns_pages_of_customers_with_reasons(fresh_loader: StateLoader) -> None:
    client = make_client("customers:read", "recommendations:read")
    first = client.get(f"{ADDRESS}?limit=15").json()
    second = client.get(f"{ADDRESS}?limit=15&cursor={first['next_cursor']}").json()
    assert (first["product_id"], first["known"], len(first["results"])) == ("tea-1", True, 15)
    assert f"cursor={first['next_cursor']}" in first["next"]
    ids = [row["customer_id"] for row in first["results"] + second["results"]]
    assert len(set(ids)) == len(ids)
    best = first["results"][0]
    assert best["user_id"].startswith("user-")
    assert best["reason"]["text"]
    last = client.get(f"{ADDRESS}?limit=1000").json()
    assert (last["next_cursor"], last["next"], len(last["results"])) == (None, None, last["people"])


def test_the_api_rejects_invalid_parameters_and_missing_scopes(fresh_loader: StateLoader) -> None:
    client = make_client("customers:read", "recommendations:read")
    assert client.get("/api/v1/products/nothing/audience/").status_code == 404
    for query, field in (
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x!", "cursor"),
        ("cursor=LTE", "cursor"),
    ):
        response = client.get(f"{ADDRESS}?{query}")
        assert response.status_code == 400, query
        assert [error["field"] for error in response.json()["errors"]] == [field]
    for scopes in (("customers:read",), ("recommendations:read",)):
        assert make_client(*scopes).get(ADDRESS).status_code == 403


def test_a_product_id_may_contain_a_slash(fresh_loader: StateLoader) -> None:
    make_product("a/b")
    client = make_client("customers:read", "recommendations:read", "catalog:read")
    assert client.get("/api/v1/products/a/b/audience/").json()["known"] is False
    assert client.get("/api/v1/products/a/b/").json()["product_id"] == "a/b"


def log_in(group: str) -> Client:
    user = User.objects.create_user(group, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def test_a_marketer_sees_the_audience_and_saves_it_as_a_segment(fresh_loader: StateLoader) -> None:
    client = log_in("Marketer")
    url = "/admin/serving/preview/audience/tea-1/"
    page = client.get(url).content.decode()
    assert "user-0" in page
    assert "Save as a segment" in page
    response = client.post(url, {"name": "Tea lovers", "most": 10})
    segment = Segment.objects.get(key="tea-lovers")
    assert response.url == f"/admin/segments/segment/{segment.pk}/members/"  # type: ignore[attr-defined]
    assert (segment.kind, segment.members.count()) == ("static", 10)
    again = client.post(url, {"name": "Tea lovers", "most": 10})
    assert "choose another name" in again.content.decode()
    chinese = client.post(url, {"name": "爱喝茶的人", "most": 5})
    assert chinese.status_code == 302
    assert Segment.objects.get(name="爱喝茶的人").members.count() == 5


def test_pages_require_the_permissions_to_view_customers_and_add_segments(fresh_loader: StateLoader) -> None:
    url = "/admin/serving/preview/audience/tea-1/"
    analyst = log_in("Analyst")
    assert "Save as a segment" not in analyst.get(url).content.decode()
    assert analyst.post(url, {"name": "x", "most": 5}).status_code == 403
    assert log_in("Merchandiser").get(url).status_code == 403
    assert analyst.get("/admin/serving/preview/audience/nothing/").status_code == 404


def test_the_product_page_links_to_its_audience(fresh_loader: StateLoader) -> None:
    page = log_in("Administrator").get(f"/admin/catalog/product/{Product.objects.get(product_id='tea-1').pk}/change/")
    assert "/admin/serving/preview/audience/tea-1/" in page.content.decode()
