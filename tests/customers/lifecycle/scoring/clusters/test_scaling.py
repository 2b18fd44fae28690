"""Features of any distribution on one scale."""

import numpy as np
import pytest
from scipy.stats import skew, yeojohnson

from customers.lifecycle.scoring.clusters.scaling import (
    MAX_DEVIATIONS,
    FeatureScaling,
    fit_scaling,
    invert_yeo_johnson,
    scale_features,
    unscale_points,
    yeo_johnson,
)


def fit(features: np.ndarray, names: tuple[str, ...]) -> FeatureScaling:
    return fit_scaling(features=features, names=names, rows=np.arange(len(features)))


def draws(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("power", [-2.0, 0.0, 0.5, 1.0, 2.0, 2.7])
def test_yeo_johnson_matches_scipy_and_can_be_inverted(power: float) -> None:
    value = np.array([-7.0, -0.5, 0.0, 0.5, 3.0, 40.0])
    transformed = yeo_johnson(value, power)
    assert transformed == pytest.approx(yeojohnson(value, power))
    assert invert_yeo_johnson(transformed, power) == pytest.approx(value)


def test_unreachable_values_are_inverted_to_the_farthest_reachable_one() -> None:
    assert np.isfinite(invert_yeo_johnson(np.array([5.0, -5.0]), np.array([-1.0, 3.0]))).all()


def test_a_log_normal_feature_becomes_normal_with_mean_0_and_deviation_1() -> None:
    money = draws().lognormal(3.0, 1.5, 5_000)[:, None]
    scaling = fit(money, ("monetary",))
    z = scale_features(features=money, names=("monetary",), scaling=scaling)[:, 0].astype(np.float64)
    assert abs(skew(money[:, 0])) > 5
    assert abs(skew(z)) < 0.3
    assert z.mean() == pytest.approx(0.0, abs=0.02)
    assert z.std() == pytest.approx(1.0, abs=0.03)
    assert np.abs(z).max() <= MAX_DEVIATIONS


def test_cents_and_whole_units_give_the_same_scale() -> None:
    money = draws().lognormal(3.0, 1.0, 2_000)[:, None]
    z, z_cents = (
        scale_features(features=m, names=("monetary",), scaling=fit(m, ("monetary",))) for m in (money, money * 100)
    )
    assert z_cents == pytest.approx(z, abs=1e-5)


def test_scaled_values_can_be_converted_back_to_their_units() -> None:
    features = np.stack([draws().lognormal(3.0, 0.5, 500), draws(4).normal(0.0, 2.0, 500)], axis=1)
    scaling = fit(features, ("monetary", "margin"))
    z = scale_features(features=features, names=("monetary", "margin"), scaling=scaling)
    within = (np.abs(z) < MAX_DEVIATIONS).all(axis=1)
    assert unscale_points(points=z, scaling=scaling)[within] == pytest.approx(features[within], rel=1e-3, abs=1e-3)


def test_missing_values_become_0_and_do_not_change_the_scale() -> None:
    known = draws().lognormal(0.0, 1.0, 400)
    with_missing = np.concatenate([known, np.full(100, np.nan)])[:, None]
    scaling = fit(with_missing, ("gap",))
    assert scaling.power == pytest.approx(fit(known[:, None], ("gap",)).power)
    assert (scale_features(features=with_missing, names=("gap",), scaling=scaling)[400:] == 0).all()


def test_uninformative_features_are_dropped_with_a_reason() -> None:
    orders = draws().poisson(4.0, 300).astype(np.float64)
    features = np.stack([orders, orders * 3 + 1, np.full(300, 7.0), np.full(300, np.nan), np.zeros(300)], axis=1)
    scaling = fit(features, ("orders", "units", "shop", "age", "returns"))
    assert scaling.features == ("orders",)
    assert [(d.feature, d.reason, d.of) for d in scaling.dropped] == [
        ("units", "collinear", "orders"),
        ("shop", "constant", ""),
        ("age", "all_missing", ""),
        ("returns", "constant", ""),
    ]


def test_columns_are_found_by_name_in_any_order() -> None:
    features = draws().normal(size=(50, 2))
    scaling = fit(features, ("a", "b"))
    in_order = scale_features(features=features, names=("a", "b"), scaling=scaling)
    reordered = scale_features(
        features=np.column_stack([np.ones(50), features[:, ::-1]]), names=("c", "b", "a"), scaling=scaling
    )
    assert (in_order == reordered).all()


def test_invalid_arguments_are_rejected_by_name() -> None:
    features = draws().normal(size=(50, 2))
    scaling = fit(features, ("a", "b"))
    with pytest.raises(ValueError, match="features has no column 'b'"):
        scale_features(features=features[:, :1], names=("a",), scaling=scaling)
    with pytest.raises(ValueError, match="one column for each"):
        fit(features, ("a",))
    with pytest.raises(ValueError, match="names must be unique"):
        fit(features, ("a", "a"))
    features[7, 1] = np.inf
    with pytest.raises(ValueError, match=r"features\[7\] has an infinite 'b'"):
        fit(features, ("a", "b"))
