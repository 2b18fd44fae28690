"""REST API of the product search."""

from typing import ClassVar

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from recommendations.serving.rest.search.request import SearchQuerySerializer, parse_search_pairs
from recommendations.serving.rest.search.serializers import SearchResponseSerializer
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.search.request import InvalidSearchError
from recommendations.serving.search.searcher import SearchNotReadyError
from recommendations.serving.visitor_claims import read_caller, verify_visitor


def list_pairs(params: QueryDict) -> list[tuple[str, str]]:
    """Return the parameters of a URL with their repetitions."""
    return [(name, value) for name, values in params.lists() for value in values]


class SearchNotReady(APIException):
    status_code = 503
    default_code = "not_ready"


class SearchView(APIView):
    """Search products by text and return them in a personal order.

    Supports languages written with and without spaces (English, Chinese, Japanese), unfinished and misspelled words, and synonyms. A
    product id or SKU puts its product first. `attributes.NAME=value` keeps only products with that value; several of them must all match.
    Facets count all matching products; a facet with an active filter is counted without that filter. If nothing matches, popular products
    are returned and `fallback` says so; with a filter the list is empty instead, and `empty_reason` says why.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read"}
    checks_parameters = True
    publishable = True

    @extend_schema(
        operation_id="search",
        parameters=[SearchQuerySerializer],
        responses=SearchResponseSerializer,
        tags=["search"],
    )
    def get(self, request: Request) -> HttpResponse:
        try:
            now = timezone.now()
            claimed = parse_search_pairs(list_pairs(request.query_params))
            body = serve_search(request=verify_visitor(claimed, caller=read_caller(request), now=now), now=now)
        except InvalidSearchError as error:
            raise ValidationError({name: [message] for name, message in error.errors.items()}) from error
        except SearchNotReadyError as error:
            raise SearchNotReady(str(error)) from error
        return HttpResponse(body, content_type="application/json")
