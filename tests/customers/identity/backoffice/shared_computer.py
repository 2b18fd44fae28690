"""An identity conflict for the tests of the identity pages: two customers who share a computer."""

from types import SimpleNamespace

from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Customer, IdentityConflict
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from tests.makers import NOON, make_order


def make_shared_computer() -> SimpleNamespace:
    """Create two customers who used the same computer, which is a conflict; the second has an order."""
    changes = [CustomerChange("u1", {"name": "Anna Karenina"}), CustomerChange("bo@shop.org", {"email": "bo@shop.org"})]
    upsert_customers(changes=changes, seen_at=NOON)
    fields = {"source_id": 1, "type": "track", "occurred_at": NOON, "anonymous_id": "laptop"}
    events = [IdentityEvent(message_id=f"m-{user}", user_id=user, **fields) for user in ("u1", "bo@shop.org")]
    anna, bo = (Customer.objects.get(pk=pk) for pk in resolve_people(events=events, at=NOON).customer_ids)
    make_order(bo)
    conflict = IdentityConflict.objects.get()
    return SimpleNamespace(
        anna=anna, bo=bo, conflict=conflict, page=f"/admin/identity/identityconflict/{conflict.pk}/change/"
    )
