"""The next basket of each customer: python -m benchmarks.baskets HISTORY FUTURE

HISTORY: CSV of purchases, one line each, with the columns customer, order (a number or date; equal values of one customer are one
basket) and item. FUTURE: the next basket of each customer, with the columns customer and item. Usual names of these columns are
recognized; name others with --customer, --order and --item.

The parameters of every algorithm and the weights of their blend are tuned by NDCG@10 on the last basket of each customer in HISTORY,
within --budget seconds of search per algorithm; then each is fitted on all of HISTORY and evaluated once on FUTURE. The headline is the
best algorithm on the validation baskets; the blend only where it is better beyond chance on customers that its weights were not tuned
on. top_frequency ranks the items that each customer bought in most baskets; it has no parameters.
"""

import argparse
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from scipy.sparse import csr_array

from benchmarks.neighbours import get_peak_mb, log
from config.foundation.array_types import Flags, Ints
from recommendations.engine import ALGORITHMS, Algorithm, Histories, IdMap, Interactions, recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.weighting import DAY
from recommendations.engine.evaluation import estimate_intervals
from recommendations.engine.evaluation.bootstrap import UNIT
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.linear_algebra.sparse import sum_entries
from recommendations.engine.tuning.ensemble_weights import tune_ensemble_weights
from recommendations.engine.tuning.parameter_search import search_parameters

N, SEED = 10, 1
MIN_WEIGHT = 0.02  # a smaller weight costs time without improving results
TOP_FREQUENCY, BLEND = "top-frequency", "blend"
# Algorithms of the registry that suit repeat purchases, with start parameters that differ from those of training.
STARTS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "repeat": {},
    "repeat-rhythm": {},
    "repeat-ranker": {"horizon_days": None},
    "tifu-knn": {},
    "up-cf": {},
    "user-knn": {},
    "item-knn": {},
}
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "customer": ("customer", "customer_id", "user", "user_id", "household", "household_id", "client_id", "member_id", "cust"),
    "order": (
        "date", "order_date", "timestamp", "transaction_timestamp", "transaction_date", "invoice_date", "purchase_date", "day", "time",
        "ts", "order_number", "order", "order_id", "basket", "basket_id", "invoice", "invoice_no", "transaction_id",
    ),
    "item": ("item", "item_id", "product", "product_id", "sku", "stock_code", "article_id", "material_number"),
}  # fmt: skip
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%Y%m%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
)
EARLIEST_YEAR, LATEST_YEAR = 1970, 2100  # of a number such as 20240131, for it to be read as a date


@dataclass(frozen=True, eq=False)
class Task:
    """The baskets to learn from, the customers to evaluate, and the items of the next basket of each."""

    train: Interactions
    histories: Histories
    relevant: csr_array

    @classmethod
    def of(cls, train: Interactions, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> "Task":
        """Return the task to predict these items; customers without a basket in train are left out."""
        is_known = np.isin(user, train.user)
        users = np.unique(user[is_known])
        shape = (train.n_users, train.n_items)
        relevant = sum_entries(user[is_known], item[is_known], np.ones(int(is_known.sum())), shape)[users, :]
        return cls(train, train.build_histories(users), relevant)

    def select(self, rows: Ints) -> "Task":
        """Return the task for some of the customers."""
        return replace(
            self, histories=self.train.build_histories(self.histories.user[rows]), relevant=self.relevant[rows, :]
        )

    def compute_figures(self, algorithm: Algorithm) -> npt.NDArray[np.float64]:
        """Return recall and NDCG at 10; shape (customers, 2)."""
        items = recommend(algorithm, self.histories, N, exclude_seen=False, tie_seed=SEED).items
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        return np.column_stack([recall(hits, counts), ndcg(hits, counts)])

    def compute_value(self, algorithm: Algorithm) -> float:
        """Return the mean NDCG at 10."""
        return float(np.nanmean(self.compute_figures(algorithm)[:, 1]))


def main() -> None:
    arguments = parse_arguments()
    train, future_user, future_item = read_files(arguments)
    final = Task.of(train, future_user, future_item)
    tuning = hold_out_last_baskets(train, arguments.people)
    log(
        f"{train.n_users:,} customers, {train.n_items:,} items, {len(train):,} lines; "
        f"{len(tuning.histories):,} customers for tuning, {len(final.histories):,} for the test"
    )
    lines: dict[str, dict[str, Any]] = {}
    validation: dict[str, npt.NDArray[np.float64]] = {}
    fitted: dict[str, Algorithm] = {}
    for name in arguments.algorithms:
        fitted[name], parameters, tune_s = tune(name, tuning, arguments.budget)
        validation[name] = tuning.compute_figures(fitted[name])
        lines[name] = measure(make(name, parameters), final, validation[name], tune_s)
        log(f"{name}: {json.dumps(lines[name])}")
    if len(fitted) > 1:
        blend, validation[BLEND], tune_s = tune_blend(fitted, tuning)
        lines[BLEND] = measure(blend, final, validation[BLEND], tune_s)
        log(f"{BLEND}: {json.dumps(lines[BLEND])}")
    best = choose_headline(validation)
    floor = measure(make("repeat", {"half_life_days": None}), final, None, 0.0)
    summary = {
        "algorithm": best,
        **{f"top_frequency_{metric}@{N}": floor[f"{metric}@{N}"] for metric in ("recall", "ndcg")},
        "peak_mb": get_peak_mb(),
        "customers": train.n_users,
        "items": train.n_items,
        "test_customers": len(final.histories),
        "processors": os.cpu_count(),
        "notes": describe_notes(future_user, train, final),
    }
    print(json.dumps({**lines[best], **summary, "algorithms": {**lines, TOP_FREQUENCY: floor}}))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path)
    parser.add_argument("future", type=Path)
    for role in COLUMN_NAMES:
        parser.add_argument(f"--{role}", metavar="COLUMN")
    parser.add_argument("--algorithms", nargs="+", choices=sorted(STARTS), default=list(STARTS), metavar="NAME")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of search for each algorithm")
    parser.add_argument("--people", type=int, default=2000, help="customers that parameters are tuned on, at most")
    return parser.parse_args()


