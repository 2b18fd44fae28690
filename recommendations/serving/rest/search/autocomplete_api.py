"""REST API of autocomplete."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from config.foundation.rest.known_names import KnownFieldsMixin
from recommendations.serving.rest.expression_fields import FilterField
from recommendations.serving.rest.request import FILTER_NOTE
from recommendations.serving.rest.search.api import SearchNotReady
from recommendations.serving.rest.search.autocomplete import serve_autocomplete
from recommendations.serving.search.queries.autocomplete import (
    DEFAULT_SUGGESTIONS,
    MAX_SUGGESTIONS,
    AutocompleteRequest,
)
from recommendations.serving.search.request import MAX_QUERY_LENGTH, InvalidSearchError
from recommendations.serving.search.searcher import SearchNotReadyError
from recommendations.serving.visitor_claims import read_caller


class AutocompleteQuerySerializer(KnownFieldsMixin, serializers.Serializer):
    q = serializers.CharField(
        max_length=MAX_QUERY_LENGTH, allow_blank=True, trim_whitespace=False, help_text="What was typed so far."
    )
    n = serializers.IntegerField(
        min_value=1,
        max_value=MAX_SUGGESTIONS,
        default=DEFAULT_SUGGESTIONS,
        help_text="Number of queries, categories and products each.",
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
    def get(self, request: Request) -> HttpResponse:
        query = AutocompleteQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        values = query.validated_data
        asked = AutocompleteRequest(
            values["q"], values["n"], values.get("filter"), get_language() or "", read_caller(request).is_browser
        )
        try:
            body = serve_autocomplete(request=asked, now=timezone.now())
        except InvalidSearchError as error:
            raise ValidationError(error.errors) from error
        except SearchNotReadyError as error:
            raise SearchNotReady(str(error)) from error
        return HttpResponse(body, content_type="application/json")
