"""Makes the two files of benchmarks.topn, with lines "user item item …", from order lines, from sequences, or simulated.

    python -m benchmarks.topn_files orders year1.parquet TRAIN TEST        a shop's order lines (Online Retail's columns)
    python -m benchmarks.topn_files sequences sequences.txt TRAIN TEST     "user item item …", oldest first
    python -m benchmarks.topn_files generated TRAIN TEST --people 29858 --items 40981 --interactions 1027370

A share of each person's different products goes to TEST: a random one by default, as in published splits of this form; the newest
products of each person with --newest; with --cut, all pairs after the moment after which this share of the pairs lies, for users who are
in TRAIN. With --cut --repeats, TRAIN has a product as often as a user bought it, and TEST what they bought later, new to them or not.
With --validation TRAIN is split again by the same rule into two more files.

`python -m benchmarks.sequence_files` writes the Complete Journey as order lines.
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
    split = make_train_test_split(interactions if arguments.repeats else select_first_of_pairs(interactions), arguments)
    outputs = [(split.train, arguments.train), (split.test, arguments.test)]
    if arguments.validation:
        inner = make_train_test_split(split.train, arguments)
        outputs += [(inner.train, arguments.validation[0]), (inner.test, arguments.validation[1])]
    for rows, path in outputs:
        write_lists(rows, path)
        n_users = len(np.unique(rows.user))
        print(
            f"{path}: {n_users:,} people, {len(np.unique(rows.item)):,} items, {len(rows):,} entries", file=sys.stderr
        )


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
        cut_options = source.add_mutually_exclusive_group()
        cut_options.add_argument("--newest", action="store_true")
        if name == "orders":
            cut_options.add_argument("--cut", action="store_true", help="split in time, at one moment for everyone")
            source.add_argument("--repeats", action="store_true", help="keep repeat purchases; only with --cut")
        source.set_defaults(cut=False, repeats=False)
        source.add_argument("--seed", type=int, default=1)
        if name == "generated":
            source.add_argument("--people", type=int, default=29_858)
            source.add_argument("--items", type=int, default=40_981)
            source.add_argument("--interactions", type=int, default=1_027_370)
    arguments = parser.parse_args()
    if arguments.repeats and not arguments.cut:
        parser.error("--repeats requires --cut: a share of the different products has no repeat purchases")
    return arguments


def make_train_test_split(interactions: Interactions, arguments: argparse.Namespace) -> Split:
    if arguments.cut:
        split = split_by_moment(interactions, at=float(np.quantile(interactions.order, 1 - arguments.share)))
        return Split(split.train, select_first_of_pairs(split.test))
    if arguments.newest:
        return hold_out_newest(interactions, arguments.share)
    return hold_out(interactions, share=arguments.share, seed=arguments.seed)


def read_orders(arguments: argparse.Namespace) -> Interactions:
    """Read the lines of known customers with a quantity above 0."""
    lines = pq.read_table(arguments.file, columns=["Customer ID", "StockCode", "InvoiceDate", "Quantity"])
    lines = lines.filter(pc.and_(pc.is_valid(lines["Customer ID"]), pc.greater(lines["Quantity"], 0)))
    timestamps = np.array(lines["InvoiceDate"].to_pylist(), "datetime64[s]")
    customers = lines["Customer ID"].to_numpy().astype(np.int64)
    products = [code.strip() for code in lines["StockCode"].to_pylist()]
    return Interactions.from_ids(user_ids=customers, item_ids=products, order=timestamps)


def read_sequences(arguments: argparse.Namespace) -> Interactions:
    """Read sequences; the order of interactions is their position in the line."""
    users, items = read_lists(arguments.file)
    return Interactions.from_ids(user_ids=users, item_ids=items)


def make_generated(arguments: argparse.Namespace) -> Interactions:
    """Simulate users with three tastes each; the probability of the product at a rank of a taste is proportional to 1 / (rank + 5)."""
    draws = np.random.default_rng(arguments.seed)
    tastes = draws.integers(0, TASTES, (arguments.people, 3))
    activity = draws.lognormal(0.0, 0.9, arguments.people)
    shares = np.cumsum(1.0 / (np.arange(arguments.items // TASTES * 4) + 5.0))
    catalog = np.stack([draws.permutation(arguments.items)[: len(shares)] for _ in range(TASTES)])
    pairs = np.empty(0, np.int64)
    while len(pairs) < arguments.interactions:
        m = int(1.2 * (arguments.interactions - len(pairs))) + 100
        users = np.searchsorted(np.cumsum(activity / activity.sum()), draws.random(m)).clip(0, arguments.people - 1)
        ranks = np.searchsorted(shares, draws.random(m) * shares[-1]).clip(0, len(shares) - 1)
        items = catalog[tastes[users, draws.integers(0, 3, m)], ranks]
        pairs = np.unique(np.concatenate([pairs, users * arguments.items + items]))
    selected = draws.permutation(pairs)[: arguments.interactions]
    return Interactions.from_ids(user_ids=selected // arguments.items, item_ids=selected % arguments.items)


SOURCES = {"orders": read_orders, "sequences": read_sequences, "generated": make_generated}


def select_first_of_pairs(interactions: Interactions) -> Interactions:
    """Return the oldest interaction of each person and product."""
    in_time = np.argsort(interactions.order, kind="stable")
    pairs = interactions.user.astype(np.int64) * interactions.n_items + interactions.item
    _, first = np.unique(pairs[in_time], return_index=True)
    return interactions.select(np.sort(in_time[first]))


def hold_out_newest(pairs: Interactions, share: float) -> Split:
    """Hold out the newest share of each person's pairs, rounded; at least one pair stays in train."""
    by_user = np.lexsort((pairs.order, pairs.user))
    counts = np.bincount(pairs.user, minlength=pairs.n_users)
    users = pairs.user[by_user]
    from_end = np.cumsum(counts)[users] - np.arange(len(users))
    is_test = np.zeros(len(pairs), np.bool_)
    is_test[by_user] = from_end <= np.minimum(np.rint(counts * share), np.maximum(counts - 1, 0))[users]
    return Split(pairs.select(~is_test), pairs.select(is_test))


def write_lists(interactions: Interactions, path: Path) -> None:
    histories = interactions.build_histories()
    items = interactions.items.get_ids(histories.item)
    users = interactions.users.get_ids(histories.user)
    bounds = zip(users, histories.indptr[:-1].tolist(), histories.indptr[1:].tolist(), strict=True)
    lines = (f"{user} {' '.join(items[start:stop])}\n" for user, start, stop in bounds if stop > start)
    path.write_text("".join(lines), encoding="utf-8")


def read_lists(path: Path) -> tuple[list[str], list[str]]:
    """Return the user and the item of each pair of the file; users without an item are left out. Errors: SystemExit."""
    users: list[str] = []
    items: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        user, *line_items = line.split() or [""]
        users += [user] * len(line_items)
        items += line_items
    if not items:
        sys.exit(f'{path} has no "user item item …" line')
    return users, items


def read_interactions(path: Path) -> Interactions:
    users, items = read_lists(path)
    return Interactions.from_ids(user_ids=users, item_ids=items)


if __name__ == "__main__":
    main()