def read_files(arguments: argparse.Namespace) -> tuple[Interactions, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the baskets of HISTORY, and the customer and item rows of FUTURE.

    Errors: SystemExit for unreadable files, missing columns or values, and customers that the files do not share.
    """
    chosen = {role: getattr(arguments, role) for role in COLUMN_NAMES}
    history = read_columns(arguments.history, chosen, ("customer", "order", "item"))
    future = read_columns(arguments.future, chosen, ("customer", "item"))
    users = IdMap.of([*history["customer"], *future["customer"]])
    items = IdMap.of([*history["item"], *future["item"]])
    user, item = users.get_rows(history["customer"]), items.get_rows(history["item"])
    order, is_dated = parse_orders(history["order"], arguments.history)
    # A product on several lines of a basket counts once.
    lines = np.unique(np.stack([user, order, item]), axis=1)
    train = Interactions.from_rows(
        user=lines[0].astype(np.int32),
        item=lines[2].astype(np.int32),
        order=lines[1] if is_dated else count_from_the_end(lines[0], lines[1]) * DAY,
        users=users,
        items=items,
    )
    future_user = users.get_rows(future["customer"])
    if not np.isin(future_user, train.user).any():
        raise SystemExit(f"{arguments.future}: none of its customers is in {arguments.history}")
    return train, future_user, items.get_rows(future["item"])


def read_columns(path: Path, chosen: Mapping[str, str | None], roles: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of the roles as texts. Errors: SystemExit."""
    try:
        header = pyarrow.csv.open_csv(path).schema.names
        names = {role: find_column(path, header, role, chosen[role]) for role in roles}
        options = pyarrow.csv.ConvertOptions(
            include_columns=list(names.values()), column_types=dict.fromkeys(names.values(), pa.string())
        )
        table = pyarrow.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowInvalid) as problem:
        raise SystemExit(f"{path} cannot be read as CSV: {problem}") from problem
    if not table.num_rows:
        raise SystemExit(f"{path} has no lines below its header")
    for role, name in names.items():
        n_empty = int(pc.sum(pc.equal(pc.fill_null(table[name], ""), "")).as_py())
        if n_empty:
            raise SystemExit(f"{path}: {n_empty} lines have no {role} in the column {name!r}; remove them")
    return {role: table[name].to_pylist() for role, name in names.items()}


def find_column(path: Path, header: Sequence[str], role: str, chosen: str | None) -> str:
    """Return the column of a role: the chosen one, or the first of its usual names. Errors: SystemExit."""
    if chosen is not None:
        if chosen not in header:
            raise SystemExit(f"{path} has no column {chosen!r} (--{role}); it has {', '.join(header)}")
        return chosen
    by_name = {normalize_name(name): name for name in reversed(header)}
    for name in COLUMN_NAMES[role]:
        if normalize_name(name) in by_name:
            return by_name[normalize_name(name)]
    raise SystemExit(f"{path}: no column is recognized as {role}; name it with --{role}. It has {', '.join(header)}")


