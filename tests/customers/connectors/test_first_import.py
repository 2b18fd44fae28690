"""After the history is imported, profiles and recommendations follow by themselves, and the page says how far they are."""

from datetime import timedelta

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.foundation.database.advisory_locks import exclusive_lock
from customers.connectors.follow_ups.preparation import REPEAT_AFTER, continue_follow_ups
from customers.connectors.models import ShopConnection, SyncRun
from customers.connectors.sync.runs import continue_run, start_run
from customers.connectors.tasks import synchronize_shops
from customers.identity.models import ConsentDenial
from customers.lifecycle.models import LifecycleRun
from customers.orders.models import Order
from recommendations.training.data.extract import NoTrainingDataError
from recommendations.training.models import EvaluationRun
from recommendations.training.runs import TRAINING_LOCK
from tests.customers.connectors.platforms.shopify_server import ShopifyServer, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db
PROFILES, TRAINING = "customers.lifecycle.tasks.refresh_profiles", "recommendations.training.tasks.train_nightly"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the tasks that are sent to the workers, of which there are none."""
    names: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **options: names.append(name))
    return names


def import_history(shop: ShopConnection) -> SyncRun:
    run = start_run(shop, SyncRun.Kind.BACKFILL, at=timezone.now())
    assert run is not None
    return continue_run(run, at=timezone.now())


def test_profiles_and_recommendations_follow_an_import(
    admin_client: Client, shopify: ShopifyServer, shop: ShopConnection, sent: list[str]
) -> None:
    shopify.records = {
        "products": [make_product(1)],
        "customers": [make_customer(11)],
        "orders": [make_order(1001, customer=11)],
    }
    run, page = import_history(shop), reverse("connectors:shop", args=[shop.pk])
    now = timezone.now()
    assert "Starts in a moment." in admin_client.get(page).text
    continue_follow_ups(at=now)
    continue_follow_ups(at=now + timedelta(minutes=1))
    assert sent == [PROFILES, TRAINING], "both are asked for once, since they do not need each other"
    continue_follow_ups(at=now + REPEAT_AFTER)
    assert sent == [PROFILES, TRAINING] * 2, "another refresh or training may have been in the way"
    sent.clear()
    LifecycleRun.objects.create(as_of=now, started_at=now + REPEAT_AFTER, status="done", customers=1)
    failed = EvaluationRun.objects.create(started_at=now + REPEAT_AFTER, status="failed", error="The disk is full.")
    text = admin_client.get(page).text
    assert "1 customer" in text
    assert "1 of 1 customer lives where personalization requires consent" in text, "Germany"
    assert "The disk is full." in text
    assert "no customer has given the consent that personalization needs" in text
    failed.error = str(NoTrainingDataError.build(now, 1))
    failed.save()
    assert "no customer with orders has consented to personalization" in admin_client.get(page).text
    assert continue_follow_ups(at=now + REPEAT_AFTER * 3) == 1
    assert sent == [], "someone has to look at the reason"
    admin_client.post(reverse("connectors:change", args=[shop.pk, "prepare"]))
    assert sent == [TRAINING]
    failed.delete()
    EvaluationRun.objects.create(started_at=now + REPEAT_AFTER * 4, status="running", percent=40)
    with exclusive_lock(TRAINING_LOCK):
        assert 'value="40"' in admin_client.get(page).text
    assert "the process stopped before the training finished." in admin_client.get(page).text
    EvaluationRun.objects.update(status="done")
    LifecycleRun.objects.update(status="running")
    text = admin_client.get(page).text
    assert "The customer profiles are still being computed." in text
    assert "See the first recommendations" in text
    LifecycleRun.objects.update(status="done")
    assert continue_follow_ups(at=now + REPEAT_AFTER * 5) == 0
    text = admin_client.get(page).text
    assert "See the first recommendations" in text
    assert reverse("admin:serving_preview_changelist") in text, "nobody may be personalized for"
    ConsentDenial.objects.all().delete()
    customer = reverse("admin:serving_for_customer", args=[Order.objects.get().customer_id])
    assert customer in admin_client.get(page).text
    assert "hx-trigger" not in text, "nothing changes any more"
    run.refresh_from_db()
    assert run.prepared_at is not None


def test_kernels_are_compiled_while_the_history_is_imported(
    admin_client: Client, shop: ShopConnection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synchronize_shops, "delay", lambda: None)
    admin_client.post(reverse("connectors:change", args=[shop.pk, "import"]))
    assert sent == ["recommendations.serving.tasks.compile_kernels"]
    current_app.loader.import_default_modules()  # as a worker does when it starts
    assert set(sent) <= set(current_app.tasks)


def test_a_shop_without_orders_needs_no_recommendations(
    admin_client: Client, shopify: ShopifyServer, shop: ShopConnection, sent: list[str]
) -> None:
    shopify.records["products"] = [make_product(1)]
    import_history(shop)
    assert continue_follow_ups(at=timezone.now()) == 0
    assert sent == []
    assert "The shop has no orders yet." in admin_client.get(reverse("connectors:shop", args=[shop.pk])).text


def test_a_step_whose_workers_are_gone_says_so(
    admin_client: Client, shopify: ShopifyServer, shop: ShopConnection, sent: list[str]
) -> None:
    shopify.records |= {"products": [make_product(1)], "orders": [make_order(1001)]}
    import_history(shop)
    now = timezone.now()
    for number in range(6):
        continue_follow_ups(at=now + REPEAT_AFTER * number)
    assert sent == [PROFILES, TRAINING] * 4
    assert "Check that the workers are running" in admin_client.get(reverse("connectors:shop", args=[shop.pk])).text
