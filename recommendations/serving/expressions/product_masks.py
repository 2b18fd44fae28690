"""Finds the products that match an expression, as array masks. No expression is ever run as code.

A missing value matches no comparison. ``ne``, ``not_in``, ``is_not_set`` and ``not`` are true for exactly the products for which
the positive comparison is not, so also for those without a value.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from customers.segments.conditions.value_parsing import parse_period
from recommendations.merchandising.rules.rule_book import MAX_FACTOR, MIN_FACTOR
from recommendations.serving.expressions.attributes import PART_OPERATORS, PRODUCT_ATTRIBUTES, AttributeKind
from recommendations.serving.expressions.expression import (
    AttributeComparison,
    BoundBoost,
    BoundExpression,
    ExpressionGroup,
    ExpressionNegation,
    ExpressionNode,
    Value,
)

POSITIVE_OPERATORS = {"ne": "eq", "not_in": "in", "is_not_set": "is_set"}
DAY = 86_400.0

type Mask = npt.NDArray[np.bool_]
type Floats = npt.NDArray[np.floating]


class ValueColumnLike(Protocol):
    """The values of one name; see `state.product_values`."""

    @property
    def texts(self) -> Sequence[str]: ...
    @property
    def numbers(self) -> npt.NDArray[np.float64]: ...
    def match(self, is_selected: Mask, n: int) -> Mask: ...
    def match_texts(self, matches: Callable[[str], bool], n: int) -> Mask: ...


class ProductTable(Protocol):
    """The columns of products that expressions compare, one row per product; see `state.product_index`."""

    @property
    def n(self) -> int: ...
    def list_texts(self, name: str) -> Sequence[str]: ...
    def list_folded_texts(self, name: str) -> Sequence[str]: ...
    def get_codes(self, name: str) -> tuple[npt.NDArray[np.int32], Mapping[str, int]]: ...
    def get_numbers(self, name: str) -> Floats: ...
    def get_flags(self, name: str) -> Mask: ...
    def get_column(self, name: str) -> ValueColumnLike | None: ...


CODED_ATTRIBUTES = frozenset({"brand", "category", "currency"})


def compute_mask(bound: BoundExpression, products: ProductTable) -> Mask:
    """Return which products match an expression; shape (n,)."""
    return match_node(bound.expression.tree, products, float(bound.moment))


def compute_boosts(bound: BoundBoost, products: ProductTable) -> npt.NDArray[np.float32]:
    """Return the product of the factors of all boosts that match each product, limited to 0.01 to 100; shape (n,)."""
    factors = np.ones(products.n, np.float64)
    for boost in bound.boosts:
        mask = match_node(boost.expression.tree, products, float(bound.moment))
        np.multiply(factors, boost.factor, out=factors, where=mask)
    return factors.clip(MIN_FACTOR, MAX_FACTOR).astype(np.float32)


def match_node(node: ExpressionNode, products: ProductTable, moment: float) -> Mask:
    if isinstance(node, AttributeComparison):
        return match_comparison(node, products, moment)
    if isinstance(node, ExpressionNegation):
        return ~match_node(node.child, products, moment)
    return combine_children(node, products, moment)


def combine_children(group: ExpressionGroup, products: ProductTable, moment: float) -> Mask:
    combine = np.logical_and if group.every else np.logical_or
    mask = match_node(group.children[0], products, moment)
    for child in group.children[1:]:
        mask = combine(mask, match_node(child, products, moment))
    return mask


def match_comparison(leaf: AttributeComparison, products: ProductTable, moment: float) -> Mask:
    """Return which products match a comparison."""
    positive = POSITIVE_OPERATORS.get(leaf.op)
    if positive is not None:
        return ~match_comparison(AttributeComparison(leaf.attribute, positive, leaf.value), products, moment)
    attribute = PRODUCT_ATTRIBUTES.get(leaf.attribute)
    kind = AttributeKind.CATALOG if attribute is None else attribute.kind
    match kind:
        case AttributeKind.NUMBER:
            return match_numbers(leaf, products.get_numbers(leaf.attribute))
        case AttributeKind.FLAG:
            return products.get_flags(leaf.attribute) == leaf.value
        case AttributeKind.MOMENT:
            return match_moments(leaf, products.get_numbers(leaf.attribute), moment)
        case AttributeKind.TAGS | AttributeKind.CATALOG:
            return match_values(leaf, products)
    if leaf.attribute in CODED_ATTRIBUTES:
        return match_codes(leaf, products, includes_below=kind == AttributeKind.CATEGORY)
    return match_texts(leaf, products)


def match_texts(leaf: AttributeComparison, products: ProductTable) -> Mask:
    """Compare the text of each product."""
    mask = np.zeros(products.n, np.bool_)
    if leaf.op in PART_OPERATORS:
        folded = products.list_folded_texts(leaf.attribute)
        part = str(leaf.value).casefold()
        found = (
            [part in text for text in folded] if leaf.op == "contains" else [text.startswith(part) for text in folded]
        )
    else:
        found = list(map(make_text_predicate(leaf), products.list_texts(leaf.attribute)))
    mask[: len(found)] = found
    return mask


def match_codes(leaf: AttributeComparison, products: ProductTable, *, includes_below: bool) -> Mask:
    """Compare each distinct text once. includes_below: a path also matches all paths below it."""
    column, codes_by_name = products.get_codes(leaf.attribute)
    codes = column.copy()  # a refresh may be writing into it
    names = list(codes_by_name.items())
    matches = make_path_predicate(leaf) if includes_below else make_text_predicate(leaf)
    highest = max([int(codes.max(initial=-1)), *(code for _name, code in names)], default=-1)
    # the last entry is for products without a value, whose code is -1
    is_match = np.zeros(highest + 2, np.bool_)
    is_match[[code for name, code in names if matches(name)]] = True
    return is_match[codes]


def match_numbers(leaf: AttributeComparison, numbers: Floats) -> Mask:
    """Compare numbers in the precision of their column; NaN matches nothing."""
    if leaf.op == "is_set":
        return ~np.isnan(numbers)
    if leaf.op == "in":
        return np.isin(numbers, [numbers.dtype.type(value) for value in get_values(leaf)])
    low, *rest = (numbers.dtype.type(value) for value in get_values(leaf))
    match leaf.op:
        case "lt":
            return numbers < low
        case "lte":
            return numbers <= low
        case "gt":
            return numbers > low
        case "gte":
            return numbers >= low
        case "between":
            return (numbers >= low) & (numbers <= rest[0])
    return numbers == low


def match_moments(leaf: AttributeComparison, moments: Floats, now: float) -> Mask:
    """Compare moments in seconds since 1970; NaN matches nothing."""
    if leaf.op == "is_set":
        return ~np.isnan(moments)
    if leaf.op in ("within_days", "older_than_days"):
        since = now - float(get_values(leaf)[0]) * DAY
        # `now` is the beginning of the current hour: what was published during this hour is part of the last days, too
        return moments >= since if leaf.op == "within_days" else moments < since
    periods = [period for value in get_values(leaf) if (period := parse_period(str(value))) is not None]
    match leaf.op:
        case "before":
            return moments < periods[0].start.timestamp()
        case "after":
            return moments >= periods[0].end.timestamp()
    return (moments >= periods[0].start.timestamp()) & (moments < periods[1].end.timestamp())


def match_values(leaf: AttributeComparison, products: ProductTable) -> Mask:
    """Return which products have at least one matching value."""
    column = products.get_column(leaf.attribute)
    if column is None:
        return np.zeros(products.n, np.bool_)
    if leaf.op == "is_set":
        return column.match(np.ones(len(column.texts), np.bool_), products.n)
    if leaf.op in ("lt", "lte", "gt", "gte", "between"):
        return column.match(match_numbers(leaf, column.numbers), products.n)
    if leaf.op in PART_OPERATORS:
        return column.match_texts(make_text_predicate(leaf), products.n)
    values = get_values(leaf)
    texts = {str(value).lower() if isinstance(value, bool) else value for value in values if not is_number(value)}
    is_selected = np.fromiter((text in texts for text in column.texts), np.bool_, len(column.texts))
    if numbers := [value for value in values if is_number(value)]:
        is_selected |= np.isin(column.numbers, np.array(numbers, np.float64))
    return column.match(is_selected, products.n)


def is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def get_values(leaf: AttributeComparison) -> tuple[Value, ...]:
    """Return the values of a comparison."""
    if leaf.value is None:
        return ()
    return leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)


def make_text_predicate(leaf: AttributeComparison) -> Callable[[str], bool]:
    """Return a function that says whether a text matches: parts of a text regardless of case, whole texts exactly."""
    texts = frozenset(map(str, get_values(leaf)))
    part = next(iter(texts), "").casefold()
    match leaf.op:
        case "is_set":
            return bool
        case "starts_with":
            return lambda text: text.casefold().startswith(part)
        case "contains":
            return lambda text: part in text.casefold()
    return texts.__contains__


def make_path_predicate(leaf: AttributeComparison) -> Callable[[str], bool]:
    """Return a function that says whether a category path matches: the category itself or one below it."""
    if leaf.op not in ("eq", "in"):
        return make_text_predicate(leaf)
    paths = tuple(map(str, get_values(leaf)))
    prefixes = tuple(f"{path} > " for path in paths)
    return lambda path: path in paths or path.startswith(prefixes)
