"""A small sample shop with realistic figures for screenshots."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile, LifecycleRun, RfmGroup, Stage, StageRules, StageTransition
from customers.orders.models import Order
from recommendations.training.models import EvaluationRun, ModelVersion
from tests.makers import make_product, make_source

CUSTOMERS = 240


def make_shop(now: datetime) -> SimpleNamespace:
    rng = random.Random(7)
    source = make_source("made-shop")
    products = [make_product(category=f"Kitchen > Range {number % 4}") for number in range(12)]
    customers = Customer.objects.bulk_create(Customer() for _ in range(CUSTOMERS))
    Order.objects.bulk_create(make_orders(customers, source.pk, now, rng))
    make_profiles(customers, now, rng)
    return SimpleNamespace(products=products, customers=customers, model=make_evaluated_model(now))


def make_orders(customers: list[Customer], source_id: int, now: datetime, rng: random.Random) -> Iterator[Order]:
    for number in range(1500):
        total = Decimal(rng.randrange(500, 12_000)) / 100
        yield Order(
            source_id=source_id,
            order_id=f"made-{number}",
            customer=rng.choice(customers),
            placed_at=now - timedelta(days=180 * rng.random() ** 1.15, minutes=5),
            currency="USD",
            subtotal=total,
            total=total,
        )


def make_profiles(customers: list[Customer], now: datetime, rng: random.Random) -> None:
    rules = StageRules.objects.filter(is_active=True).first() or StageRules.objects.create(
        version=1,
        measured_at=now,
        second_gap_days=40,
        median_gap_days=20,
        active_gap_days=30,
        dormant_gap_days=60,
        is_active=True,
    )
    LifecycleRun.objects.create(
        as_of=now,
        started_at=now,
        finished_at=now,
        status=LifecycleRun.Status.DONE,
        rules=rules,
        customers=len(customers),
    )
    groups = RfmGroup.values
    profiles = []
    for customer in customers:
        r, f = rng.randint(1, 5), rng.randint(1, 5)
        profiles.append(
            CustomerProfile(
                customer=customer,
                orders=f * 3,
                revenue=Decimal(f * 40),
                r=r,
                f=f,
                m=f,
                rfm_group=groups[(r * 5 + f) % len(groups)],
                stage=rng.choice(Stage.values),
                stage_since=now,
                computed_at=now,
            )
        )
    CustomerProfile.objects.bulk_create(profiles)
    StageTransition.objects.bulk_create(
        StageTransition(
            customer=customer,
            from_stage=Stage.NEW,
            to_stage=Stage.ACTIVE,
            at=now - timedelta(days=3),
            reason=StageTransition.Reason.ORDERED,
            rules=rules,
        )
        for customer in customers[:20]
    )


def make_evaluated_model(now: datetime) -> ModelVersion:
    version = ModelVersion.objects.create(
        version="blend-made.1",
        algorithm="blend",
        as_of=now - timedelta(hours=6),
        created_at=now,
        activated_at=now,
        status=ModelVersion.Status.ACTIVE,
        artifact="blend-made.1",
    )
    scores = {
        "popularity": 0.041,
        "item-knn": 0.093,
        "user-knn": 0.088,
        "repeat": 0.128,
        "content": 0.035,
        "blend": 0.141,
    }
    EvaluationRun.objects.create(
        model_version=version,
        started_at=now,
        finished_at=now,
        cut_at=now - timedelta(days=28),
        status=EvaluationRun.Status.DONE,
        test_users=CUSTOMERS,
        figures={
            name: {
                "ndcg@10": {"value": value, "low": value * 0.93, "high": value * 1.07},
                "hit_rate@10": {"value": 0.89 if name == "blend" else 0.66},
            }
            for name, value in scores.items()
        },
    )
    return version
