"""Forecasts of demand on a file of sales, by rolling origin, against seasonal naive and statsforecast's AutoETS.

    python -m benchmarks.demand FILE [--top N] [--horizon H] [--origins K] [--until DATE] [--country CC] [--chronos FOLDER]
                                     [--date NAME --item NAME --quantity NAME]

FILE: CSV or Parquet with a row per item and day (or per order line; rows are added up), with the columns date, item, quantity and optionally
price, promotion and category. Known column names of other shops are recognized. Dates that are all on one weekday are weekly data. Rows with a
quantity of 0 or less (returns) are ignored.

The last origins are the test, one horizon apart, and are used once. Before them, validation origins choose a model for each class of demand
and calibrate the intervals. The items are those with the largest quantity before the first test origin. A promotion counts as planned, and so
as known in advance, if the file has a row for (nearly) every item and period; a price never does.

mase: mean absolute scaled error of the chosen models, the mean over items and test origins (Hyndman & Koehler 2006; the scale is the in-sample
error of the seasonal naive forecast with season 7 for days and 1 for weeks). naive_mase, autoets_mase: of the seasonal naive and AutoETS
forecasts with the same season. ratio: mase ÷ the smaller of both. wql: weighted quantile loss at .1 … .9; naive_wql: of the seasonal naive
forecast with the same conformal intervals. coverage80: share of the values between the quantiles .1 and .9. chosen: share of the items per
model. bias: sum of the mean forecasts ÷ sum of the demand. validation_mase: of each model on the validation origins.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.neighbours import get_peak_mb, log
from customers.demand.forecasting.accuracy import LEVELS, compute_mean, compute_quantile_loss
from customers.demand.forecasting.backtest import OriginResult, list_origins, pick_forecasts, run_backtest
from customers.demand.forecasting.conformal import compute_spread
from customers.demand.forecasting.demand_classes import CLASSES
from customers.demand.forecasting.models.registry import BASELINE, MODELS, add_chronos
from customers.demand.forecasting.pipeline import Choice, calibrate, choose_on_validation
from customers.demand.forecasting.series import DAY, RHYTHMS, WEEK, SeriesPanel

NAMES: dict[str, tuple[str, ...]] = {
    "date": ("date", "day", "week", "ds", "invoicedate", "timestamp", "transaction_timestamp", "placed_at"),
    "item": ("item", "item_id", "unique_id", "product", "product_id", "sku", "stockcode", "store", "series"),
    "quantity": ("quantity", "units", "sales", "y", "qty", "demand", "weekly_sales", "value"),
    "price": ("price", "unit_price", "sell_price"),
    "promotion": ("promotion", "promo", "on_promotion", "onpromotion", "holiday_flag", "discount"),
    "category": ("category", "group", "department"),
}
PLANNED_SHARE = 0.95
HORIZONS = {DAY: 28, WEEK: 8}
ETS = "auto_ets"


def main() -> None:
    arguments = parse_arguments()
    add_chronos(arguments.chronos)
    panel, items = read_panel(arguments)
    horizon = arguments.horizon or HORIZONS[panel.step]
    first_test = panel.n_periods - arguments.origins * horizon
    needed = RHYTHMS[panel.step].min_history + (arguments.origins + 2) * horizon
    if panel.n_periods < needed:
        sys.exit(f"{arguments.file} has {panel.n_periods} periods ({panel.step}s); at least {needed} are needed")
    panel = select_top(panel, arguments.top, first_test)
    log(f"{panel.n_series} of {items} items, {panel.n_periods} {panel.step}s, horizon {horizon}")
    started = time.perf_counter()
    choice = choose_on_validation(
        panel, horizon, end=first_test, models=tuple(MODELS), report=lambda done: log(f"origin {done}")
    )
    validation = measure_validation(choice)
    log(f"chosen {dict(zip(CLASSES, choice.models, strict=True))}; validation {validation}")
    used = list(dict.fromkeys([BASELINE, *choice.list_used()]))
    origins = list_origins(panel.n_periods, horizon, arguments.origins)
    results = run_backtest(panel, origins, horizon, used, max_slow=None)
    fit_s = time.perf_counter() - started
    started = time.perf_counter()
    if ETS not in used:
        baseline = run_backtest(panel, origins, horizon, [ETS], max_slow=None)
        results = [
            replace(result, forecasts=result.forecasts | other.forecasts)
            for result, other in zip(results, baseline, strict=True)
        ]
    autoets_s = time.perf_counter() - started
    line = measure_test(choice, results) | {
        "validation_mase": validation,
        "models": dict(zip(CLASSES, choice.models, strict=True)),
        "items": panel.n_series,
        "step": panel.step,
        "periods": panel.n_periods,
        "horizon": horizon,
        "test_origins": [str(panel.list_days(origin, origin + 1)[0]) for origin in origins],
        "fit_s": round(fit_s, 1),
        "autoets_s": round(autoets_s, 1),
        "peak_mb": get_peak_mb(),
    }
    print(json.dumps(line))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--top", type=int, default=500, help="items with the largest quantity")
    parser.add_argument("--horizon", type=int, help="periods; by default 28 days or 8 weeks")
    parser.add_argument("--origins", type=int, default=2, help="test origins")
    parser.add_argument("--until", help="ignore what is after this date (YYYY-MM-DD)")
    parser.add_argument("--chronos", type=Path, help="folder of a Chronos-2 model, which then competes")
    parser.add_argument("--country", default="", help="ISO code of the country whose public holidays count")
    for name in NAMES:
        parser.add_argument(f"--{name}", help="name of the column")
    arguments = parser.parse_args()
    for name in ("top", "horizon", "origins"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    if arguments.until:
        try:
            np.datetime64(arguments.until, "D")
        except ValueError:
            parser.error(f"--until {arguments.until!r} is not a valid date (YYYY-MM-DD)")
    return arguments


def read_panel(arguments: argparse.Namespace) -> tuple[SeriesPanel, int]:
    """Return the sales of the file and its number of items. Errors: SystemExit for an unusable file."""
    table, columns = read_columns(arguments)
    quantity = table[columns["quantity"]].cast(pa.float64())
    day = parse_days(table[columns["date"]], arguments.file)
    keep = pc.fill_null(pc.greater_equal(quantity, 0), False).to_numpy() & ~np.isnat(day)
    if arguments.until:
        keep &= day <= np.datetime64(arguments.until, "D")
    if not keep.any():
        sys.exit(f"{arguments.file} has no row with a date and a quantity of at least 0")
    item_codes = table[columns["item"]].cast(pa.string()).combine_chunks().dictionary_encode()
    _items, item = np.unique(item_codes.indices.to_numpy(zero_copy_only=False)[keep], return_inverse=True)
    day, amount = day[keep], quantity.to_numpy()[keep]
    step = WEEK if len(np.unique(day.astype(np.int64) % 7)) == 1 else DAY
    period = (day - day.min()).astype(np.int64) // RHYTHMS[step].days
    shape = (int(item.max()) + 1, int(period.max()) + 1)
    total = np.zeros(shape)
    np.add.at(total, (item, period), amount)
    rows = np.zeros(shape)
    np.add.at(rows, (item, period), 1)
    price = average_column(table, columns, "price", keep, item, period, shape)
    promotion = average_column(table, columns, "promotion", keep, item, period, shape)
    first = np.where(total.any(axis=1), (total > 0).argmax(axis=1), shape[1] - 1)
    known = np.arange(shape[1])[None, :] >= first[:, None]
    group = np.full(shape[0], -1)
    if "category" in columns:
        texts = np.array(pc.fill_null(table[columns["category"]].cast(pa.string()), "").to_pylist())
        group[item] = np.unique(texts, return_inverse=True)[1][keep]
    panel = SeriesPanel(
        total,
        day.min(),
        step,
        first,
        group,
        price,
        None if promotion is None else np.nan_to_num(promotion),
        is_planned=bool((rows > 0)[known].mean() >= PLANNED_SHARE),
        country=arguments.country,
    )
    return panel, shape[0]


def read_columns(arguments: argparse.Namespace) -> tuple[pa.Table, dict[str, str]]:
    """Return the table and its column names by meaning. Errors: SystemExit naming what is missing."""
    path: Path = arguments.file
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as problem:
        sys.exit(f"{path} cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {problem}")
    lower = {name.strip().lower().replace(" ", "_"): name for name in reversed(table.column_names)}
    columns: dict[str, str] = {}
    for name, aliases in NAMES.items():
        wanted = getattr(arguments, name)
        if wanted and wanted not in table.column_names:
            sys.exit(f"{path} has no column {wanted!r}; it has {', '.join(table.column_names)}")
        usable = wanted or next((lower[alias] for alias in aliases if alias in lower), None)
        if usable:
            columns[name] = usable
    missing = [name for name in ("date", "item", "quantity") if name not in columns]
    if missing:
        options = ", ".join(f"--{name} NAME" for name in missing)
        sys.exit(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}; use {options}")
    for name in ("quantity", "price", "promotion"):
        if name in columns and not _is_number(table[columns[name]].type):
            sys.exit(f"Column {columns[name]!r} of {path} must contain numbers, not {table[columns[name]].type}")
    return table, columns


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def parse_days(column: pa.ChunkedArray, path: Path) -> Any:
    """Return the days of a column of dates, times or texts that start with YYYY-MM-DD. Errors: SystemExit."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[D]")
    texts = pc.utf8_slice_codeunits(column.cast(pa.string()), 0, 10)
    try:
        return pc.strptime(texts, format="%Y-%m-%d", unit="s").to_numpy().astype("datetime64[D]")
    except pa.ArrowInvalid as problem:
        sys.exit(f"{path} has a date that is not YYYY-MM-DD: {problem}")


