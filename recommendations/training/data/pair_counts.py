"""Expressions that compute neighbors of products and customers, for interactions that outgrow the memory of one machine.

An expression returns a row for each neighbor; `build_neighbor_matrix` turns the rows into the same sparse matrix that the algorithms
build, so serving does not depend on where it was computed. Pairs are joined by whole numbers, once for both directions, among the
newest products of each customer only.
"""

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from recommendations.engine.linear_algebra.sparse import make_csr

# per customer, so that one customer with thousands of products does not produce millions of pairs
MAX_ITEMS = 200


def build_entries(interactions: ir.Table) -> ir.Table:
    """Return customer_id, product_id, weight and at: one row per customer and product, with total weight and last time."""
    return interactions.group_by("customer_id", "product_id").agg(
        weight=interactions.weight.sum(), at=interactions["at"].max()
    )


def build_popularity(interactions: ir.Table) -> ir.Table:
    """Return product_id, weight and people."""
    entries = build_entries(interactions)
    return entries.group_by("product_id").agg(weight=entries.weight.sum(), people=entries.count())


def build_item_neighbors(interactions: ir.Table, *, k: int, shrinkage: float = 0.0) -> ir.Table:
    """Return row, neighbor and similarity of the k most similar products of each: the formula of `ItemKNN` with raw weights."""
    entries = _number(build_entries(interactions), "product_id")
    position = ibis.row_number().over(
        ibis.window(group_by=entries.customer_id, order_by=[ibis.desc(entries["at"]), entries.number])
    )
    entries = entries.mutate(position=position).filter(ibis._.position < MAX_ITEMS)
    return _build_neighbors(entries.select("number", owner="customer_id", weight="weight"), k=k, shrinkage=shrinkage)


def build_matrix_neighbors(entries: ir.Table, *, k: int, shrinkage: float) -> ir.Table:
    """Return row, neighbor and similarity of the k most similar numbers of each, computed from entries of number, owner and weight."""
    return _build_neighbors(entries, k=k, shrinkage=shrinkage)


def build_basket_counts(
    entries: ir.Table, items: ir.Table, *, k: int, min_count: int, prior: float, z: float
) -> ir.Table:
    """Return row, neighbor, orders and people of the k pairs of each item with the largest bound, as `find_top_pairs` ranks them.

    entries: basket, number of the item, person. items: number, baskets, share and factor of each.
    """
    left, right = entries, entries.view()
    pairs = left.inner_join(right, [left.basket == right.basket, left.number < right.number]).select(
        row=left.number, neighbor=right.number, person=left.person
    )
    # in two steps: a count of different people would hold all of them for each pair
    of_person = pairs.group_by("row", "neighbor", "person").agg(orders=pairs.count())
    counted = of_person.group_by("row", "neighbor").agg(orders=of_person.orders.sum(), people=of_person.count())
    counted = counted.filter((counted.orders >= min_count) & (counted.people >= min_count))
    both = counted.union(counted.select(row="neighbor", neighbor="row", orders="orders", people="people"))
    of_row = items.select(of_row="number", baskets="baskets")
    of_neighbor = items.select(of_neighbor="number", share="share", factor="factor")
    both = both.inner_join(of_row, both.row == of_row.of_row)
    both = both.inner_join(of_neighbor, both.neighbor == of_neighbor.of_neighbor)
    people = both.people.cast("float64")
    trials = both.baskets * people / both.orders + prior / both.share
    hits = ibis.least((people + prior) / trials, 1.0)
    spread = (hits * (1 - hits) / trials + z * z / (4 * trials * trials)).sqrt()
    bound = (hits + z * z / (2 * trials) - z * spread) / (1 + z * z / trials)
    scored = both.select("row", "neighbor", "orders", "people", value=bound * both.factor)
    return _keep_top(scored.filter(scored.value > 0), "value", k).drop("value")


def build_people_counts(entries: ir.Table, pairs: ir.Table, *, in_order: bool) -> ir.Table:
    """Return position and people of the pairs that at least one person has.

    entries: person, number of the item, first_at and last_at. pairs: row, neighbor and position.
    """
    left, right = entries, entries.view()
    is_pair = [left.person == right.person, *([right.last_at > left.first_at] if in_order else [])]
    joined = left.inner_join(right, is_pair).select(first=left.number, second=right.number)
    listed = joined.inner_join(pairs, [joined.first == pairs.row, joined.second == pairs.neighbor])
    return listed.group_by("position").agg(people=listed.count())


def build_user_neighbors(interactions: ir.Table, *, k: int, shrinkage: float = 0.0) -> ir.Table:
    """Return row, neighbor and similarity of the k most similar customers of each: the formula of `UserKNN` with raw weights."""
    entries = _number(build_entries(interactions), "customer_id")
    return _build_neighbors(entries.select("number", owner="product_id", weight="weight"), k=k, shrinkage=shrinkage)


