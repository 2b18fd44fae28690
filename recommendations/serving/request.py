"""What is asked of serving, and what is wrong with it."""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from recommendations.engine.placements import SCENARIOS, SIMILAR, Start

MOST_PER_REQUEST = 100
MOST_NAMED = 200  # products of a basket that count; what is named beyond is left out of the scores
MOST_OFFSET = 10_000


class WrongRequestError(Exception):
    """A request that no answer fits; names the field and what would be right."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field = field_name
        self.message = message


@dataclass(frozen=True)
class Request:
    """What is asked for. ``category`` is a path and includes what lies below it.

    ``landing_category`` (a path too), ``language``, ``country`` and ``device`` say of somebody without a history where they arrived
    and who they are; nothing is left out by them. diversity: None as the place is set.
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
    exclude: Sequence[str] = ()
    diversity: float | None = None
    explain: bool = True
    strict: bool = False

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        pairs = (("user_id", self.user_id), ("anonymous_id", self.anonymous_id))
        return [(kind, value) for kind, value in pairs if value]


def require_request(request: Request) -> None:
    """Errors: WrongRequestError."""
    scenario = SCENARIOS.get(request.scenario)
    if scenario is None:
        raise WrongRequestError(
            "scenario",
            _("There is no scenario %(given)s; there are %(known)s.")
            % {"given": repr(request.scenario), "known": ", ".join(SCENARIOS)},
        )
    if not 1 <= request.n <= MOST_PER_REQUEST:
        raise WrongRequestError("n", _("n is %(n)s; give 1 to %(most)d.") % {"n": request.n, "most": MOST_PER_REQUEST})
    if scenario.start == Start.PRODUCTS and not request.product_ids:
        field_name = "product_id" if request.scenario == SIMILAR else "product_ids"
        raise WrongRequestError(
            field_name,
            _("%(scenario)s needs %(field)s: what to start from.")
            % {"scenario": request.scenario, "field": field_name},
        )
    low, high = request.price_min, request.price_max
    if low is not None and high is not None and low > high:
        raise WrongRequestError(
            "price_min",
            _("price_min %(low)s is above price_max %(high)s.") % {"low": low, "high": high},
        )


def make_recommendation_id(now: datetime) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then chance, so that ids sort by time."""
    value = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | (7 << 76)
    value = value & ~(0x3 << 62) | (2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def write_cursor(offset: int, minute: int) -> str:
    """minute: since 1970, of the first page: the next ones try the same new products."""
    return base64.urlsafe_b64encode(f"{offset}.{minute}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, now: datetime) -> tuple[int, int]:
    """Offset and minute. Errors: WrongRequestError."""
    if not cursor:
        return 0, int(now.timestamp() // 60)
    try:
        told = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii").split(".")
        offset, minute = (int(part) for part in told)
    except (ValueError, binascii.Error) as error:
        raise WrongRequestError("cursor", _("cursor is not one that an answer gave.")) from error
    if not (0 <= offset <= MOST_OFFSET and 0 <= minute < 2**40):
        raise WrongRequestError("cursor", _("cursor is not one that an answer gave."))
    return offset, minute
