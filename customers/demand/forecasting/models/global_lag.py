"""The global lag model: gradient boosting over all series at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.processes.thread_limits import limit_numeric_threads
from customers.demand.forecasting.models.lag_features import FeatureBuilder
from customers.demand.forecasting.series import Forecast, SeriesPanel

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

LOSSES = ("absolute_error", "poisson")  # for the median and the mean
MAX_ROWS = 120_000
MAX_TRAINING_SERIES = 1_000
MAX_ORIGINS = 40
MAX_WEIGHT = 5.0
MAX_RATIO = 20.0  # of a demand to the level of its series, in training
SEED = 7


class GlobalLag:
    """One model of all series and horizons: y_{i,t+h} ÷ level_i from features known at t (Januschowski et al. 2020; M5 winners).

    Two are fitted: by absolute error for the median, by Poisson deviance for the mean. Rows count as in MASE, by level ÷ scale: they are
    drawn with that probability, because scikit-learn takes five times as long with weights; a small panel keeps all rows, with weights.
    """

    key = "global_lag"

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        builder = FeatureBuilder(panel, horizon)
        training = builder
        if panel.n_series > MAX_TRAINING_SERIES:
            training = builder.select(draw_training_series(panel))
        matrix, target, weight = collect_rows(training)
        now = builder.build(panel.n_periods)
        rows = now.matrix.reshape(-1, now.matrix.shape[2])
        shape = (panel.n_series, horizon)
        if len(target) < 200:
            flat = np.repeat(now.level[:, None], horizon, axis=1)
            return Forecast(flat, flat)
        known = np.isfinite(matrix).any(
            axis=0
        )  # scikit-learn cannot bin a column without values, such as missing prices
        matrix, rows = matrix[:, known], rows[:, known]

        def fit_and_predict(loss: str) -> Floats:
            with limit_numeric_threads():
                return fit_boosting(loss, matrix, target, weight).predict(rows)

        with limit_numeric_threads(), ThreadPoolExecutor(len(LOSSES)) as threads:
            fits = threads.map(fit_and_predict, LOSSES)
            median, mean = (fitted.reshape(shape) for fitted in fits)
        level = now.level[:, None]
        return Forecast(np.maximum(median, 0) * level, np.maximum(mean, 0) * level)


def draw_training_series(panel: SeriesPanel) -> Ints:
    """Return the training series, ascending: half chosen by sales, half at random, because few products make most of the sales."""
    half = MAX_TRAINING_SERIES // 2
    by_sales = np.argsort(-panel.quantity.sum(axis=1), kind="stable")
    others = np.random.default_rng(SEED).choice(by_sales[half:], MAX_TRAINING_SERIES - half, replace=False)
    return np.sort(np.concatenate([by_sales[:half], others]))


def collect_rows(builder: FeatureBuilder) -> tuple[Floats, Floats, Floats | None]:
    """Return features (r, f), demand ÷ level (r,) and weights (r,) of past origins, the latest first, at random horizons.

    Without weights, the rows were drawn in proportion to them.
    """
    panel, horizon, rhythm = builder.panel, builder.horizon, builder.rhythm
    draws = np.random.default_rng(SEED)
    first = max(rhythm.min_history, 2 * rhythm.season)
    step = max(1, 7 // rhythm.days)
    # an odd step, so that the origins fall on all weekdays
    origins = np.arange(panel.n_periods - 1, first - 1, -(step - 2 if step > 2 else step))[:MAX_ORIGINS]
    per_origin = max(MAX_ROWS // max(len(origins), 1), 1)
    parts = [
        part
        for origin in origins
        if (part := _collect_origin(builder, int(origin), per_origin, horizon, draws)) is not None
    ]
    if not parts:
        return np.zeros((0, 1)), np.zeros(0), None
    matrix, target, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return matrix, target, None if panel.n_series * horizon > per_origin else weight


def _collect_origin(
    builder: FeatureBuilder, origin: int, limit: int, horizon: int, draws: np.random.Generator
) -> tuple[Floats, Floats, Floats] | None:
    panel = builder.panel
    features = builder.build(origin)
    n_known = min(horizon, panel.n_periods - origin)
    usable = (panel.first <= origin - builder.rhythm.recent) & (features.scale > 0)
    series, steps = np.nonzero(np.repeat(usable[:, None], n_known, axis=1))
    if not len(series):
        return None
    weight = np.minimum(features.level[series] / features.scale[series], MAX_WEIGHT)
    if panel.n_series * horizon > limit:
        count = min(limit, len(series))
        drawn = draws.choice(len(series), count, p=weight / weight.sum())
        series, steps, weight = series[drawn], steps[drawn], weight[drawn]
    target = np.minimum(panel.quantity[series, origin + steps] / features.level[series], MAX_RATIO)
    return features.matrix[series, steps], target, weight


def fit_boosting(loss: str, matrix: Floats, target: Floats, weight: Floats | None) -> "HistGradientBoostingRegressor":
    # web processes never need it, and would start more slowly
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        loss=loss,
        max_iter=150,
        learning_rate=0.08,
        max_leaf_nodes=31,
        min_samples_leaf=60,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=SEED,
    )
    return model.fit(matrix, target, sample_weight=weight)
