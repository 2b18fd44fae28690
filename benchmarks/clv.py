"""Purchase models: each is fitted to a shop's orders until a cutoff and evaluated on the purchases after it.

    python -m benchmarks.clv FILE [--calibration-end DATE] [--customer … --date … --value …]

FILE is CSV or Parquet with one line per order or order line, or a folder of Parquet files; "cdnow" is the sample inside `lifetimes`,
"completejourney" the package of the demo, and Online Retail is recognized by its columns. --value may be a product of two columns,
"Quantity*Price". Lines without a customer or with a negative value are dropped. Two baselines (as many purchases as in the last
period of the same length; each customer's own mean rate) and `lifetimes` run on the same histories, the latter in its own process, with
--lifetimes-python if it is in another environment. Times are in units of --unit-days.

coverage80_28, _91, _182: share of customers within stated 80% intervals 28, 91 and 182 days after a cut that many days before the end;
the model, the drift of rates and the nominal levels are chosen from the orders before the cut. plain_…: the same model without drift and
levels. --only-intervals skips everything else.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.clv_intervals import evaluate_horizons
from benchmarks.neighbours import get_peak_mb, log
from benchmarks.order_files import COMPLETE_JOURNEY, ONLINE_RETAIL, parse_online_retail, read_complete_journey
from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.fitting import PURCHASE_MODELS, fit_purchase_model
from customers.lifecycle.scoring.clv.model_selection import (
    HeldOutResult,
    ModelSelection,
    compute_errors,
    find_default_cutoff,
    select_purchase_model,
)
from customers.lifecycle.scoring.clv.models.gamma_gamma import fit_gamma_gamma
from customers.lifecycle.scoring.clv.prediction.intervals import predict_intervals, transform_spend
from customers.lifecycle.scoring.clv.purchase_histories import (
    DAY,
    HistoryGroups,
    PurchaseHistories,
    group_histories,
    list_purchase_days,
)
from customers.lifecycle.scoring.propensity.features.event_facts import OrderLines

type Orders = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]

PEER = Path(__file__).with_name("clv_lifetimes.py")


def main() -> None:
    arguments = parse_arguments()
    customer, at, value = read_orders(arguments)
    if not len(at):
        sys.exit(f"{arguments.file} contains no order with a customer, a date and a value")
    log(f"{len(at):,} order lines of {len(np.unique(customer)):,} customers")
    as_of = (int(at.max()) // DAY + 1) * DAY
    cut = (
        parse_day_end(arguments.calibration_end)
        if arguments.calibration_end
        else find_default_cutoff(at=at, as_of=as_of)
    )
    if arguments.only_intervals:
        print(json.dumps(round_values(evaluate_horizons(customer, at, value, as_of))))
        return
    warm_up()
    choice = select_purchase_model(
        customer=customer, at=at, value=value, as_of=as_of, cutoff=cut, unit_days=arguments.unit_days, clock=UTC_CLOCK
    )
    groups = group_histories(histories=choice.calibration_histories, unit_days=arguments.unit_days)
    models = {name: describe_result(result, time_fit(name, groups)) for name, result in choice.results.items()}
    simple = {
        name: asdict(compute_errors(expected, choice.actual))
        for name, expected in predict_baselines(customer, at, choice).items()
    }
    peer, notes = run_lifetimes(choice, arguments) if len(choice.calibration_histories) else (None, "no history")
    line = {
        "best": choice.name,
        **(models[choice.name] if choice.name else {}),
        "models": models,
        "reasons": choice.reasons,
        "simple": simple,
        "lifetimes": peer,
        "spend": evaluate_spend_intervals(customer, at, value, choice, groups, as_of),
        **evaluate_horizons(customer, at, value, as_of),
        "customers": len(choice.calibration_histories),
        "different_histories": len(groups.x),
        "calibration_end": str(np.datetime64(choice.cutoff - 1, "us").astype("datetime64[D]")),
        "held_out_days": choice.held_out_days,
        "unit_days": arguments.unit_days,
        "peak_mb": get_peak_mb(),
        "notes": "log_likelihood is that of the calibration; held_out_log_likelihood decides which is best;"
        f" held80: share within the central 80% of the predictive distribution, ties by share; {notes}",
    }
    print(json.dumps(round_values(line)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--calibration-end", type=datetime.fromisoformat, help="the last day of calibration")
    parser.add_argument("--customer", default="customer_id")
    parser.add_argument("--date", default="date")
    parser.add_argument("--value", default="value", help='a column or "A*B"')
    parser.add_argument("--unit-days", type=float, default=7.0)
    parser.add_argument(
        "--only-intervals", action="store_true", help="evaluate only the intervals at 28, 91 and 182 days"
    )
    parser.add_argument("--lifetimes-python", default=sys.executable, help="an interpreter that has lifetimes")
    arguments = parser.parse_args()
    if not 0 < arguments.unit_days < np.inf:
        parser.error(f"--unit-days must be greater than 0, got {arguments.unit_days}")
    return arguments


def parse_day_end(day: datetime) -> int:
    """Return the midnight after a day, in microseconds."""
    return (
        int((day.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)) // DAY * DAY
        + DAY
    )


def read_orders(arguments: argparse.Namespace) -> Orders:
    """Return customer, moment and value of each order line that has all three."""
    if str(arguments.file) == "cdnow":
        return read_cdnow()
    if str(arguments.file) == COMPLETE_JOURNEY:
        return select_orders(read_complete_journey())
    table = (
        pyarrow.csv.read_csv(arguments.file)
        if arguments.file.suffix in {".csv", ".txt"}
        else pq.read_table(arguments.file)
    )
    if set(table.column_names) >= ONLINE_RETAIL and arguments.customer not in table.column_names:
        return select_orders(parse_online_retail(table))
    factors = [name.strip() for name in arguments.value.split("*")]
    columns = [arguments.customer, arguments.date, *factors]
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        sys.exit(f"{arguments.file} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}")
    table = table.select(columns).drop_null()
    customer = pc.dictionary_encode(table[arguments.customer]).combine_chunks()
    value = np.prod([table[name].to_numpy().astype(np.float64) for name in factors], axis=0)
    rows = np.asarray(customer.indices if isinstance(customer, pa.DictionaryArray) else customer.chunk(0).indices)
    return drop_negative_values(rows.astype(np.int64), to_microseconds(table[arguments.date]), value)


def select_orders(lines: OrderLines) -> Orders:
    """Return the lines that are not returns."""
    kept = ~lines.is_return
    return drop_negative_values(lines.get_line_customers()[kept], lines.at[kept], lines.value[kept])


def to_microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Convert dates, times, their ISO strings or numbers like 19970131 to microseconds."""
    if pa.types.is_integer(column.type):
        column = pc.strptime(pc.cast(column, pa.string()), format="%Y%m%d", unit="us")
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    return pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()).to_numpy()


