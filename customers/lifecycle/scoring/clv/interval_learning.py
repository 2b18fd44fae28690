"""Learns the correction of prediction intervals from earlier predictions whose outcome is known.

At cuts before `as_of` the purchase model is fitted again, and its predictive distributions are compared with what customers then
bought. This selects how fast purchase rates drift, that is, how quickly past purchases are forgotten, and the nominal levels that
contained 80 % of the actual values (split conformal prediction on the probability integral transform).
Source: Chernozhukov, Wüthrich & Zhu, "Distributional conformal prediction", PNAS 2021.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.scoring.clv.fitting import PurchaseModel, fit_purchase_model
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma, fit_gamma_gamma
from customers.lifecycle.scoring.clv.prediction.interval_calibration import (
    LEVEL,
    QUANTITIES,
    UNCORRECTED,
    IntervalCalibration,
    LevelTable,
    Quantity,
    classify_rates,
    measure_yearly_rate,
)
from customers.lifecycle.scoring.clv.prediction.intervals import (
    ProbabilityTransform,
    transform_purchases,
    transform_spend,
)
from customers.lifecycle.scoring.clv.purchase_histories import (
    HistoryGroups,
    PurchaseHistories,
    group_histories,
    summarize_purchases,
)

HORIZONS_DAYS = (28, 56, 112, 182, 364)
CUTS_PER_HORIZON = 3  # one after another, so that a single unusual season weighs less
DRIFT_STEP = 2**0.5
DRIFTS_DAYS = tuple(1456.0 / DRIFT_STEP**step for step in range(12))  # 4 years … 32 days
MIN_GAIN_ERRORS = 2.0  # standard errors by which forgetting must gain to be used
RATE_STARTS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # purchases per year
PRIOR_CUTS_WIDER, PRIOR_CUTS_NARROWER = 1.0, 3.0  # chosen on earlier ends of Online Retail, CDNOW and Complete Journey
MIN_CUSTOMERS = 200  # per frequency class and cut; 80 % of 200 has a standard error of 2.8 points
MAX_CUSTOMERS = 5_000  # sampled; 80 % of 5,000 has a standard error of 0.6 points
MIN_PROBABILITY = 1e-6  # of a count in the log-likelihood; counts beyond the distribution's bound have none
MIN_LEVEL, MAX_LEVEL = 0.3, 0.998
BISECTIONS = 20


@dataclass(frozen=True)
class HeldCoverage:
    """The coverage of stated 80 % intervals at the latest cut of a horizon, corrected by earlier cuts only.

    share, uncorrected: shares of customers within the intervals, by `ProbabilityTransform.compute_coverage`.
    """

    quantity: Quantity
    horizon_days: int
    cutoff: int
    customers: int
    share: float
    uncorrected: float


@dataclass(frozen=True, eq=False)
class LearnedIntervals:
    """The correction learned from all cuts, and its held-out coverage by quantity and horizon."""

    calibration: IntervalCalibration
    held: tuple[HeldCoverage, ...]


class PastPrediction:
    """The predictions at one cut and the actual values after it, of n customers.

    until: the moment at which the outcome was known.
    customer: rows of the sample, shape (n,). rate: yearly purchase rates, shape (n,). Transforms are computed once per drift.
    """

    def __init__(
        self,
        *,
        cutoff: int,
        until: int,
        horizon_days: int,
        model: PurchaseModel,
        spend: GammaGamma | None,
        histories: PurchaseHistories,
        groups: HistoryGroups,
        purchases: Ints,
        spent: Floats,
        has_spend: Flags,
    ) -> None:
        self.cutoff, self.until, self.horizon_days = cutoff, until, horizon_days
        self.customer = histories.customer
        self.rate = measure_yearly_rate(r=model.r, alpha=model.alpha, groups=groups)[groups.row]
        self._model, self._spend, self._groups = model, spend, groups
        self._mean_value, self._purchases, self._spent, self._has_spend = (
            histories.mean_value,
            purchases,
            spent,
            has_spend,
        )
        self._transforms: dict[tuple[Quantity, float], ProbabilityTransform | None] = {}

    def transform(self, quantity: Quantity, drift_days: float) -> ProbabilityTransform | None:
        """Return the transform of the actual values; None for spend without a spend model."""
        key = (quantity, drift_days)
        if key not in self._transforms:
            self._transforms[key] = self._transform(quantity, drift_days)
        return self._transforms[key]

    def select_rates(self, quantity: Quantity) -> Floats:
        """Return the rates of the customers whose values are transformed."""
        return self.rate if quantity == "purchases" else self.rate[self._has_spend]

    def score(self, drift_days: float) -> Floats:
        """Return ln P(actual purchases) of each customer, shape (n,)."""
        transform = self.transform("purchases", drift_days)
        if transform is None:
            return np.zeros(len(self.rate))
        return np.log(np.maximum(transform.upper - transform.lower, MIN_PROBABILITY))

    def _transform(self, quantity: Quantity, drift_days: float) -> ProbabilityTransform | None:
        """Compute the transform."""
        horizon = self.horizon_days / self._groups.unit_days
        if quantity == "purchases":
            return transform_purchases(
                model=self._model,
                groups=self._groups,
                horizon=horizon,
                actual=self._purchases,
                drift=drift_days / self._groups.unit_days,
            )
        if self._spend is None:
            return None
        transform = transform_spend(
            model=self._model,
            spend=self._spend,
            groups=self._groups,
            horizon=horizon,
            mean_value=self._mean_value,
            actual=self._spent,
            drift=drift_days / self._groups.unit_days,
        )
        return ProbabilityTransform(transform.lower[self._has_spend], transform.upper[self._has_spend])


def learn_intervals(
    *,
    customer: Ints,
    at: Ints,
    value: Floats | Ints,
    as_of: int,
    clock: LocalClock,
    name: str | None,
    no_spend: Ints | None = None,
    unit_days: float = 1.0,
) -> LearnedIntervals:
    """Learn the correction for the model `name` from the orders before `as_of`, and its coverage.

    customer, at, value, clock: as for `summarize_purchases`. no_spend: IDs of customers whose amounts cannot be compared. With more than
    5,000 customers, a sample of them is used, so the time needed does not grow with the shop.
    """
    if name is None:
        return LearnedIntervals(UNCORRECTED, ())
    known = at < as_of
    customer, at, value = sample_customers(customer[known], at[known], value[known].astype(np.float64))
    if not len(at):
        return LearnedIntervals(UNCORRECTED, ())
    excluded = np.empty(0, np.int64) if no_spend is None else no_spend

    def predict(moment: int) -> list[PastPrediction]:
        """Return the predictions at all cuts whose outcome was known at a moment."""
        cuts = list_cuts(first=int(at.min()), as_of=moment, clock=clock)
        predictions = (
            _predict_past(customer, at, value, cutoff, days, clock, name, excluded, unit_days) for cutoff, days in cuts
        )
        return [prediction for prediction in predictions if prediction is not None]

    predictions = predict(as_of)
    return LearnedIntervals(learn_calibration(predictions), tuple(measure_held_coverage(predictions, predict)))


def sample_customers(customer: Ints, at: Ints, value: Floats) -> tuple[Ints, Ints, Floats]:
    """Return the orders of up to 5,000 customers, evenly spread over their IDs."""
    ids = np.unique(customer)
    if len(ids) <= MAX_CUSTOMERS:
        return customer, at, value
    sampled = ids[np.linspace(0, len(ids) - 1, MAX_CUSTOMERS).astype(np.int64)]
    rows = np.isin(customer, sampled)
    return customer[rows], at[rows], value[rows]


def list_cuts(*, first: int, as_of: int, clock: LocalClock) -> list[tuple[int, int]]:
    """Return the cuts as pairs of moment and horizon in days, at midnight on the clock.

    The horizons of one length follow one another and end before as_of. Before each cut there are at least half as many days of orders
    as after it.
    """
    end, start = clock.get_day(as_of - 1) + 1, clock.get_day(first)
    return [
        (clock.get_day_start(end - (cut + 1) * days), days)
        for days in HORIZONS_DAYS
        for cut in range(CUTS_PER_HORIZON)
        if end - (cut + 1) * days - start >= days / 2
    ]


def learn_calibration(predictions: Sequence[PastPrediction]) -> IntervalCalibration:
    """Select the drift, then the level of each frequency class and horizon."""
    if not predictions or min(len(prediction.rate) for prediction in predictions) < MIN_CUSTOMERS:
        return UNCORRECTED
    drift_days = select_drift(predictions)
    tables = {quantity: learn_levels(predictions, quantity, drift_days) for quantity in QUANTITIES}
    return IntervalCalibration(drift_days, {quantity: table for quantity, table in tables.items() if table is not None})


def select_drift(predictions: Sequence[PastPrediction]) -> float:
    """Return the drift with the largest held-out log-likelihood of purchases, infinite unless another gains significantly.

    Only horizons of more than half the longest count: the shorter the horizon, the more the drift is hidden by gaps that are more regular
    than in the model. Horizons have equal weights, divided among their cuts. The standard error is that of the sum of each customer's gains,
    since one customer's outcomes at several cuts are not independent. The search ends where the likelihood falls.
    """
    longest = max(prediction.horizon_days for prediction in predictions)
    predictions = [prediction for prediction in predictions if 2 * prediction.horizon_days > longest]
    horizons = [prediction.horizon_days for prediction in predictions]
    weights = [1.0 / (horizons.count(days) * len(p.rate)) for p, days in zip(predictions, horizons, strict=True)]
    ids, row = np.unique(np.concatenate([prediction.customer for prediction in predictions]), return_inverse=True)

    def score(drift_days: float) -> Floats:
        scores = [weight * past.score(drift_days) for weight, past in zip(weights, predictions, strict=True)]
        return np.bincount(row, np.concatenate(scores), minlength=len(ids))

    without_drift = score(np.inf)
    best, largest, last = np.inf, 0.0, -np.inf
    for drift_days in DRIFTS_DAYS:
        gains = score(drift_days) - without_drift
        gain = float(gains.sum())
        if gain < last:
            break
        if gain > largest and gain > MIN_GAIN_ERRORS * float(np.std(gains)) * np.sqrt(len(ids)):
            best, largest = drift_days, gain
        last = gain
    between = [best * DRIFT_STEP**power for power in (-0.5, 0.5)] if best < np.inf else []
    return max([best, *between], key=lambda drift_days: float(score(drift_days).sum()))


def learn_levels(predictions: Sequence[PastPrediction], quantity: Quantity, drift_days: float) -> LevelTable | None:
    """Learn the level of each horizon and frequency class; None without predictions of the quantity."""
    used = [(prediction, prediction.transform(quantity, drift_days)) for prediction in predictions]
    known = [(prediction, transform) for prediction, transform in used if transform is not None]
    horizons = sorted({prediction.horizon_days for prediction, _transform in known})
    rates = {
        days: [prediction.select_rates(quantity) for prediction, _ in known if prediction.horizon_days == days]
        for days in horizons
    }
    if not horizons or min(sum(map(len, cuts)) / len(cuts) for cuts in rates.values()) < MIN_CUSTOMERS:
        return None
    starts = merge_small_classes(list(rates.values()))
    levels = np.empty((len(horizons), len(starts)))
    for i, days in enumerate(horizons):
        transforms = [transform for prediction, transform in known if prediction.horizon_days == days]
        lower, upper = (np.concatenate([getattr(one, end) for one in transforms]) for end in ("lower", "upper"))
        class_of = classify_rates(np.concatenate(rates[days]), starts)
        for j in range(len(starts)):
            rows = class_of == j
            levels[i, j] = find_nominal_level(ProbabilityTransform(lower[rows], upper[rows]))
        # The next period differs from past ones as much as these differ from each other, so the uncorrected level counts like further
        # cuts: one, or three where the correction narrows the intervals, since too narrow an interval is the costlier error.
        priors = np.where(levels[i] < LEVEL, PRIOR_CUTS_NARROWER, PRIOR_CUTS_WIDER)
        levels[i] += (LEVEL - levels[i]) * priors / (len(transforms) + priors)
    levels = np.column_stack([make_monotone(column) for column in levels.T])
    return LevelTable(np.array(horizons, np.float64), starts, levels)


def merge_small_classes(rates: Sequence[Sequence[Floats]]) -> Floats:
    """Return the starts of frequency classes with at least 200 customers per cut at every horizon.

    rates: for each horizon, those of its cuts.
    """
    starts = np.array(RATE_STARTS)
    sizes = np.min(
        [
            np.bincount(classify_rates(np.concatenate(cuts), starts), minlength=len(starts)) / len(cuts)
            for cuts in rates
        ],
        axis=0,
    )
    merged, size = [0.0], 0.0
    for start, customers in zip(starts, sizes, strict=True):
        if size >= MIN_CUSTOMERS:
            merged.append(float(start))
            size = 0.0
        size += customers
    if size < MIN_CUSTOMERS and len(merged) > 1:
        merged.pop()
    return np.array(merged)


def find_nominal_level(transform: ProbabilityTransform) -> float:
    """Return the level whose central part of the distribution contained 80 % of actual values.

    With n customers, 80 % is (1 + 1/n) · 80 %, as in conformal prediction; values on a border count by their share.
    """
    n = len(transform.lower)
    target = min(LEVEL * (1.0 + 1.0 / n), 1.0)
    low, high = MIN_LEVEL, MAX_LEVEL
    for _step in range(BISECTIONS):
        middle = (low + high) / 2.0
        if transform.compute_coverage(level=middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def make_monotone(values: Floats) -> Floats:
    """Return the closest values that never fall, by least squares (pool adjacent violators)."""
    means, sizes = [], []
    for value in values.tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size, mean = sizes.pop(), means.pop()
            means[-1] = (means[-1] * sizes[-1] + mean * size) / (sizes[-1] + size)
            sizes[-1] += size
    return np.repeat(means, sizes)


def measure_held_coverage(
    predictions: Sequence[PastPrediction], predict: Callable[[int], list[PastPrediction]]
) -> list[HeldCoverage]:
    """Measure the coverage at the latest cut of each horizon, corrected by what was known by then.

    predict: returns the predictions whose outcome was known at a moment. It is called for the longest horizon; for others, the cuts
    already computed suffice. Horizons without earlier cuts are left out.
    """
    if not predictions:
        return []
    longest = max(predictions, key=lambda prediction: (prediction.horizon_days, prediction.cutoff))
    known = [*predictions, *predict(longest.cutoff)]
    held = []
    for days in sorted({prediction.horizon_days for prediction in predictions}):
        latest = max((p for p in predictions if p.horizon_days == days), key=lambda prediction: prediction.cutoff)
        earlier = [prediction for prediction in known if prediction.until <= latest.cutoff]
        if earlier:
            calibration = learn_calibration(earlier)
            held += [
                coverage
                for quantity in QUANTITIES
                if (coverage := _measure_coverage(latest, quantity, calibration)) is not None
            ]
    return held


def _measure_coverage(
    prediction: PastPrediction, quantity: Quantity, calibration: IntervalCalibration
) -> HeldCoverage | None:
    """Return the coverage of a quantity at a cut; None without a prediction of it."""
    corrected = prediction.transform(quantity, calibration.drift_days)
    uncorrected = prediction.transform(quantity, np.inf)
    if corrected is None or uncorrected is None or not len(corrected.lower):
        return None
    levels = calibration.find_levels(
        quantity=quantity, rate=prediction.select_rates(quantity), horizon_days=prediction.horizon_days
    )
    return HeldCoverage(
        quantity,
        prediction.horizon_days,
        prediction.cutoff,
        len(corrected.lower),
        corrected.compute_coverage(level=levels),
        uncorrected.compute_coverage(),
    )


def _predict_past(
    customer: Ints,
    at: Ints,
    value: Floats,
    cutoff: int,
    days: int,
    clock: LocalClock,
    name: str,
    no_spend: Ints,
    unit_days: float,
) -> PastPrediction | None:
    """Fit the models before a cut, and collect what happened in the days after it; None without a model."""
    histories = summarize_purchases(customer=customer, at=at, value=value, as_of=cutoff, clock=clock)
    groups = group_histories(histories=histories, unit_days=unit_days)
    model = fit_purchase_model(name=name, groups=groups).model
    if model is None:
        return None
    end = clock.get_day_start(clock.get_day(cutoff) + days)
    later = summarize_purchases(customer=customer, at=at, value=value, as_of=end, clock=clock)
    is_known = np.isin(later.customer, histories.customer, assume_unique=True)
    after = (at >= cutoff) & (at < end) & np.isin(customer, histories.customer)
    has_spend = ~np.isin(histories.customer, no_spend)
    spent = np.bincount(np.searchsorted(histories.customer, customer[after]), value[after], minlength=len(histories))
    return PastPrediction(
        cutoff=cutoff,
        until=end,
        horizon_days=days,
        model=model,
        spend=fit_gamma_gamma(x=histories.x[has_spend], mean_value=histories.mean_value[has_spend]).model,
        histories=histories,
        groups=groups,
        purchases=later.x[is_known] - histories.x,
        spent=spent,
        has_spend=has_spend,
    )
