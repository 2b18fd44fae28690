"""A recommendation request, its validation, and the identifiers of responses and pages."""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from recommendations.engine.placements import PLACEMENTS, SIMILAR, PlacementInput
from recommendations.serving.expressions.expression import Boost, Expression
from recommendations.serving.expressions.parsing import find_internal_attributes

MAX_ITEMS = 100
MAX_SCORED_PRODUCTS = 200  # products of a cart that are scored; further ones are ignored
MAX_OFFSET = 10_000
MAX_SHOWN = 100  # characters of a wrong value in an error


class InvalidRequestError(Exception):
    """An invalid request; the message of each field names the value and the valid ones."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class RecommendationRequest:
    """A request for the products of a placement.

    category: a path, which includes the categories below it. landing_category (a path too), language, country and device
    describe a visitor without a history; they filter nothing. diversity: None for the setting of the placement. strict: True
    for no fallback at all, False for one that may drop the filters, None for one within the filters. distinct: False for all
    products of a group, such as the variants of one. personalised: False for what everyone gets. filter, boost: see `expressions`.
    is_browser, is_unverified, is_agent: set by `visitor_claims.verify_visitor`.
    """

    scenario: str
    user_id: str = ""
    anonymous_id: str = ""
    session_id: str = ""
    product_ids: Sequence[str] = ()
    n: int = 10
    cursor: str = ""
    category: str = ""
    landing_category: str = ""
    language: str = ""
    country: str = ""
    device: str = ""
    brand: str = ""
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool = True
    filter: Expression | None = None
    boost: tuple[Boost, ...] = ()
    exclude: Sequence[str] = ()
    diversity: float | None = None
    explain: bool = True
    strict: bool | None = None
    distinct: bool = True
    personalised: bool = True
    is_browser: bool = False
    is_unverified: bool = False
    is_agent: bool = False

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        """The identifiers that name the visitor, as (kind, value); none for a response that is the same for everyone."""
        return list_identifiers(self.user_id, self.anonymous_id) if self.personalised else []


def list_identifiers(user_id: str, anonymous_id: str) -> list[tuple[str, str]]:
    """Return the identifiers that are not empty, as (kind, value)."""
    return [(kind, value) for kind, value in (("user_id", user_id), ("anonymous_id", anonymous_id)) if value]


def describe_unknown_placement(name: object) -> str:
    """Return the error of a placement that does not exist."""
    return _("Unknown placement %(given)s; valid: %(valid)s.") % {
        "given": repr(name)[:MAX_SHOWN],
        "valid": ", ".join(PLACEMENTS),
    }


def validate_request(request: RecommendationRequest) -> None:
    """Check the request for contradictions. Errors: InvalidRequestError with all of them."""
    errors: dict[str, str] = {}
    placement = PLACEMENTS.get(request.scenario)
    if placement is None:
        errors["scenario"] = describe_unknown_placement(request.scenario)
    elif placement.start == PlacementInput.PRODUCTS and not request.product_ids:
        if request.scenario == SIMILAR:
            text = _("%(scenario)s requires %(field)s, the products that recommendations are based on.")
            errors["product_id"] = text % {"scenario": SIMILAR, "field": "product_id"}
        else:
            text = _("%(scenario)s requires product_id or product_ids, the products that recommendations are based on.")
            errors["product_ids"] = text % {"scenario": request.scenario}
    if not 1 <= request.n <= MAX_ITEMS:
        errors["n"] = _("n is %(n)s; valid: 1 to %(max)d.") % {"n": request.n, "max": MAX_ITEMS}
    low, high = request.price_min, request.price_max
    if low is not None and high is not None and low > high:
        errors["price_min"] = _("price_min %(low)s is greater than price_max %(high)s.") % {"low": low, "high": high}
    if request.is_browser:
        errors |= find_internal_attributes(request.filter, request.boost)
    if errors:
        raise InvalidRequestError(errors)


def make_recommendation_id(now: datetime) -> str:
    """Return a UUID of version 7 (RFC 9562), so that ids sort by time.

    48 bits of milliseconds, then random bits.
    """
    value = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10))
    # version 7 in bits 76 to 79, variant 2 in bits 62 and 63
    value = value & ~(0xF << 76) | (7 << 76)
    value = value & ~(0x3 << 62) | (2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def write_cursor(offset: int, minute: int) -> str:
    """Return the cursor of a page.

    minute: since 1970, of the first page, so that all pages show the same new products.
    """
    return base64.urlsafe_b64encode(f"{offset}.{minute}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, now: datetime) -> tuple[int, int]:
    """Return offset and minute. Errors: InvalidRequestError."""
    if not cursor:
        return 0, int(now.timestamp() // 60)
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii")
        offset, minute = (int(part) for part in text.split("."))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequestError({"cursor": _("cursor is invalid; use next_cursor of a response.")}) from error
    if not (0 <= offset <= MAX_OFFSET and 0 <= minute < 2**40):
        raise InvalidRequestError({"cursor": _("cursor is invalid; use next_cursor of a response.")})
    return offset, minute
