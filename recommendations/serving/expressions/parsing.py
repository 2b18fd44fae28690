"""Parses the filter and the boost of a request, in both forms."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from django.utils.translation import gettext as _

from config.foundation.json_nesting import load_json
from recommendations.serving.expressions.attributes import CATALOG_PREFIX
from recommendations.serving.expressions.comparison_checks import require_length
from recommendations.serving.expressions.expression import Boost, Expression, ExpressionError
from recommendations.serving.expressions.json_parser import parse_boost_json, parse_filter_json
from recommendations.serving.expressions.text_parser import parse_boost_text, parse_filter_text

MAX_PARSED = 1024  # texts of different requests whose expressions are kept


def parse_filter(raw: object) -> Expression:
    """Return the expression of a filter: a text, a tree as JSON text, or a tree. Errors: ExpressionError."""
    return parse_filter_parameter(raw) if isinstance(raw, str) else parse_filter_json(raw)


def parse_boosts(raw: object) -> tuple[Boost, ...]:
    """Return boosts: a text, a list as JSON text, or a list. Errors: ExpressionError."""
    return parse_boost_parameter(raw) if isinstance(raw, str) else parse_boost_json(raw)


@lru_cache(maxsize=MAX_PARSED)
def parse_filter_parameter(text: str) -> Expression:
    """Return the expression of a text or of JSON. Errors: ExpressionError."""
    require_length(text)
    return parse_filter_json(load_tree(text)) if text.lstrip().startswith("{") else parse_filter_text(text)


@lru_cache(maxsize=MAX_PARSED)
def parse_boost_parameter(text: str) -> tuple[Boost, ...]:
    """Return the boosts of a text or of JSON. Errors: ExpressionError."""
    require_length(text)
    return parse_boost_json(load_tree(text)) if text.lstrip().startswith("[") else parse_boost_text(text)


def load_tree(text: str) -> object:
    """Return parsed JSON. Errors: ExpressionError."""
    try:
        return load_json(text)
    except json.JSONDecodeError as error:
        raise ExpressionError(
            _("Position %(position)d: %(problem)s")
            % {"position": error.pos + 1, "problem": _("This is not valid JSON.")}
        ) from error
    except ValueError as error:
        raise ExpressionError(_("This is not valid JSON.")) from error


def find_internal_attributes(filters: Expression | None, boosts: tuple[Boost, ...]) -> Mapping[str, str]:
    """Return an error for each parameter that compares what a browser must not learn."""
    used = {
        "filter": filters.internal_attributes if filters is not None else [],
        "boost": sorted({name for boost in boosts for name in boost.expression.internal_attributes}),
    }
    return {parameter: describe_internal_attributes(names) for parameter, names in used.items() if names}


def describe_internal_attributes(names: Sequence[str]) -> str:
    """Return the error of a browser's request that compares these attributes."""
    message = _("%(names)s cannot be used with a publishable key. Use a secret key from a server.")
    hint = " " + _("PUBLIC_ATTRIBUTES lists the attributes of the catalog that browsers may use.")
    is_catalog = any(name.startswith(CATALOG_PREFIX) for name in names)
    return message % {"names": ", ".join(names)} + (hint if is_catalog else "")
