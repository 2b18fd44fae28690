"""REST endpoints of analytics: asking questions, their people, saved reports and dashboards."""

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view, inline_serializer
from rest_framework import generics, serializers, status
from rest_framework.exceptions import APIException, PermissionDenied, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from config.foundation.json_nesting import load_json
from config.foundation.rest.pagination import CURSOR_PATTERN, MAX_LIMIT, decode_cursor, encode_cursor, read_limit
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.models import Dashboard, SavedReport
from customers.analytics.people import find_people, parse_selection
from customers.analytics.questions.registry import QUESTIONS
from customers.analytics.rest.serializers import (
    KEY_LENGTH,
    AnalyticsQuerySerializer,
    AnalyticsQuestionSerializer,
    DashboardSerializer,
    PeopleQuerySerializer,
    SavedReportSerializer,
)
from customers.analytics.results import ResultState, cancel_result, count_pending, find_result, get_result
from customers.identity.models import Customer
from customers.segments.membership import annotate_list_columns
from customers.segments.rest.serializers import MemberSerializer
from customers.warehouse.current_tables import NO_EXPORT, is_export_missing
from customers.warehouse.engines.base import WarehouseEngineError, describe_absence

logger = logging.getLogger(__name__)

READ, READ_CUSTOMERS = "analytics:read", "customers:read"
# further computations are refused, because they would only delay those that pages wait for
MAX_PENDING = 30
RETRY_SECONDS = 5


class NoResultError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("The result is being computed. Try again in a moment.")
    default_code = "conflict"


class NoExportError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = NO_EXPORT
    default_code = "conflict"