def normalize_name(name: str) -> str:
    """Return the letters and digits of a name, in lower case: Customer ID → customerid."""
    return "".join(character for character in name.lower() if character.isalnum())


def parse_orders(texts: Sequence[str], path: Path) -> tuple[npt.NDArray[np.float64], bool]:
    """Return a number for each basket that increases with time, and whether it is in seconds since 1970.

    Errors: SystemExit where the texts are neither all dates nor all numbers.
    """
    distinct = sorted(set(texts))
    for parse, is_dated in ((parse_dates, True), (parse_numbers, False)):
        values = parse(distinct)
        if values is not None:
            by_text = dict(zip(distinct, values, strict=True))
            return np.array([by_text[text] for text in texts]), is_dated
    raise SystemExit(
        f"{path}: orders must all be numbers or all be dates such as 2024-01-31 or 2024-01-31 12:30:00, got {distinct[0]!r} and "
        f"{distinct[-1]!r}"
    )


def parse_dates(texts: Iterable[str]) -> list[float] | None:
    """Return the seconds since 1970 of dates or times in one format, None if one is not a date."""
    for read in (parse_iso_date, *(make_date_reader(layout) for layout in DATE_FORMATS)):
        try:
            return [read(text) for text in texts]
        except ValueError:
            continue
    return None


def parse_iso_date(text: str) -> float:
    """Return the seconds since 1970. Errors: ValueError."""
    if text.isdigit():  # 20240131 is read below, with a check of the year
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def make_date_reader(layout: str) -> Any:
    """Return a function that reads dates of this layout."""

    def read(text: str) -> float:
        moment = datetime.strptime(text, layout).replace(tzinfo=UTC)
        if not date(EARLIEST_YEAR, 1, 1) <= moment.date() <= date(LATEST_YEAR, 1, 1):
            raise ValueError(f"{text} is not a plausible year")
        return moment.timestamp()

    return read