def read_cdnow() -> Orders:
    """Read the customer's number, date, number of CDs and dollars of 6,919 purchases, by Fader & Hardie."""
    package = find_spec("lifetimes")  # not imported, because the import emits warnings
    if package is None or package.origin is None:
        sys.exit("cdnow is a file inside lifetimes, which is not installed")
    lines = np.loadtxt(Path(package.origin).parent / "datasets" / "CDNOW_sample.txt")
    days = np.array([f"{int(day):08d}" for day in lines[:, 2]])
    at = np.array([f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days], "datetime64[us]").astype(np.int64)
    return drop_negative_values(lines[:, 1].astype(np.int64), at, lines[:, 4])


def drop_negative_values(
    customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], value: npt.NDArray[np.float64]
) -> Orders:
    is_kept = value >= 0
    return customer[is_kept], at[is_kept], value[is_kept]


def warm_up() -> None:
    """Compile the kernels, so that fit_s measures fitting only."""
    x = np.arange(60) % 3
    histories = PurchaseHistories(x, x, 5 * x, np.full(60, 30), np.ones(60))
    for name in PURCHASE_MODELS:
        fit_purchase_model(name=name, groups=group_histories(histories=histories))


def time_fit(name: str, groups: HistoryGroups) -> float:
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        fit_purchase_model(name=name, groups=groups)
        durations.append(time.perf_counter() - start)
    return min(durations)


def describe_result(result: HeldOutResult, fit_s: float) -> dict[str, Any]:
    return {
        "parameters": result.fit.model.to_dict() if result.fit.model else None,
        "log_likelihood": result.fit.log_likelihood,
        "held_out_log_likelihood": result.log_likelihood,
        **asdict(result.errors),
        "held80": result.coverage,
        "fit_s": fit_s,
        "converged": result.fit.converged,
        "iterations": result.fit.iterations,
    }


