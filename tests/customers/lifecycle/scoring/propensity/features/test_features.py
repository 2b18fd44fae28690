"""Features of customers, computed by hand and from facts before a time only."""

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.propensity.features.event_facts import (
    DAY,
    OrderLines,
    collect_order_lines,
    collect_visit_events,
)
from customers.lifecycle.scoring.propensity.features.features import FAMILIES, group_by_family, measure_features

MONDAY = 4 * DAY  # 5 January 1970


def make_orders(rows: list[tuple], n_customers: int = 2, **details: object) -> OrderLines:
    customer, single_day, value, returned = zip(*rows, strict=True)
    return collect_order_lines(
        n_customers=n_customers,
        customer=np.array(customer),
        at=(np.array(single_day) * DAY).astype(np.int64),
        value=np.array(value, float),
        is_return=np.array(returned),
        **details,
        clock=UTC_CLOCK,
    )


ROWS = [
    (0, 0.0, 10.0, False), (0, 100.0, 20.0, False), (0, 100.0, 10.0, False), (0, 130.0, 60.0, False), (0, 131.0, 25.0, True),
]  # fmt: skip


def to_dict(features, row: int) -> dict[str, float]:
    return dict(zip(features.names, features.matrix[row].tolist(), strict=True))


def test_order_columns_match_their_definitions():
    features = measure_features(orders=make_orders(ROWS), as_of=140 * DAY)
    first_customer = to_dict(features, 0)
    assert features.matrix.dtype == np.float32
    assert features.has_ordered.tolist() == [True, False]
    expected = {
        "recency_days": 10.0,
        "tenure_days": 140.0,
        "orders": 3.0,
        "orders_30": 1.0,
        "orders_90": 2.0,
        "orders_180": 3.0,
        "orders_365": 3.0,
        "orders_decayed_30": 2 ** (-140 / 30) + 2 ** (-40 / 30) + 2 ** (-10 / 30),
        "active_weeks_12": 2.0,
        "active_months_12": 3.0,
        "gap_days": (130 + 65) / 3,  # gaps of 100 and 30, and the shop's mean of 65 as a third
        "overdue": 10 / 65,
        "last_gap_ratio": 30 / 65,
        "gap_spread": np.sqrt((35**2 + 35**2 + 65**2) / 3) / 65,
        "orders_trend": np.log(3 / 2),
        "spend": 75.0,
        "order_value": 100 / 3,
        "last_value": 60.0,
        "spend_30": 35.0,
        "spend_90": 65.0,
        "spend_180": 75.0,
        "spend_trend": np.log((65 + 100 / 3) / (10 + 100 / 3)),
        "return_share": 0.25,
        "orders_year_ago": 0.0,
    }
    for name, value in expected.items():
        assert first_customer[name] == pytest.approx(value, rel=1e-5), name
    assert not features.matrix[1].any()


def test_orders_on_the_same_weekday_and_hour_are_regular():
    orders = make_orders(
        [(0, 7.0 * week, 1.0, False) for week in range(9)]
        + [(1, 1.5 * single_day, 1.0, False) for single_day in range(28)]
    )
    features = measure_features(orders=orders, as_of=100 * DAY)
    assert to_dict(features, 0)["weekday_regularity"] == pytest.approx(0.9)
    assert to_dict(features, 0)["hour_regularity"] == pytest.approx(0.9)
    assert to_dict(features, 1)["weekday_regularity"] == pytest.approx(0.0, abs=1e-6)
    assert to_dict(features, 1)["hour_regularity"] == pytest.approx(0.0, abs=1e-6)


def test_detail_columns_exist_only_for_known_details():
    orders = make_orders(
        ROWS,
        units=np.array([1, 2, 3, 4, 1]),
        discount=np.array([0.0, 10.0, 0.0, 15.0, 5.0]),
        category=np.array([0, 1, 1, -1, 0]),
        n_categories=2,
    )
    first_customer = to_dict(measure_features(orders=orders, as_of=140 * DAY), 0)
    assert first_customer["order_units"] == pytest.approx(10 / 3)
    assert first_customer["discount_share"] == pytest.approx(25 / 125)
    assert first_customer["categories"] == 2
    assert first_customer["favorite_share"] == pytest.approx(2 / 3)
    assert "discount_share" not in measure_features(orders=make_orders(ROWS), as_of=140 * DAY).names
    discount_only = make_orders(ROWS, discount=np.array([0.0, 10.0, 0.0, 15.0, 5.0]))
    assert to_dict(measure_features(orders=discount_only, as_of=140 * DAY), 0)["discount_share"] == pytest.approx(0.2)


def test_visits_count_events_and_sessions_in_windows():
    visits = collect_visit_events(
        n_customers=2,
        customer=np.zeros(5, int),
        at=(np.array([139.5, 60, 139, 120, 139.8]) * DAY).astype(np.int64),
        kind=np.array([0, 0, 1, 1, 0]),
        kinds=("viewed", "carted"),
        session=np.array([3, 1, 3, 2, 4]),
    )
    features = measure_features(orders=make_orders(ROWS), as_of=140 * DAY, visits=visits)
    first_customer = to_dict(features, 0)
    assert [first_customer[f"events_{days}"] for days in (7, 30, 90)] == [3, 4, 5]
    assert [first_customer[f"sessions_{days}"] for days in (7, 30, 90)] == [2, 3, 4]
    assert first_customer["days_since_event"] == pytest.approx(0.2, rel=1e-4)
    assert (first_customer["events_30_viewed"], first_customer["events_30_carted"]) == (2, 2)
    assert to_dict(features, 1)["days_since_event"] == 365


