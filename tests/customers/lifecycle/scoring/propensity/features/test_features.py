"""Features of two customers worked out by hand, and that nothing later than the moment enters them."""

import numpy as np
import pytest

from customers.lifecycle.scoring.propensity.features.event_facts import (
    DAY,
    OrderLines,
    collect_order_lines,
    collect_visit_events,
)
from customers.lifecycle.scoring.propensity.features.features import FAMILIES, group_by_family, measure_features

MONDAY = 4 * DAY  # 5 January 1970


def made(rows: list[tuple], n_customers: int = 2, **more: object) -> OrderLines:
    customer, day, value, returned = zip(*rows, strict=True)
    return collect_order_lines(
        n_customers=n_customers,
        customer=np.array(customer),
        at=(np.array(day) * DAY).astype(np.int64),
        value=np.array(value, float),
        is_return=np.array(returned),
        **more,
    )


ROWS = [
    (0, 0.0, 10.0, False), (0, 100.0, 20.0, False), (0, 100.0, 10.0, False), (0, 130.0, 60.0, False), (0, 131.0, 25.0, True),
]  # fmt: skip


def by_name(found, row: int) -> dict[str, float]:
    return dict(zip(found.names, found.matrix[row].tolist(), strict=True))


def test_order_columns_match_their_definitions():
    found = measure_features(orders=made(ROWS), as_of=140 * DAY)
    first = by_name(found, 0)
    assert found.matrix.dtype == np.float32
    assert found.has_ordered.tolist() == [True, False]
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
        "gap_days": (130 + 65) / 3,  # gaps 100 and 30, the shop's mean 65 as one more
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
        assert first[name] == pytest.approx(value, rel=1e-5), name
    assert not found.matrix[1].any()


def test_the_same_weekday_and_hour_is_regular():
    weekly = made(
        [(0, 7.0 * week, 1.0, False) for week in range(9)] + [(1, 1.5 * day, 1.0, False) for day in range(28)]
    )
    found = measure_features(orders=weekly, as_of=100 * DAY)
    assert by_name(found, 0)["weekday_regularity"] == pytest.approx(0.9)
    assert by_name(found, 0)["hour_regularity"] == pytest.approx(0.9)
    assert by_name(found, 1)["weekday_regularity"] == pytest.approx(0.0, abs=1e-6)
    assert by_name(found, 1)["hour_regularity"] == pytest.approx(0.0, abs=1e-6)


def test_details_count_only_where_the_shop_knows_them():
    orders = made(
        ROWS,
        units=np.array([1, 2, 3, 4, 1]),
        discount=np.array([0.0, 10.0, 0.0, 15.0, 5.0]),
        category=np.array([0, 1, 1, -1, 0]),
        n_categories=2,
    )
    first = by_name(measure_features(orders=orders, as_of=140 * DAY), 0)
    assert first["order_units"] == pytest.approx(10 / 3)
    assert first["discount_share"] == pytest.approx(25 / 125)
    assert first["categories"] == 2
    assert first["favorite_share"] == pytest.approx(2 / 3)
    assert "discount_share" not in measure_features(orders=made(ROWS), as_of=140 * DAY).names
    only = made(ROWS, discount=np.array([0.0, 10.0, 0.0, 15.0, 5.0]))
    assert by_name(measure_features(orders=only, as_of=140 * DAY), 0)["discount_share"] == pytest.approx(0.2)