def average_column(
    table: pa.Table, columns: dict[str, str], name: str, keep: Any, item: Any, period: Any, shape: tuple[int, int]
) -> Any:
    """Return the means of a column per item and period, NaN without a row; None without such a column."""
    if name not in columns:
        return None
    values = table[columns[name]].cast(pa.float64()).to_numpy()[keep]
    known = np.isfinite(values)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (item[known], period[known]), values[known])
    np.add.at(counts, (item[known], period[known]), 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def select_top(panel: SeriesPanel, top: int, periods: int) -> SeriesPanel:
    before = panel.quantity[:, :periods].sum(axis=1)
    rows = np.sort(np.argsort(-before, kind="stable")[:top])
    return panel.select(rows[before[rows] > 0])


def measure_validation(choice: Choice) -> dict[str, float]:
    """Return the MASE of each model on the series that all of them forecast."""
    results = [result for result in choice.results if MODELS.keys() <= result.forecasts.keys()]
    errors = {key: collect_errors(results, key) for key in MODELS}
    common = np.isfinite(np.stack(list(errors.values()))).all(axis=0)
    return {key: round(compute_mean(values[common]), 4) for key, values in errors.items()}


def measure_test(choice: Choice, results: Sequence[OriginResult]) -> dict[str, Any]:
    """Return the figures of the test origins. The intervals of an origin are calibrated with the errors of earlier origins."""
    own = [pick_forecasts(result.forecasts, choice.models, result.demand_class) for result in results]
    tested = [
        replace(result, forecasts={**result.forecasts, "own": mine}) for result, mine in zip(results, own, strict=True)
    ]
    errors = {key: collect_errors(tested, key) for key in ("own", BASELINE, ETS)}
    mase, naive, ets = (compute_mean(errors[key]) for key in ("own", BASELINE, ETS))
    actual = np.concatenate([result.actual[result.usable] for result in tested])
    quantiles = predict_quantiles(choice, tested)
    naive_quantiles = predict_quantiles(replace(choice, models=[BASELINE] * len(CLASSES)), tested)
    mean = np.concatenate([mine.mean[result.usable] for result, mine in zip(tested, own, strict=True)])
    classes = np.concatenate([result.demand_class[result.usable] for result in tested])
    models = np.array(choice.models)[classes]
    inside = (actual >= quantiles[..., 0]) & (actual <= quantiles[..., -1])
    return {
        "mase": round(mase, 4),
        "naive_mase": round(naive, 4),
        "autoets_mase": round(ets, 4),
        "ratio": round(mase / min(naive, ets), 4),
        "wql": round(compute_quantile_loss(actual, quantiles), 4),
        "naive_wql": round(compute_quantile_loss(actual, naive_quantiles), 4),
        "coverage80": round(float(inside.mean()), 4),
        "coverage80_by_class": {
            name: round(float(inside[classes == code].mean()), 3)
            for code, name in enumerate(CLASSES)
            if (classes == code).any()
        },
        "chosen": {key: round(float((models == key).mean()), 3) for key in MODELS if (models == key).any()},
        "bias": round(float(mean.sum() / actual.sum()), 4),
        "mase_by_origin": [round(compute_mean(result.measure_errors("own")), 4) for result in tested],
    }


def collect_errors(results: Sequence[OriginResult], key: str) -> Any:
    return np.concatenate([result.measure_errors(key) for result in results])


def predict_quantiles(choice: Choice, results: Sequence[OriginResult]) -> Any:
    parts = []
    for done, result in enumerate(results):
        table = calibrate(choice, [*choice.results, *results[:done]])
        forecast = pick_forecasts(result.forecasts, choice.models, result.demand_class)
        spread = compute_spread(forecast.mean, result.scale)
        parts.append(table.predict(forecast.median, spread, result.demand_class)[result.usable])
    assert all(part.shape[-1] == len(LEVELS) for part in parts)
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
