"""Makes the two files that benchmarks.topn reads, "user item item …" a line, from order lines, from sequences, or made up.

    python -m benchmarks.topn_files orders year1.parquet TRAIN TEST        a shop's order lines (Online Retail's columns)
    python -m benchmarks.topn_files sequences sequences.txt TRAIN TEST     "user item item …", oldest first
    python -m benchmarks.topn_files generated TRAIN TEST --users 29858 --items 40981 --interactions 1027370

A share of each person's different products goes to TEST, by the seed at random, as in the published splits of this form, or with
--newest those they took up last, or with --cut all that was taken after the moment that leaves that share of the pairs behind it, by
users who are in TRAIN. With --cut --repeats TRAIN holds a product as often as a user bought it, and TEST what they bought later,
new to them or not. With --validation TRAIN is cut once more by the same rule into two further files.

The Complete Journey comes as order lines by `python -m benchmarks.sequence_files`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommendations.engine import Interactions
from recommendations.engine.evaluation import Split, hold_out, split_by_moment

TASTES = 200


def main() -> None:
    arguments = parse()
    interactions = SOURCES[arguments.source](arguments)
    split = split_of(interactions if arguments.repeats else first_of_each_pair(interactions), arguments)
    parts = [(split.train, arguments.train), (split.test, arguments.test)]
    if arguments.validation:
        inner = split_of(split.train, arguments)
        parts += [(inner.train, arguments.validation[0]), (inner.test, arguments.validation[1])]
    for part, path in parts:
        write_lists(part, path)
        people = len(np.unique(part.user))
        print(f"{path}: {people:,} people, {len(np.unique(part.item)):,} items, {len(part):,} entries", file=sys.stderr)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = parser.add_subparsers(dest="source", required=True)
    for name in SOURCES:
        source = sources.add_parser(name)
        if name != "generated":
            source.add_argument("file", type=Path)
        source.add_argument("train", type=Path)
        source.add_argument("test", type=Path)
        source.add_argument("--share", type=float, default=0.2)
        source.add_argument("--validation", nargs=2, type=Path, metavar=("TRAIN", "TEST"))
        how = source.add_mutually_exclusive_group()
        how.add_argument("--newest", action="store_true")
        if name == "orders":
            how.add_argument("--cut", action="store_true", help="in time, at one moment for everybody")
            source.add_argument("--repeats", action="store_true", help="repeat purchases stay; only with --cut")
        source.set_defaults(cut=False, repeats=False)
        source.add_argument("--seed", type=int, default=1)
        if name == "generated":
            source.add_argument("--people", type=int, default=29_858)
            source.add_argument("--items", type=int, default=40_981)
            source.add_argument("--interactions", type=int, default=1_027_370)
    arguments = parser.parse_args()
    if arguments.repeats and not arguments.cut:
        parser.error("--repeats wants --cut: a share of the different products holds no repeat purchase")
    return arguments


def split_of(interactions: Interactions, arguments: argparse.Namespace) -> Split:
    if arguments.cut:
        split = split_by_moment(interactions, at=float(np.quantile(interactions.order, 1 - arguments.share)))
        return Split(split.train, first_of_each_pair(split.test))
    if arguments.newest:
        return newest_out(interactions, arguments.share)
    return hold_out(interactions, share=arguments.share, seed=arguments.seed)


def read_orders(arguments: argparse.Namespace) -> Interactions:
    """Lines of known customers with a quantity above 0."""
    lines = pq.read_table(arguments.file, columns=["Customer ID", "StockCode", "InvoiceDate", "Quantity"])
    lines = lines.filter(pc.and_(pc.is_valid(lines["Customer ID"]), pc.greater(lines["Quantity"], 0)))
    times = np.array(lines["InvoiceDate"].to_pylist(), "datetime64[s]")
    customers = lines["Customer ID"].to_numpy().astype(np.int64)
    products = [code.strip() for code in lines["StockCode"].to_pylist()]
    return Interactions.from_ids(user_ids=customers, item_ids=products, order=times)


def read_sequences(arguments: argparse.Namespace) -> Interactions:
    """Order is the place within the line."""
    users, items = read_lists(arguments.file)
    return Interactions.from_ids(user_ids=users, item_ids=items)


def make_generated(arguments: argparse.Namespace) -> Interactions:
    """Users of a few tastes each; within a taste products are taken with probabilities ∝ 1 / (place + 5). About so many different pairs."""
    draws = np.random.default_rng(arguments.seed)
    tastes = draws.integers(0, TASTES, (arguments.people, 3))
    activity = draws.lognormal(0.0, 0.9, arguments.people)
    shares = np.cumsum(1.0 / (np.arange(arguments.items // TASTES * 4) + 5.0))
    catalogue = np.stack([draws.permutation(arguments.items)[: len(shares)] for _ in range(TASTES)])
    found = np.empty(0, np.int64)
    while len(found) < arguments.interactions:
        m = int(1.2 * (arguments.interactions - len(found))) + 100
        users = np.searchsorted(np.cumsum(activity / activity.sum()), draws.random(m)).clip(0, arguments.people - 1)
        places = np.searchsorted(shares, draws.random(m) * shares[-1]).clip(0, len(shares) - 1)
        items = catalogue[tastes[users, draws.integers(0, 3, m)], places]
        found = np.unique(np.concatenate([found, users * arguments.items + items]))
    chosen = draws.permutation(found)[: arguments.interactions]
    return Interactions.from_ids(user_ids=chosen // arguments.items, item_ids=chosen % arguments.items)


SOURCES = {"orders": read_orders, "sequences": read_sequences, "generated": make_generated}


def first_of_each_pair(interactions: Interactions) -> Interactions:
    """One interaction for each person and product: the oldest."""
    in_time = np.argsort(interactions.order, kind="stable")
    pairs = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
    _, first = np.unique(pairs[in_time], return_index=True)
    return interactions.subset(np.sort(in_time[first]))


def newest_out(pairs: Interactions, share: float) -> Split:
    """test: the newest `share` of each person's pairs, rounded, but at least one stays in train."""
    by_user = np.lexsort((pairs.order, pairs.user))
    counts = np.bincount(pairs.user, minlength=pairs.n_users)
    users = pairs.user[by_user]
    from_end = np.cumsum(counts)[users] - np.arange(len(users))
    is_test = np.zeros(len(pairs), np.bool_)
    is_test[by_user] = from_end <= np.minimum(np.rint(counts * share), np.maximum(counts - 1, 0))[users]
    return Split(pairs.subset(~is_test), pairs.subset(is_test))


def write_lists(interactions: Interactions, path: Path) -> None:
    histories = interactions.histories()
    items = interactions.items.ids(histories.item)
    users = interactions.users.ids(histories.user)
    bounds = zip(users, histories.indptr[:-1].tolist(), histories.indptr[1:].tolist(), strict=True)
    lines = (f"{user} {' '.join(items[start:stop])}\n" for user, start, stop in bounds if stop > start)
    path.write_text("".join(lines), encoding="utf-8")


def read_lists(path: Path) -> tuple[list[str], list[str]]:
    """User and item of each pair of a file "user item item …"; users without an item are left out. Errors: SystemExit."""
    users: list[str] = []
    items: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        user, *taken = line.split() or [""]
        users += [user] * len(taken)
        items += taken
    if not items:
        sys.exit(f'{path} holds no "user item item …" line')
    return users, items


def read_interactions(path: Path) -> Interactions:
    users, items = read_lists(path)
    return Interactions.from_ids(user_ids=users, item_ids=items)


if __name__ == "__main__":
    main()