def predict_baselines(
    customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], choice: ModelSelection
) -> dict[str, npt.NDArray[np.float64]]:
    """Predict held-out purchases of each customer: as in the last period of the same length, or at the rate x / T."""
    if choice.held_out_days < 1:
        return {}
    owner, day, _ = list_purchase_days(customer=customer, at=at, as_of=choice.cutoff, clock=UTC_CLOCK)
    late = owner[day >= choice.cutoff // DAY - choice.held_out_days]
    row = np.searchsorted(choice.calibration_histories.customer, late)
    return {
        "last_period": np.bincount(row, minlength=len(choice.calibration_histories)).astype(np.float64),
        "mean_rate": choice.calibration_histories.x
        / np.maximum(choice.calibration_histories.age_days, 1)
        * choice.held_out_days,
    }


def evaluate_spend_intervals(
    customer: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    value: npt.NDArray[np.float64],
    choice: ModelSelection,
    groups: HistoryGroups,
    as_of: int,
) -> dict[str, Any]:
    """Fit the spend model, and compare actual spend after the cutoff with the intervals of the best model."""
    before = choice.calibration_histories
    fit = fit_gamma_gamma(x=before.x, mean_value=before.mean_value)
    figures: dict[str, Any] = {
        "parameters": fit.model.to_dict() if fit.model else None,
        "reason": fit.reason,
        "frequency_correlation": fit.correlation,
        "frequency_rank_correlation": fit.rank_correlation,
        "warnings": fit.warnings,
    }
    model = choice.results[choice.name].fit.model if choice.name else None
    if fit.model is None or model is None:
        return figures
    horizon = choice.held_out_days / groups.unit_days
    later = (at >= choice.cutoff) & (at < as_of) & np.isin(customer, before.customer)
    spent = np.bincount(np.searchsorted(before.customer, customer[later]), value[later], minlength=len(before))
    ranks = transform_spend(
        model=model, spend=fit.model, groups=groups, horizon=horizon, mean_value=before.mean_value, actual=spent
    )
    intervals = predict_intervals(model=model, spend=fit.model, groups=groups, horizon=horizon)
    rate = fit.model.posterior_rate(x=before.x, mean_value=before.mean_value)
    low, high, stated = (
        values[groups.row]
        for values in (intervals.spend_low, intervals.spend_high, intervals.spend_probability)
        if values is not None
    )
    inside = (spent >= low * rate) & (spent <= high * rate)
    wide = high > 0
    expected = model.expected_purchases(horizon=horizon, x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    expected = expected * fit.model.mean_spend(x=before.x, mean_value=before.mean_value)
    return {
        **figures,
        **asdict(compute_errors(expected, spent)),
        "held80": ranks.compute_coverage(),
        "interval_stated": float(stated.mean()),
        "interval_hit": float(inside.mean()),
        "interval_hit_above_zero": float(inside[wide].mean()) if wide.any() else None,
    }


def run_lifetimes(choice: ModelSelection, arguments: argparse.Namespace) -> tuple[dict[str, Any] | None, str]:
    """Return the fits and forecasts of `lifetimes` on the same histories, or None and the reason."""
    before = choice.calibration_histories
    with tempfile.TemporaryDirectory() as folder:
        histories = np.column_stack(
            [before.x, before.last_days / arguments.unit_days, before.age_days / arguments.unit_days]
        )
        np.save(Path(folder) / "histories.npy", histories)
        command = [
            arguments.lifetimes_python,
            "-W",
            "ignore",
            str(PEER),
            folder,
            str(choice.held_out_days / arguments.unit_days),
        ]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            reason = (process.stderr.strip().splitlines() or ["no message"])[-1]
            return None, f"lifetimes did not run: {reason}"
        peer = json.loads(process.stdout.splitlines()[-1])  # the last line; lifetimes prints other lines before it
        groups = group_histories(histories=before, unit_days=arguments.unit_days)
        for name, figures in peer.items():
            if "error" not in figures:
                model = PURCHASE_MODELS[name].from_array(np.array(list(figures["parameters"].values())))
                figures["log_likelihood"] = model.total_log_likelihood(groups)[
                    0
                ]  # lifetimes prints the likelihood of scaled times
                figures.update(asdict(compute_errors(np.load(Path(folder) / f"{name}.npy"), choice.actual)))
    return peer, "lifetimes fits the same histories, its own defaults"


def round_values(value: Any) -> Any:
    """Round to seven significant digits."""
    if isinstance(value, dict):
        return {key: round_values(entry) for key, entry in value.items()}
    if isinstance(value, float):
        return float(f"{value:.7g}") if np.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
