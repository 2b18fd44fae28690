"""The request schema of several placements at once."""

from decimal import Decimal
from typing import Annotated, Any, NoReturn

import msgspec
from django.utils.translation import gettext as _
from msgspec import Meta
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.request import MAX_ITEMS, RecommendationRequest, describe_unknown_placement
from recommendations.serving.rest.request import (
    BOOST_NOTE,
    COLD_START_NOTE,
    FILTER_NOTE,
    PERSONALISED_NOTE,
    make_request,
)
from recommendations.serving.rest.schema import build_serializer, make_expression_type, make_text_type

MAX_PLACEMENTS = 20
MAX_LISTED = 1000
# what all placements of a page have in common; the rest of the body is about single placements
SHARED_FIELDS = (
    "user_id", "anonymous_id", "session_id", "landing_category", "language", "country", "device", "personalised", "explain",
)  # fmt: skip


class PlacementBody(msgspec.Struct, kw_only=True):
    """The parameters of one placement."""

    scenario: str
    key: make_text_type(100, "Your name for it, which the response repeats.") = ""  # type: ignore[valid-type]
    product_id: make_text_type(200, "The product to start from; required by similar.") = ""  # type: ignore[valid-type]
    product_ids: Annotated[
        list[Annotated[str, Meta(max_length=200)]],
        Meta(max_length=MAX_LISTED, description="Products which cart and bought-together start from."),
    ] = []
    n: Annotated[int, Meta(ge=1, le=MAX_ITEMS, description="Number of items.")] = 10
    category: make_text_type(1000, "A category path; includes the categories below it.") = ""  # type: ignore[valid-type]
    brand: make_text_type(200, "Only products of this brand.") = ""  # type: ignore[valid-type]
    price_min: Annotated[Decimal | None, Meta(description="Lowest price.")] = None
    price_max: Annotated[Decimal | None, Meta(description="Highest price.")] = None
    in_stock: Annotated[bool, Meta(description="False: include sold-out products.")] = True
    filter: make_expression_type("filter", FILTER_NOTE, in_body=True) = ""  # type: ignore[valid-type]
    boost: make_expression_type("boost", BOOST_NOTE, in_body=True) = ""  # type: ignore[valid-type]
    exclude: Annotated[
        list[Annotated[str, Meta(max_length=200)]],
        Meta(max_length=MAX_LISTED, description="Products not to show."),
    ] = []
    diversity: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="0: best products first; 1: as varied as possible. Default: the setting of the placement."),
    ] = None
    distinct: Annotated[
        bool, Meta(description="False: show several variants of a product, and nearly identical products.")
    ] = True
    strict: Annotated[
        bool | None, Meta(description="As for a single placement: true, no fallback; false, drop filters if needed.")
    ] = None


class SharedBody(msgspec.Struct, kw_only=True):
    """The parameters of the visitor and of the page, for all placements."""

    user_id: make_text_type(255, "The shop's customer ID.") = ""  # type: ignore[valid-type]
    anonymous_id: make_text_type(255, "The visitor's ID in the browser.") = ""  # type: ignore[valid-type]
    session_id: make_text_type(255, "The session; as for a single placement.") = ""  # type: ignore[valid-type]
    landing_category: make_text_type(  # type: ignore[valid-type]
        1000, f"{COLD_START_NOTE}: the path of the category where they entered the shop. It filters nothing."
    ) = ""
    language: make_text_type(35, f"{COLD_START_NOTE}: for example en or en-GB.") = ""  # type: ignore[valid-type]
    country: make_text_type(100, f"{COLD_START_NOTE}: the value that events send.") = ""  # type: ignore[valid-type]
    device: make_text_type(100, f"{COLD_START_NOTE}: for example mobile.") = ""  # type: ignore[valid-type]
    personalised: Annotated[bool, Meta(description=PERSONALISED_NOTE)] = True
    explain: Annotated[bool, Meta(description="False: omit the reasons.")] = True
    distinct: Annotated[bool, Meta(description="False: a product may be in several placements.")] = True


PlacementBodySerializer = build_serializer("PlacementBodySerializer", PlacementBody, in_body=True)
SharedBodySerializer = build_serializer("SharedBodySerializer", SharedBody, in_body=True)


class PlacementField(serializers.ChoiceField):
    """The name of a placement."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=list(PLACEMENTS), **options)

    def fail(self, key: str, **values: Any) -> NoReturn:
        if key == "invalid_choice":
            raise ValidationError(describe_unknown_placement(values["input"]), key)
        super().fail(key, **values)
        raise AssertionError


class NamedPlacementBodySerializer(PlacementBodySerializer):  # type: ignore[valid-type, misc]
    scenario = PlacementField(help_text="The placement.")


class PlacementBatchSerializer(SharedBodySerializer):  # type: ignore[misc, valid-type]
    placements = NamedPlacementBodySerializer(
        many=True, min_length=1, max_length=MAX_PLACEMENTS, help_text="From the top of the page to the bottom."
    )

    def validate_placements(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [row.get("key") for row in rows]
        errors: list[dict[str, list[ErrorDetail]]] = [
            {"key": [ErrorDetail(_("Another placement has this key; use each key once."), "unique")]}
            if key and key in keys[:position]
            else {}
            for position, key in enumerate(keys)
        ]
        if any(errors):
            raise ValidationError(errors)
        return rows


def build_requests(body: dict[str, Any]) -> list[RecommendationRequest]:
    """Return the request of each placement of a validated body."""
    shared = {name: body[name] for name in SHARED_FIELDS if name in body}
    requests = []
    for row in body["placements"]:
        values = {name: value for name, value in row.items() if name not in ("scenario", "key")}
        requests.append(make_request(row["scenario"], {**shared, **values}))
    return requests