def test_visits_count_events_and_sessions_in_windows():
    visits = collect_visit_events(
        n_customers=2,
        customer=np.zeros(5, int),
        at=(np.array([139.5, 60, 139, 120, 139.8]) * DAY).astype(np.int64),
        kind=np.array([0, 0, 1, 1, 0]),
        kinds=("viewed", "carted"),
        session=np.array([3, 1, 3, 2, 4]),
    )
    found = measure_features(orders=made(ROWS), as_of=140 * DAY, visits=visits)
    first = by_name(found, 0)
    assert [first[f"events_{days}"] for days in (7, 30, 90)] == [3, 4, 5]
    assert [first[f"sessions_{days}"] for days in (7, 30, 90)] == [2, 3, 4]
    assert first["days_since_event"] == pytest.approx(0.2, rel=1e-4)
    assert (first["events_30_viewed"], first["events_30_carted"]) == (2, 2)
    assert by_name(found, 1)["days_since_event"] == 365


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
def test_facts_at_or_after_the_moment_change_nothing(seed):
    facts = make_shop(seed)
    as_of = 200 * DAY
    facts["at"][:3] = as_of
    visits = collect_visit_events(
        n_customers=30, customer=facts["customer"], at=facts["at"], kind=facts["category"] % 2, kinds=("a", "b"),
        session=facts["units"],
    )  # fmt: skip
    before = facts["at"] < as_of
    earlier = {name: column[before] for name, column in facts.items()}
    seen = collect_visit_events(
        n_customers=30, customer=earlier["customer"], at=earlier["at"], kind=earlier["category"] % 2, kinds=("a", "b"),
        session=earlier["units"],
    )  # fmt: skip
    of_all = measure_features(
        orders=collect_order_lines(n_customers=30, n_categories=5, **facts), as_of=as_of, visits=visits
    )
    of_earlier = measure_features(
        orders=collect_order_lines(n_customers=30, n_categories=5, **earlier), as_of=as_of, visits=seen
    )
    assert np.array_equal(of_all.matrix, of_earlier.matrix)
    assert np.isfinite(of_all.matrix).all()
    shuffled = np.random.default_rng(seed).permutation(len(facts["at"]))
    mixed = {name: column[shuffled] for name, column in facts.items()}
    again = measure_features(orders=collect_order_lines(n_customers=30, n_categories=5, **mixed), as_of=as_of)
    assert np.allclose(again.matrix, of_all.matrix[:, : again.matrix.shape[1]], rtol=1e-5)


def test_some_rows_are_those_of_all():
    orders = collect_order_lines(n_customers=30, n_categories=5, **make_shop(1))
    rows = np.array([7, 3, 29])
    extra = {"p_alive": np.linspace(0, 1, 30)}
    found = measure_features(orders=orders, as_of=300 * DAY, rows=rows, columns=extra)
    assert np.array_equal(found.matrix, measure_features(orders=orders, as_of=300 * DAY, columns=extra).matrix[rows])
    assert found.names[-1] == "p_alive"


def test_empty_shops_single_days_and_unpaid_orders_give_finite_numbers():
    none = measure_features(orders=made([(0, 1.0, 0.0, False)], n_customers=1), as_of=0)
    assert not none.matrix.any()
    day = measure_features(orders=made([(0, 1.0, 0.0, False), (1, 1.0, 5.0, True)]), as_of=2 * DAY)
    assert np.isfinite(day.matrix).all()
    assert day.has_ordered.tolist() == [True, False]


def test_every_column_has_a_family():
    orders = collect_order_lines(n_customers=30, n_categories=5, **make_shop(1))
    names = measure_features(orders=orders, as_of=DAY).names
    assert {name for members in FAMILIES.values() for name in members} == set(names)
    families, place = group_by_family((*names, "events_7", "buying_probability"))
    assert families[place[-2]] == "visits"
    assert families[place[-1]] == "purchase_model"
    assert families[place[names.index("spend_30")]] == "spend"


def test_wrong_facts_are_refused_by_name():
    with pytest.raises(ValueError, match="value"):
        made([(0, 1.0, np.nan, False)])
    with pytest.raises(ValueError, match="customer"):
        made([(2, 1.0, 1.0, False)])
    with pytest.raises(ValueError, match="units"):
        made(ROWS, units=np.ones(2))
    with pytest.raises(ValueError, match="'orders'"):
        measure_features(orders=made(ROWS), as_of=DAY, columns={"orders": np.zeros(2)})
    with pytest.raises(ValueError, match="finite"):
        measure_features(orders=made(ROWS), as_of=DAY, columns={"p": np.array([0.0, np.inf])})
    with pytest.raises(ValueError, match="shape"):
        measure_features(orders=made(ROWS), as_of=DAY, columns={"p": np.zeros(3)})
