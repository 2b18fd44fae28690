from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.events.models import Event
from customers.identity.models import Customer
from customers.warehouse.export import export_warehouse
from recommendations.engine import IdMap
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.data.extract import extract_training_data
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import Artifact, open_artifact
from recommendations.training.registry.incremental_update import NothingToRefreshError, refresh_active_version
from recommendations.training.registry.promotion import get_artifact_folder
from tests.makers import NOON, make_customer, make_order, make_product, make_source

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(hours=2)


@pytest.fixture
def dismiss() -> Callable[..., None]:
    """Return a function that stores a processed event as the collector does."""
    numbers = iter(range(1000))

    def store(
        customer: Customer, *product_ids: str, at: datetime, name: str = "Product Dismissed", **fields: Any
    ) -> None:
        Event.objects.create(
            source=make_source(),
            message_id=f"dismissal {next(numbers)}",
            name=name,
            occurred_at=at,
            received_at=at,
            product_ids=list(product_ids),
            **{"type": "track", "user_id": customer.identifiers.get().value, "properties": {}, **fields},
        )

    return store


def read_dismissed(*, as_of: datetime = NOON) -> dict[str, list[str]]:
    """Return user id → dismissed product ids, of customers with dismissals."""
    export_warehouse(started_at=as_of)
    data = extract_training_data(as_of=as_of)
    return list_dismissed(data.dismissed.to_arrays(), data.identifiers, data.identifier_user, data.interactions.items)


def list_dismissed(arrays: Any, identifiers: IdMap, users: Any, items: IdMap) -> dict[str, list[str]]:
    dismissed = {}
    for name, user in zip(identifiers.get_ids(), users.tolist(), strict=True):
        rows = arrays["item"][arrays["indptr"][user] : arrays["indptr"][user + 1]]
        if len(rows):
            dismissed[name.removeprefix("user_id:")] = items.get_ids(rows.tolist())
    return dismissed


def test_dismissals_under_either_event_name_are_read_per_customer(folders: Path, dismiss: Callable[..., None]) -> None:
    ann, ben = make_customer("ann"), make_customer("ben")
    products = [make_product(name) for name in ("tea", "cake", "milk")]
    make_order(ann, placed_at=NOON - timedelta(days=3), products=products)
    dismiss(ann, "tea", "milk", at=NOON - timedelta(days=1))
    dismiss(ann, "tea", at=NOON - timedelta(hours=1), name="recommendation dismissed ")
    dismiss(ben, "cake", at=NOON - timedelta(hours=1))  # without any other activity
    dismiss(ben, "no such product", at=NOON - timedelta(hours=1))
    dismiss(ben, "milk", at=NOON + timedelta(minutes=1))
    dismiss(ann, "cake", at=NOON - timedelta(hours=1), type="page")
    assert read_dismissed() == {"ann": ["milk", "tea"], "ben": ["cake"]}


def test_a_purchase_ends_a_dismissal_and_another_dismissal_starts_it_again(
    folders: Path, dismiss: Callable[..., None]
) -> None:
    ann, ben = make_customer("ann"), make_customer("ben")
    tea, cake, milk = (make_product(name) for name in ("tea", "cake", "milk"))
    for customer in (ann, ben):
        dismiss(customer, "tea", "cake", "milk", at=NOON - timedelta(days=9))
    make_order(ann, placed_at=NOON - timedelta(days=5), products=[tea, cake])
    make_order(ben, placed_at=NOON - timedelta(days=10), products=[tea])
    make_order(ben, placed_at=NOON + timedelta(days=1), products=[milk])
    dismiss(ann, "cake", at=NOON - timedelta(days=2))
    assert read_dismissed() == {"ann": ["cake", "milk"], "ben": ["cake", "milk", "tea"]}


def test_a_purchase_event_ends_the_dismissal(folders: Path, dismiss: Callable[..., None]) -> None:
    ann = make_customer("ann")
    make_product("tea")
    make_product("cake")
    dismiss(ann, "tea", "cake", at=NOON - timedelta(days=9))
    dismiss(ann, "tea", at=NOON - timedelta(days=8), name="Order Completed")
    assert read_dismissed() == {"ann": ["cake"]}


def open_saved(version: ModelVersion) -> Artifact:
    return open_artifact(folder=get_artifact_folder(version), checksum=version.checksum)


def test_a_training_saves_an_empty_list_for_every_customer(trained: ModelVersion) -> None:
    part = open_saved(trained).get_part("dismissed")
    assert len(part["item"]) == 0
    assert len(part["indptr"]) == trained.users + 1


def test_a_refresh_has_the_dismissals_of_old_and_new_customers_even_without_other_activity(
    trained: ModelVersion,
    dismiss: Callable[..., None],
    loader: StateLoader,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    old, new = Customer.objects.get(identifiers__value="user-3"), make_customer("newcomer")
    dismiss(old, "tea-1", at=NOON + timedelta(minutes=5))
    dismiss(new, "cake-0", "cake-1", at=NOON + timedelta(minutes=6))
    make_product("newer than the training")
    export_warehouse(started_at=LATER)
    version = refresh_active_version(as_of=LATER)
    overlay = open_artifact(folder=settings.MODELS_DIR / version.refresh, checksum=version.refresh_checksum)
    assert overlay.saved["new_products"] == 1
    part, base = overlay.get_part("dismissed"), open_saved(version)
    items = IdMap.from_arrays(base.get_part("items"))
    identifiers = IdMap.from_arrays(base.get_part("identifiers"))
    assert list_dismissed(part, identifiers, base.arrays["identifier_user"], items) == {"user-3": ["tea-1"]}
    new_identifiers = IdMap.from_arrays(overlay.get_part("news-identifiers"))
    dismissed = list_dismissed(part, new_identifiers, overlay.arrays["news_identifier_user"], items)
    assert dismissed == {"user-3": ["tea-1"], "newcomer": ["cake-0", "cake-1"]}
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    model = loader.get_state(now=LATER).model
    assert model.find_user_rows(["user_id:newcomer"]) == [model.n_trained]


def test_without_a_new_dismissal_there_is_nothing_to_refresh(trained: ModelVersion) -> None:
    with pytest.raises(NothingToRefreshError):
        refresh_active_version(as_of=LATER)
