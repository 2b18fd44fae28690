"""The identity graph on the page of a customer."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.identity.backoffice.identity_graph import build_identity_graph
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from tests.customers.identity.backoffice.shared_computer import make_shared_computer
from tests.makers import NOON, make_customer, make_identifier

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared_computer() -> SimpleNamespace:
    return make_shared_computer()


def test_graph_shows_identifiers_below_their_original_customer() -> None:
    anna, bo, cy = make_customer("u1"), make_customer("u2"), make_customer()
    make_identifier(cy, "phone", kind="device_id")
    merge_customers(pairs=[(bo.pk, cy.pk)], at=NOON, causes=["m1"])
    merge_customers(pairs=[(anna.pk, bo.pk)], at=NOON, causes=["m2"])
    undone = make_customer("u4")
    [merge_id] = merge_customers(pairs=[(anna.pk, undone.pk)], at=NOON, causes=["m3"])
    revert_merge(merge_id=merge_id, at=NOON, by="x")
    graph = build_identity_graph(customer_id=anna.pk, with_personal=True)
    assert [(node.title, node.depth) for node in graph.nodes] == [
        (f"#{anna.pk}", 0),
        ("u1", 1),
        (f"#{bo.pk}", 1),
        ("u2", 2),
        (f"#{cy.pk}", 2),
        ("phone", 3),
    ]
    assert len(graph.edges) == len(graph.nodes) - 1
    assert len({node.y for node in graph.nodes}) == len(graph.nodes)
    assert [merge.cause for merge in graph.merges] == ["m3", "m2", "m1"]
    assert {identifier.value: identifier.merge and identifier.merge.cause for identifier in graph.identifiers} == {
        "u1": None,
        "u2": "m2",
        "phone": "m1",
    }


def test_customer_page_draws_the_graph_with_a_constant_number_of_queries(
    admin_client: Client, django_assert_num_queries: Any, shared_computer: SimpleNamespace
) -> None:
    address = f"/admin/lifecycle/customerprofile/customer/{shared_computer.anna.pk}/?tab=profile"
    admin_client.get(address)  # loads the model for the recommendations on the page
    with CaptureQueriesContext(connection) as few:
        admin_client.get(address)
    assert len(few) < 40
    for number in range(60):
        make_identifier(shared_computer.anna, f"a{number}", kind="anonymous_id")
    with django_assert_num_queries(len(few)):
        page = admin_client.get(address).content.decode()
    assert page.count("<circle") > 40
    assert "and 22 more" in page
    assert f"/admin/identity/identityconflict/{shared_computer.conflict.pk}/change/" in page
