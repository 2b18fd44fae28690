"""Formulas over series, such as A / B * 100: letters, numbers, + - * / and parentheses."""

import ast
from collections.abc import Callable, Sequence
from math import isfinite

from django.utils.translation import gettext as _

from customers.analytics.expressions.parameters import ParameterError

MAX_LENGTH = 200
LETTERS = "ABCDEFGHIJ"
OPERATORS: dict[type[ast.operator], Callable[[float, float], float | None]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right if right else None,
}


def parse_formula(text: str, series: int) -> ast.expr:
    """Return the tree of a formula over this number of series. Raises ParameterError."""
    valid = _("use %(letters)s, numbers, + - * / and parentheses, such as A / %(last)s.") % {
        "letters": ", ".join(LETTERS[:series]),
        "last": LETTERS[series - 1],
    }
    if len(text) > MAX_LENGTH:
        raise ParameterError("formula", _("longer than %(maximum)s characters; shorten it.") % {"maximum": MAX_LENGTH})
    try:
        tree = ast.parse(text.strip().upper(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ParameterError(
            "formula", _("%(text)s is not valid; %(valid)s") % {"text": repr(text), "valid": valid}
        ) from error
    _check(tree, text, LETTERS[:series], valid)
    return tree


def _check(node: ast.expr, text: str, letters: str, valid: str) -> None:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        _check(node.left, text, letters, valid)
        _check(node.right, text, letters, valid)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check(node.operand, text, letters, valid)
    else:
        is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        is_letter = isinstance(node, ast.Name) and node.id in letters
        if not (is_number or is_letter):
            raise ParameterError(
                "formula", _("%(text)s is not valid; %(valid)s") % {"text": repr(text), "valid": valid}
            )


def compute_formula(node: ast.expr, values: Sequence[float | None]) -> float | None:
    """Return the value of a formula; None if a series has none, for a division by zero, and for a number that is too large for JSON."""
    value = _compute(node, values)
    return value if value is not None and isfinite(value) else None


def _compute(node: ast.expr, values: Sequence[float | None]) -> float | None:
    if isinstance(node, ast.BinOp):
        left, right = _compute(node.left, values), _compute(node.right, values)
        return None if left is None or right is None else OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        operand = _compute(node.operand, values)
        return None if operand is None else -operand
    if isinstance(node, ast.Name):
        return values[LETTERS.index(node.id)]
    assert isinstance(node, ast.Constant)
    return float(node.value)  # type: ignore[arg-type]
