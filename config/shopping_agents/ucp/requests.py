"""The requests of the UCP catalog; an invalid one gets an error that names the field and what it should be."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from config.foundation.json_nesting import NestingError, require_shallow_json

MAX_IDS = 50
MAX_LIMIT = 50
MAX_BODY_BYTES = 100_000
type Text = Annotated[str, Meta(min_length=1, max_length=200)]
type Amount = Annotated[int, Meta(ge=0, le=10**13)]


class InvalidCatalogRequestError(Exception):
    """A request cannot be answered; ``code`` and the text say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CatalogPriceFilter(msgspec.Struct):
    """Bounds of prices in minor units."""

    min: Amount | None = None
    max: Amount | None = None


class CatalogFilters(msgspec.Struct):
    """Filters; further ones are allowed by the specification and ignored."""

    categories: Annotated[list[Annotated[str, Meta(min_length=1, max_length=1000)]], Meta(max_length=20)] = []
    price: CatalogPriceFilter | None = None


class BuyerContext(msgspec.Struct):
    """Hints of the market. The currency is the one of the price filters."""

    currency: str = ""
    language: str = ""


class CatalogPagination(msgspec.Struct):
    """A page of results."""

    cursor: Annotated[str, Meta(max_length=200)] = ""
    limit: Annotated[int, Meta(ge=1)] = 10


class CatalogSearchBody(msgspec.Struct):
    """The body of `POST /catalog/search`."""

    query: Annotated[str, Meta(max_length=200)] = ""
    filters: CatalogFilters = msgspec.field(default_factory=CatalogFilters)
    context: BuyerContext = msgspec.field(default_factory=BuyerContext)
    pagination: CatalogPagination = msgspec.field(default_factory=CatalogPagination)


class CatalogLookupBody(msgspec.Struct):
    """The body of `POST /catalog/lookup`."""

    ids: Annotated[list[Text], Meta(min_length=1)]
    filters: CatalogFilters = msgspec.field(default_factory=CatalogFilters)
    context: BuyerContext = msgspec.field(default_factory=BuyerContext)


class SelectedOption(msgspec.Struct):
    """A value that the buyer has chosen."""

    name: Text
    label: Text


class CatalogProductBody(msgspec.Struct):
    """The body of `POST /catalog/product`."""

    id: Text
    selected: Annotated[list[SelectedOption], Meta(max_length=20)] = []
    preferences: Annotated[list[Text], Meta(max_length=20)] = []
    filters: CatalogFilters = msgspec.field(default_factory=CatalogFilters)
    context: BuyerContext = msgspec.field(default_factory=BuyerContext)


def parse_body[Body: CatalogSearchBody | CatalogLookupBody | CatalogProductBody](data: bytes, kind: type[Body]) -> Body:
    """Return the body of a request. Errors: InvalidCatalogRequestError."""
    if len(data) > MAX_BODY_BYTES:
        raise InvalidCatalogRequestError("request_too_large", f"The body has more than {MAX_BODY_BYTES} bytes.")
    try:
        require_shallow_json(data)
        body = msgspec.json.decode(data, type=kind)
    except (NestingError, msgspec.ValidationError) as error:
        raise InvalidCatalogRequestError("invalid_request", f"{error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidCatalogRequestError("invalid_json", f"The body is not valid JSON: {error}.") from error
    if isinstance(body, CatalogLookupBody) and len(body.ids) > MAX_IDS:
        raise InvalidCatalogRequestError(
            "request_too_large", f"ids has {len(body.ids)} values; the maximum is {MAX_IDS}."
        )
    if any("\0" in text for text in list_texts(msgspec.to_builtins(body))):
        raise InvalidCatalogRequestError("invalid_request", "A text contains a NUL character; remove it.")
    return body


def list_texts(value: Any) -> list[str]:
    """Return all texts in a JSON value of at most 64 levels."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in list_texts(part)]


def convert_amount(amount: int | None, decimals: int) -> Decimal | None:
    """Return an amount of minor units in the unit of the currency."""
    return None if amount is None else Decimal(amount).scaleb(-decimals)