def build_basket_neighbors(interactions: ir.Table, *, k: int) -> ir.Table:
    """Return row, neighbor, baskets and confidence of the k products most often bought together with each; a basket is one moment."""
    entries = _number(interactions.select("customer_id", "product_id", "at").distinct(), "product_id")
    totals = entries.group_by("number").agg(baskets=entries.count())
    left, right = entries, entries.view()
    is_pair = [left.customer_id == right.customer_id, left["at"] == right["at"], left.number < right.number]
    pairs = left.inner_join(right, is_pair).select(row=left.number, neighbor=right.number)
    pairs = _mirror(pairs.group_by("row", "neighbor").agg(baskets=pairs.count()), "baskets")
    of_row = totals.select(total_row="number", total="baskets")
    pairs = pairs.inner_join(of_row, pairs.row == of_row.total_row)
    rows = pairs.select("row", "neighbor", "baskets", confidence=pairs.baskets.cast("float64") / pairs.total)
    return _keep_top(rows, "confidence", k)


def build_transitions(interactions: ir.Table, *, k: int) -> ir.Table:
    """Return row, neighbor and count of the k products that customers most often choose next after each."""
    entries = _number(interactions, "product_id")
    window = ibis.window(group_by=entries.customer_id, order_by=[entries["at"], entries.number])
    rows = entries.select(row=entries.number, neighbor=entries.number.lead().over(window))
    rows = rows.filter(rows.neighbor.notnull() & (rows.neighbor != rows.row))
    return _keep_top(rows.group_by("row", "neighbor").agg(count=rows.count().cast("float64")), "count", k)


def count_split(interactions: ir.Table, *, at: ir.Value) -> ir.Table:
    """Count the customers and products of a time split: those before ``at`` (train), those since (test), and the new ones among these."""
    is_test = interactions["at"] >= at
    entries = interactions.select("customer_id", "product_id", is_test=is_test.cast("int64"))
    users = entries.group_by("customer_id").agg(first=entries.is_test.min(), last=entries.is_test.max())
    items = entries.group_by("product_id").agg(first=entries.is_test.min(), last=entries.is_test.max())
    counted = [
        rows.agg(train=(1 - rows["first"]).sum(), test=rows["last"].sum(), new=rows["first"].sum()).mutate(
            of=ibis.literal(of)
        )
        for of, rows in (("customers", users), ("products", items))
    ]
    return counted[0].union(counted[1])


def _number(rows: ir.Table, name: str) -> ir.Table:
    """Add a ``number`` for the value of a column, counted from 0 in the order of the values."""
    names = rows.select(named=name).distinct()
    # not dense_rank over all rows: it sorts them all, and ClickHouse counts wrongly with the frame that Ibis gives it
    numbers = names.mutate(number=ibis.row_number().over(ibis.window(order_by=names.named)).cast("int64"))
    joined = rows.inner_join(numbers, rows[name] == numbers.named)
    return joined.select(*rows.columns, "number")


def _build_neighbors(entries: ir.Table, *, k: int, shrinkage: float) -> ir.Table:
    """Return the neighbors of numbers by the cosine of their weights over owners."""
    lengths = entries.group_by("number").agg(length=(entries.weight * entries.weight).sum().sqrt())
    left, right = entries, entries.view()
    pairs = left.inner_join(right, [left.owner == right.owner, left.number < right.number]).select(
        row=left.number, neighbor=right.number, product=left.weight * right.weight
    )
    pairs = pairs.group_by("row", "neighbor").agg(product=pairs["product"].sum(), both=pairs.count())
    first = lengths.select(first="number", first_length="length")
    second = lengths.select(second="number", second_length="length")
    pairs = pairs.inner_join(first, pairs.row == first.first)
    pairs = pairs.inner_join(second, pairs.neighbor == second.second)
    support = pairs.both.cast("float64") / (pairs.both + shrinkage)
    similarity = pairs["product"] / (pairs.first_length * pairs.second_length) * support
    rows = pairs.select("row", "neighbor", similarity=similarity)
    return _keep_top(_mirror(rows.filter(rows.similarity > 0), "similarity"), "similarity", k)


def _mirror(pairs: ir.Table, name: str) -> ir.Table:
    """Return the pairs in both directions."""
    return pairs.select("row", "neighbor", name).union(pairs.select(row="neighbor", neighbor="row", **{name: name}))


def _keep_top(rows: ir.Table, name: str, k: int) -> ir.Table:
    """Return the k rows with the largest value of each row, ties in the order of the neighbors.

    For the ranking, values are rounded to the twelfth digit, because engines add in different orders.
    """
    rounded = ibis.desc(rows[name].round(12))
    rank = ibis.row_number().over(ibis.window(group_by=rows.row, order_by=[rounded, rows.neighbor]))
    return rows.mutate(rank=rank).filter(ibis._.rank < k).drop("rank")


def build_neighbor_matrix(neighbors: pa.Table, *, value: str, size: int) -> csr_array:
    """Return neighbors as CSR (size, size) of float32, best first in each row, as `multiply_top_k_rows` does."""
    row, column = (neighbors[name].to_numpy().astype(np.int64) for name in ("row", "neighbor"))
    data = neighbors[value].to_numpy().astype(np.float32)
    order = np.lexsort((column, -data, row))
    starts = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=size))))
    return make_csr(data[order], column[order], starts, (size, size))