class EngineAwayError(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "warehouse_engine_unreachable"


def find_query(query_id: str) -> ResultState:
    """Return the stored state of a query. Raises Http404."""
    question, _dash, key = query_id.rpartition("-")
    if question not in QUESTIONS or len(key) != KEY_LENGTH or not key.isalnum() or not key.isascii():
        raise Http404
    state = find_result(question=question, key=key, now=timezone.now())
    if state is None:
        raise Http404
    return state


def respond(request: Request, state: ResultState) -> Response:
    """Return the state: 202 while it is computed."""
    code = status.HTTP_200_OK if state.pending_id is None else status.HTTP_202_ACCEPTED
    return Response(AnalyticsQuerySerializer(state, context={"request": request}).data, status=code)


class QueryList(APIView):
    """Ask a question.

    202: the answer is being computed in the background. Read it at `url`, for example every second; `result` has the last answer,
    if there is one. 200: nothing is being computed; `status` says whether there is an answer, or why not.

    Asking the same again is cheap: results are stored until newer data arrives. At most 30 computations wait at a time; then the
    response is 429. Before the first export of the warehouse it is 409, because figures would be zeros.
    """

    required_scopes: ClassVar[dict[str, str]] = {"POST": READ}
    conflicts = ("POST",)

    @extend_schema(
        operation_id="analytics_ask",
        request=AnalyticsQuestionSerializer,
        responses={200: AnalyticsQuerySerializer, 202: AnalyticsQuerySerializer},
    )
    def post(self, request: Request) -> Response:
        query = AnalyticsQuestionSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        values, now = query.validated_data, timezone.now()
        if is_export_missing():
            raise NoExportError
        if count_pending(now=now) >= MAX_PENDING:
            raise Throttled(RETRY_SECONDS, _("Too many questions are being computed."))
        state = get_result(
            question=values["question"], parameters=values["parameters"], now=now, is_forced=values["refresh"]
        )
        return respond(request, state)


class QueryDetail(APIView):
    """The status and the newest result of a question; POST it again to bring it up to date."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ, "DELETE": READ}

    @extend_schema(
        operation_id="analytics_query", responses={200: AnalyticsQuerySerializer, 202: AnalyticsQuerySerializer}
    )
    def get(self, request: Request, query_id: str) -> Response:
        return respond(request, find_query(query_id))

    @extend_schema(
        operation_id="analytics_cancel",
        description=gettext_lazy("Cancel the computation of the question."),
        responses={204: None},
    )
    def delete(self, request: Request, query_id: str) -> Response:
        state = find_query(query_id)
        if state.pending_id is not None:
            cancel_result(result_id=state.pending_id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


@dataclass(frozen=True)
class PeoplePage:
    """A page of people; count: of all pages."""

    count: int
    customers: list[Customer]
    next_cursor: str | None


class QueryPeople(APIView):
    """The people behind one figure of a result, as of the moment of the result, sorted by customer ID.

    It also needs the scope customers:read. The components AnalyticsFunnelSelection and so on describe how a figure is selected.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}
    conflicts = ("GET",)
    query_parameters = ("selection", "cursor", "limit")

    @extend_schema(
        operation_id="analytics_people",
        parameters=[
            PeopleQuerySerializer,
            OpenApiParameter("cursor", {"type": "string", "pattern": CURSOR_PATTERN}),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100}),
        ],
        responses=inline_serializer(
            "AnalyticsPeople",
            {
                "count": serializers.IntegerField(),
                "as_of": serializers.DateTimeField(),
                "results": MemberSerializer(many=True),
                "next_cursor": serializers.CharField(allow_null=True),
                "next": serializers.URLField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request, query_id: str) -> Response:
        if READ_CUSTOMERS not in request.auth.scopes:  # type: ignore[union-attr]
            raise PermissionDenied(_("This endpoint requires the scope %(scope)s.") % {"scope": READ_CUSTOMERS})
        query = PeopleQuerySerializer(data={"selection": request.query_params.get("selection") or "{}"})
        query.is_valid(raise_exception=True)
        limit, after = read_page(request)
        state = find_query(query_id)
        if state.as_of is None:
            raise NoResultError
        try:
            page = read_people(state, load_selection(query.validated_data["selection"]), limit=limit, after=after)
        except ParameterError as error:
            raise ValidationError({"selection": str(error)}) from error
        except WarehouseEngineError as error:
            logger.error("Answered 503: %s", error)
            raise EngineAwayError(describe_absence()) from error
        following = page.next_cursor and replace_query_param(request.build_absolute_uri(), "cursor", page.next_cursor)
        return Response(
            {
                "count": page.count,
                "as_of": state.as_of,
                "results": MemberSerializer(page.customers, many=True, context={"request": request}).data,  # type: ignore[arg-type]
                "next_cursor": page.next_cursor,
                "next": following,
            }
        )


def load_selection(text: str) -> Any:
    """Return the JSON values of a text. Raises ParameterError."""
    try:
        return load_json(text)
    except (ValueError, RecursionError):
        raise ParameterError("parameters", _("not a JSON object, such as {}.")) from None


def read_page(request: Request) -> tuple[int, int]:
    """Return the size of the page and the ID after which it starts."""
    limit, cursor = read_limit(request.query_params.get("limit")), request.query_params.get("cursor")
    return limit, decode_cursor(cursor, ("id",), Customer.objects.all())[0] if cursor else 0


def read_people(state: ResultState, content: Any, *, limit: int, after: int) -> PeoplePage:
    """Return a page of the people of a figure. Errors: ParameterError, WarehouseEngineError."""
    assert state.as_of is not None
    people = find_people(
        question=state.question.key,
        parameters=state.parameters,
        selection=parse_selection(state.question, content),
        now=state.as_of,
        limit=limit + 1,
        after=after,
    )
    ids = people.customer_ids[:limit]
    customers = annotate_list_columns(Customer.objects.filter(pk__in=ids)).order_by("pk")
    more = len(people.customer_ids) > limit
    return PeoplePage(people.count, list(customers), encode_cursor({"id": ids[-1]}, ("id",)) if more else None)


@extend_schema_view(get=extend_schema(operation_id="analytics_reports"))
class ReportList(generics.ListAPIView[SavedReport]):
    """The saved reports; question and parameters can be asked as they are."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}
    ordering = "id"
    queryset: QuerySet[SavedReport] = SavedReport.objects.filter(question__in=QUESTIONS)
    serializer_class = SavedReportSerializer


@extend_schema_view(get=extend_schema(operation_id="analytics_report"))
class ReportDetail(generics.RetrieveAPIView[SavedReport]):
    """One saved report."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}
    queryset: QuerySet[SavedReport] = SavedReport.objects.filter(question__in=QUESTIONS)
    serializer_class = SavedReportSerializer


@extend_schema_view(get=extend_schema(operation_id="analytics_dashboards"))
class DashboardList(generics.ListAPIView[Dashboard]):
    """The dashboards with their reports."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}
    ordering = "id"
    queryset: QuerySet[Dashboard] = Dashboard.objects.prefetch_related("reports")
    serializer_class = DashboardSerializer


@extend_schema_view(get=extend_schema(operation_id="analytics_dashboard"))
class DashboardDetail(generics.RetrieveAPIView[Dashboard]):
    """One dashboard with its reports."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}
    queryset: QuerySet[Dashboard] = Dashboard.objects.prefetch_related("reports")
    serializer_class = DashboardSerializer