def make_shop(seed: int) -> dict[str, np.ndarray]:
    draws = np.random.default_rng(seed)
    m = 400
    return {
        "customer": draws.integers(0, 30, m),
        "at": draws.integers(0, 400 * DAY, m),
        "value": draws.gamma(2, 10, m),
        "is_return": draws.random(m) < 0.1,
        "units": draws.integers(1, 5, m),
        "discount": draws.gamma(1, 1, m),
        "category": draws.integers(-1, 5, m),
    }


@pytest.mark.parametrize("seed", range(5))
def test_facts_at_or_after_as_of_change_nothing(seed):
    facts = make_shop(seed)
    as_of = 200 * DAY
    facts["at"][:3] = as_of
    visits = collect_visit_events(
        n_customers=30, customer=facts["customer"], at=facts["at"], kind=facts["category"] % 2, kinds=("a", "b"),
        session=facts["units"],
    )  # fmt: skip
    before = facts["at"] < as_of
    earlier = {name: column[before] for name, column in facts.items()}
    earlier_visits = collect_visit_events(
        n_customers=30, customer=earlier["customer"], at=earlier["at"], kind=earlier["category"] % 2, kinds=("a", "b"),
        session=earlier["units"],
    )  # fmt: skip
    all_features = measure_features(
        orders=collect_order_lines(n_customers=30, n_categories=5, **facts, clock=UTC_CLOCK), as_of=as_of, visits=visits
    )
    earlier_features = measure_features(
        orders=collect_order_lines(n_customers=30, n_categories=5, **earlier, clock=UTC_CLOCK),
        as_of=as_of,
        visits=earlier_visits,
    )
    assert np.array_equal(all_features.matrix, earlier_features.matrix)
    assert np.isfinite(all_features.matrix).all()
    order = np.random.default_rng(seed).permutation(len(facts["at"]))
    shuffled_facts = {name: column[order] for name, column in facts.items()}
    shuffled_features = measure_features(
        orders=collect_order_lines(n_customers=30, n_categories=5, **shuffled_facts, clock=UTC_CLOCK), as_of=as_of
    )
    assert np.allclose(shuffled_features.matrix, all_features.matrix[:, : shuffled_features.matrix.shape[1]], rtol=1e-5)


def test_selected_rows_equal_those_of_all_customers():
    orders = collect_order_lines(n_customers=30, n_categories=5, **make_shop(1), clock=UTC_CLOCK)
    rows = np.array([7, 3, 29])
    columns = {"p_alive": np.linspace(0, 1, 30)}
    features = measure_features(orders=orders, as_of=300 * DAY, rows=rows, columns=columns)
    assert np.array_equal(
        features.matrix, measure_features(orders=orders, as_of=300 * DAY, columns=columns).matrix[rows]
    )
    assert features.names[-1] == "p_alive"


def test_empty_shops_single_days_and_unpaid_orders_give_finite_numbers():
    without_rows = measure_features(orders=make_orders([(0, 1.0, 0.0, False)], n_customers=1), as_of=0)
    assert not without_rows.matrix.any()
    single_day = measure_features(orders=make_orders([(0, 1.0, 0.0, False), (1, 1.0, 5.0, True)]), as_of=2 * DAY)
    assert np.isfinite(single_day.matrix).all()
    assert single_day.has_ordered.tolist() == [True, False]


def test_every_column_has_a_family():
    orders = collect_order_lines(n_customers=30, n_categories=5, **make_shop(1), clock=UTC_CLOCK)
    names = measure_features(orders=orders, as_of=DAY).names
    assert {name for members in FAMILIES.values() for name in members} == set(names)
    families, family_index = group_by_family((*names, "events_7", "purchase_probability"))
    assert families[family_index[-2]] == "visits"
    assert families[family_index[-1]] == "purchase_model"
    assert families[family_index[names.index("spend_30")]] == "spend"


def test_invalid_facts_are_rejected_by_name():
    with pytest.raises(ValueError, match="value"):
        make_orders([(0, 1.0, np.nan, False)])
    with pytest.raises(ValueError, match="customer"):
        make_orders([(2, 1.0, 1.0, False)])
    with pytest.raises(ValueError, match="units"):
        make_orders(ROWS, units=np.ones(2))
    with pytest.raises(ValueError, match="'orders'"):
        measure_features(orders=make_orders(ROWS), as_of=DAY, columns={"orders": np.zeros(2)})
    with pytest.raises(ValueError, match="finite"):
        measure_features(orders=make_orders(ROWS), as_of=DAY, columns={"p": np.array([0.0, np.inf])})
    with pytest.raises(ValueError, match="shape"):
        measure_features(orders=make_orders(ROWS), as_of=DAY, columns={"p": np.zeros(3)})
