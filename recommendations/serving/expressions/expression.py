"""A parsed expression: its tree, and its normalized text, by which equal expressions are recognized."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from recommendations.serving.expressions.attributes import CATALOG_PREFIX, is_internal

RELATIVE_OPERATORS = frozenset({"within_days", "older_than_days"})
SYMBOLS = {"eq": "=", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})
SECONDS_PER_HOUR = 3600

type Value = str | float | bool
type Operand = Value | tuple[Value, ...] | None


class ExpressionError(ValueError):
    """An expression is not valid; the message says where, why, and what would be valid."""


@dataclass(frozen=True)
class AttributeComparison:
    """An attribute compared with a value; a tuple for operators that take several, None for those that take none."""

    attribute: str
    op: str
    value: Operand = None


@dataclass(frozen=True)
class ExpressionGroup:
    """All (``every``) or any of at least two children apply."""

    every: bool
    children: tuple["ExpressionNode", ...]


@dataclass(frozen=True)
class ExpressionNegation:
    """The child does not apply."""

    child: "ExpressionNode"


ExpressionNode = AttributeComparison | ExpressionGroup | ExpressionNegation


@dataclass(frozen=True)
class Expression:
    """An expression, equal to any other of the same normalized text.

    attributes: the names of those that it compares. is_relative: whether it depends on the current time.
    """

    text: str
    tree: ExpressionNode = field(compare=False, repr=False)
    attributes: frozenset[str] = field(compare=False, repr=False)
    is_relative: bool = field(compare=False, repr=False)

    @property
    def internal_attributes(self) -> list[str]:
        """The names of the attributes that a browser must not learn."""
        return sorted(name for name in self.attributes if is_internal(name))


class Boost(NamedTuple):
    """A factor on the score of the products that match an expression."""

    expression: Expression
    factor: float


class BoundExpression(NamedTuple):
    """An expression at a moment, in seconds since 1970; the moment is 0 if the expression does not depend on it."""

    expression: Expression
    moment: int


class BoundBoost(NamedTuple):
    """Boosts at a moment, as `BoundExpression`."""

    boosts: tuple[Boost, ...]
    moment: int


def build_expression(tree: ExpressionNode) -> Expression:
    """Return the expression of a tree."""
    leaves = list_comparisons(tree)
    return Expression(
        format_node(tree),
        tree,
        frozenset(leaf.attribute for leaf in leaves),
        any(leaf.op in RELATIVE_OPERATORS for leaf in leaves),
    )


def build_group(*, every: bool, children: list[ExpressionNode]) -> ExpressionNode:
    """Return the group of at least one child; a single child stays as it is, and groups of the same kind are joined."""
    joined: list[ExpressionNode] = []
    for child in children:
        is_same = isinstance(child, ExpressionGroup) and child.every == every
        joined.extend(child.children if isinstance(child, ExpressionGroup) and is_same else [child])
    return joined[0] if len(joined) == 1 else ExpressionGroup(every, tuple(joined))


def bind_expression(expression: Expression, now: datetime) -> BoundExpression:
    """Return the expression at the beginning of the current hour, so that its products can be cached."""
    return BoundExpression(expression, get_hour(now) if expression.is_relative else 0)


def bind_boosts(boosts: tuple[Boost, ...], now: datetime) -> BoundBoost:
    """Return the boosts at the beginning of the current hour."""
    return BoundBoost(boosts, get_hour(now) if any(boost.expression.is_relative for boost in boosts) else 0)


def get_hour(now: datetime) -> int:
    return int(now.timestamp()) // SECONDS_PER_HOUR * SECONDS_PER_HOUR


def list_comparisons(node: ExpressionNode) -> list[AttributeComparison]:
    """Return the comparisons of a tree in their order."""
    if isinstance(node, AttributeComparison):
        return [node]
    children = node.children if isinstance(node, ExpressionGroup) else (node.child,)
    return [leaf for child in children for leaf in list_comparisons(child)]


def format_node(node: ExpressionNode) -> str:
    """Return a tree as text, which parses to the same tree."""
    if isinstance(node, AttributeComparison):
        return format_comparison(node)
    if isinstance(node, ExpressionNegation):
        text = format_node(node.child)
        return f"not ({text})" if isinstance(node.child, ExpressionGroup) else f"not {text}"
    texts = [
        f"({format_node(child)})" if node.every and isinstance(child, ExpressionGroup) else format_node(child)
        for child in node.children
    ]
    return (" and " if node.every else " or ").join(texts)


def format_comparison(leaf: AttributeComparison) -> str:
    name, value = format_name(leaf.attribute), leaf.value
    if value is None:
        return f"{name} {leaf.op}"
    if leaf.op == "between" and isinstance(value, tuple):
        return f"{name} between {format_value(value[0])} and {format_value(value[1])}"
    if isinstance(value, tuple):
        word = "not in" if leaf.op == "not_in" else leaf.op
        return f"{name} {word} ({', '.join(map(format_value, value))})"
    return f"{name} {SYMBOLS.get(leaf.op, leaf.op)} {format_value(value)}"


def format_name(name: str) -> str:
    """Return the name of an attribute as text, with quotes if it is not one word."""
    rest = name.removeprefix(CATALOG_PREFIX)
    if rest == name or all(is_name_character(letter) for letter in rest):
        return name
    return CATALOG_PREFIX + format_value(rest)


def format_value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def is_name_character(letter: str) -> bool:
    """Return whether a character may be part of a name without quotes."""
    return letter.isalnum() or letter in "_.-"


def to_json(node: ExpressionNode) -> dict[str, object]:
    """Return a tree as JSON, in the shape of the conditions of segments."""
    if isinstance(node, ExpressionNegation):
        return {"not": to_json(node.child)}
    if isinstance(node, ExpressionGroup):
        return {"all" if node.every else "any": [to_json(child) for child in node.children]}
    comparison: dict[str, object] = {"field": node.attribute, "op": node.op}
    if node.value is not None:
        comparison["value"] = list(node.value) if isinstance(node.value, tuple) else node.value
    return comparison
