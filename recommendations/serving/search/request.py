"""A search request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from recommendations.serving.expressions.attributes import CATALOG_PREFIX
from recommendations.serving.expressions.expression import Boost, Expression

MAX_QUERY_LENGTH = 200
MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE = 100, 20
MAX_PRODUCT_IDS, MAX_ATTRIBUTES = 1000, 20
MAX_ID_LENGTH, MAX_PATH_LENGTH = 255, 1000


class SearchSort(StrEnum):
    RELEVANCE = "relevance"
    CHEAPEST = "price"
    MOST_EXPENSIVE = "-price"
    NEWEST = "newest"
    BEST_SELLING = "popular"


class InvalidSearchError(Exception):
    """A search with invalid parameters, each with the valid values."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class SearchRequest:
    """A search. category: a path, which includes the categories below it.

    q: empty for all products. filter, boost: see `expressions`. strict: whether to return nothing instead of popular products; by default,
    only if there is a filter. distinct: one product of each group, such as the variants of one. autocorrect: whether words may be
    misspelled. language: of the reader.
    """

    q: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    category: str = ""
    brand: str = ""
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool = True
    attributes: Mapping[str, str] = field(default_factory=dict)
    product_ids: tuple[str, ...] = ()
    filter: Expression | None = None
    boost: tuple[Boost, ...] = ()
    n: int = DEFAULT_PAGE_SIZE
    cursor: str = ""
    personalised: bool = True
    sort: SearchSort = SearchSort.RELEVANCE
    facets: bool = True
    explain: bool = True
    highlight: bool = False
    strict: bool | None = None
    distinct: bool = False
    autocorrect: bool = True
    language: str = ""
    is_browser: bool = False
    is_unverified: bool = False
    is_agent: bool = False

    @property
    def filter_names(self) -> list[str]:
        """The names of the filters of the request."""
        names = [
            name
            for name in ("category", "brand", "price_min", "price_max", "filter")
            if getattr(self, name) not in ("", None)
        ]
        return (
            names + [f"{CATALOG_PREFIX}{name}" for name in self.attributes] + ["product_ids"] * bool(self.product_ids)
        )

    @property
    def is_strict(self) -> bool:
        """Whether an empty list is better than popular products."""
        return self.strict if self.strict is not None else bool(self.filter_names)

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        """The identifiers that name the visitor, as (kind, value)."""
        pairs = (("user_id", self.user_id), ("anonymous_id", self.anonymous_id))
        return [(kind, value) for kind, value in pairs if value]

    @property
    def identifier_names(self) -> list[str]:
        """The identifiers that name the visitor, as "kind:value"."""
        return [f"{kind}:{value}" for kind, value in self.identifiers]