def parse_numbers(texts: Iterable[str]) -> list[float] | None:
    """Return the numbers, None if one is not a finite number."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def count_from_the_end(user: npt.NDArray[np.floating], order: npt.NDArray[np.floating]) -> Ints:
    """Return the position of each line's basket so that the last basket of every customer has the same, largest one.

    The lines are sorted by user and order.
    """
    begins = np.ones(len(user), np.bool_)
    begins[1:] = (user[1:] != user[:-1]) | (order[1:] != order[:-1])
    basket = np.cumsum(begins)
    last_of_user = np.maximum.reduceat(basket, np.flatnonzero(np.r_[True, user[1:] != user[:-1]]))
    lines_of_user = np.unique(user, return_counts=True)[1]
    back: Ints = np.repeat(last_of_user, lines_of_user) - basket
    return back.max() - back


def hold_out_last_baskets(train: Interactions, people: int) -> Task:
    """Return the task to predict the last basket of customers with at least two. Errors: SystemExit if there are none."""
    histories = train.build_histories()
    back = histories.count_moments_back()
    user = np.repeat(np.arange(train.n_users, dtype=np.int32), np.diff(histories.indptr))
    has_two = np.zeros(train.n_users, np.bool_)
    has_two[user[back > 0]] = True
    if not has_two.any():
        raise SystemExit("no customer has two baskets in HISTORY, so nothing can be tuned")
    is_held_out: Flags = (back == 0) & has_two[user]
    is_past = ~is_held_out
    past = Interactions.from_rows(
        user=user[is_past],
        item=histories.item[is_past],
        order=histories.order[is_past],
        users=train.users,
        items=train.items,
    )
    draws = np.random.default_rng(SEED)
    chosen = draws.permutation(np.flatnonzero(has_two))[:people]
    is_evaluated = is_held_out & np.isin(user, chosen)
    return Task.of(replace(past, as_of=train.as_of), user[is_evaluated], histories.item[is_evaluated])


def make(name: str, parameters: Mapping[str, Any]) -> Algorithm:
    return ALGORITHMS[name](**parameters)


def tune(name: str, task: Task, budget_s: float) -> tuple[Algorithm, dict[str, Any], float]:
    """Return the best algorithm of the search, fitted, its parameters, and the seconds that the search took."""
    space = ALGORITHMS[name].spec.search
    assert space is not None

    def evaluate(parameters: Mapping[str, Any]) -> float:
        return task.compute_value(make(name, parameters).fit(task.train))

    found = search_parameters(
        space=space.values,
        evaluate=evaluate,
        budget_s=budget_s,
        seed=SEED,
        start={**space.fixed, **space.start, **STARTS[name]},
    )
    return make(name, found.best.parameters).fit(task.train), found.best.parameters, found.seconds


def tune_blend(fitted: Mapping[str, Algorithm], task: Task) -> tuple[WeightedEnsemble, npt.NDArray[np.float64], float]:
    """Return the blend, not fitted, its figures on the validation baskets, and the seconds that this took.

    Weights are tuned on one half of the customers and measured on the other, and the other way round, because weights look better
    on the customers that they are tuned on. The blend has the mean of both.
    """
    started_at = time.perf_counter()
    half = np.random.default_rng(SEED).permutation(len(task.histories)) % 2
    figures = np.empty((len(half), 2))
    weights = dict.fromkeys(fitted, 0.0)
    for number in (0, 1):
        tuned_rows, other_rows = np.flatnonzero(half == number), np.flatnonzero(half != number)
        tuned = task.select(tuned_rows)
        chosen = tune_ensemble_weights(
            components=fitted, histories=tuned.histories, relevant=tuned.relevant, exclude_seen=False, n=N
        ).weights
        used = {name: weight for name, weight in chosen.items() if weight > 0}
        blend = WeightedEnsemble.of_fitted({name: fitted[name] for name in used}, used, "max")
        figures[other_rows] = task.select(other_rows).compute_figures(blend)
        weights = {name: weights[name] + weight / 2 for name, weight in chosen.items()}
    described = {
        name: {"algorithm": name, "parameters": fitted[name].get_parameters()}
        for name, weight in weights.items()
        if weight >= MIN_WEIGHT
    }
    blend = WeightedEnsemble(described, {name: weights[name] for name in described}, "max")
    return blend, figures, time.perf_counter() - started_at


def choose_headline(validation: Mapping[str, npt.NDArray[np.float64]]) -> str:
    """Return the best algorithm on the validation baskets, the blend only where it is better beyond chance."""
    best = max((name for name in validation if name != BLEND), key=lambda name: np.nanmean(validation[name][:, 1]))
    if BLEND in validation:
        gain = validation[BLEND][:, 1:] - validation[best][:, 1:]
        if estimate_intervals(gain, seed=SEED)[0].low > 0:
            return BLEND
    return best


def measure(
    algorithm: Algorithm, final: Task, validation: npt.NDArray[np.float64] | None, tune_s: float
) -> dict[str, Any]:
    """Fit on all of HISTORY, evaluate once on FUTURE, and return the result line."""
    started_at = time.perf_counter()
    algorithm.fit(final.train)
    fit_s = time.perf_counter() - started_at
    started_at = time.perf_counter()
    figures = final.compute_figures(algorithm)
    line: dict[str, Any] = {}
    for metric, interval in zip(("recall", "ndcg"), estimate_intervals(figures, seed=SEED, bounds=UNIT), strict=True):
        line |= {
            f"{metric}@{N}": round(interval.value, 4),
            f"{metric}@{N}_low": round(interval.low, 4),
            f"{metric}@{N}_high": round(interval.high, 4),
        }
    if validation is not None:
        line[f"validation_ndcg@{N}"] = round(float(np.nanmean(validation[:, 1])), 4)
    parameters = algorithm.weights if isinstance(algorithm, WeightedEnsemble) else algorithm.get_parameters()
    return line | {
        "fit_s": round(fit_s, 2),
        "recommend_s": round(time.perf_counter() - started_at, 2),
        "tune_s": round(tune_s, 1),
        "parameters": parameters,
    }


def describe_notes(future_user: npt.NDArray[np.int32], train: Interactions, final: Task) -> str:
    n_new = len(np.setdiff1d(future_user, train.user))
    return (
        f"tuned by ndcg@{N} on the last basket of each customer in HISTORY; FUTURE scored once; its items that HISTORY lacks count as misses; "
        f"{n_new} customers of FUTURE without a basket in HISTORY are left out; means over {len(final.histories)} customers, bootstrap 95%"
    )


if __name__ == "__main__":
    main()
