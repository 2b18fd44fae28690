"""REST: search of the products."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from recommendations.serving.rest.search.request import WrongSearchError
from recommendations.serving.rest.search.response import answer_bytes
from recommendations.serving.rest.search.serializers import SearchAnswerSerializer, SearchQuerySerializer
from recommendations.serving.search.searcher import NotReadyError


class NotReadyYet(APIException):
    status_code = 503
    default_code = "not_ready"


class SearchView(APIView):
    """Finds products by what somebody types, and orders them for that person.

    English and whatever is written with spaces, Chinese and Japanese without; unfinished and misspelt words; synonyms. A product
    id or SKU finds its product first. `attributes.NAME=value` leaves the products
    with that value, several of them those with all. Facets count over all that was found; those of a filter that is set, over what would be found
    without it. Where nothing is found, popular products come instead and `fallback` says so.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="search",
        parameters=[SearchQuerySerializer],
        responses=SearchAnswerSerializer,
        tags=["search"],
    )
    def get(self, request: Request) -> HttpResponse:
        try:
            body = answer_bytes(request.query_params.dict(), timezone.now())
        except WrongSearchError as error:
            raise ValidationError({name: [message] for name, message in error.errors.items()}) from error
        except NotReadyError as error:
            raise NotReadyYet(str(error)) from error
        return HttpResponse(body, content_type="application/json")
