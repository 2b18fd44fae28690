"""REST API of autocomplete."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.rest.known_names import KnownFieldsMixin
from recommendations.serving.expressions.expression import Expression
from recommendations.serving.expressions.parsing import find_internal_attributes
from recommendations.serving.rest.expression_fields import FilterField
from recommendations.serving.rest.request import FILTER_NOTE
from recommendations.serving.rest.search.api import SearchNotReady
from recommendations.serving.search.personalization import get_popularity_scores
from recommendations.serving.search.queries.autocomplete import Autocompletion, autocomplete
from recommendations.serving.search.request import MAX_QUERY_LENGTH, SearchRequest
from recommendations.serving.search.searcher import Searcher, SearchNotReadyError, searcher
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.search.visitor_search import apply_shop_rules
from recommendations.serving.visitor_claims import read_caller

MAX_SUGGESTIONS = 20


class AutocompleteQuerySerializer(KnownFieldsMixin, serializers.Serializer):
    q = serializers.CharField(
        max_length=MAX_QUERY_LENGTH, allow_blank=True, trim_whitespace=False, help_text="What was typed so far."
    )
    n = serializers.IntegerField(
        min_value=1, max_value=MAX_SUGGESTIONS, default=5, help_text="Number of queries, categories and products each."
    )
    filter = FilterField(required=False, accepts_blank=True, help_text=FILTER_NOTE)


class AutocompleteProductSerializer(serializers.Serializer):
    product_id = serializers.CharField()
    title = serializers.CharField()
    price = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_blank=True)
    image_url = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)


class AutocompleteResponseSerializer(serializers.Serializer):
    query = serializers.CharField()
    queries = serializers.ListField(child=serializers.CharField(), help_text="Completed or corrected queries.")
    categories = serializers.ListField(
        child=serializers.CharField(), help_text="Paths of the categories in which matching products sell best."
    )
    products = AutocompleteProductSerializer(many=True)


class AutocompleteView(APIView):
    """Suggest queries, categories and products for a query that is still being typed; the same for all visitors."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read"}
    checks_parameters = True
    publishable = True

    @extend_schema(
        operation_id="autocomplete",
        parameters=[AutocompleteQuerySerializer],
        responses=AutocompleteResponseSerializer,
        tags=["search"],
    )
    def get(self, request: Request) -> Response:
        query = AutocompleteQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        expression = query.validated_data.get("filter")
        if read_caller(request).is_browser and (errors := find_internal_attributes(expression, ())):
            raise ValidationError(errors)
        return Response(suggest(query.validated_data["q"], n=query.validated_data["n"], expression=expression))


def suggest(query: str, *, n: int, source: Searcher = searcher, expression: Expression | None = None) -> dict[str, Any]:
    """Return the body of a response, in the active language."""
    now = timezone.now()
    try:
        snapshot = source.get_snapshot(now=now)
    except SearchNotReadyError as error:
        raise SearchNotReady(str(error)) from error
    completed = autocomplete(
        query,
        snapshot=snapshot,
        language=get_language() or "",
        n=n,
        popularity=get_popularity_scores(snapshot.state),
        rules=apply_shop_rules(SearchRequest(q=query), snapshot.state, now),
        expression=expression,
    )
    return build_body(completed, snapshot)


def build_body(completed: Autocompletion, snapshot: SearchSnapshot) -> dict[str, Any]:
    cards = [card for hit in completed.hits if (card := snapshot.catalog.cards[hit.row]) is not None]
    return {
        "query": completed.query,
        "queries": list(completed.queries),
        "categories": list(completed.categories),
        "products": [
            {
                "product_id": card.product_id,
                "title": card.title,
                "price": None if card.price is None else str(card.price),
                "currency": card.currency,
                "image_url": card.image_url,
                "url": card.url,
            }
            for card in cards
        ],
    }
