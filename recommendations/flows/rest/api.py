"""REST endpoints of flows: definitions, state, entries and recipes."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.identity.models import Identifier
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.flows.definition_checks import DefinitionError
from recommendations.flows.models import Flow, FlowEntry
from recommendations.flows.problem_messages import describe_problem
from recommendations.flows.publishing import (
    FlowKeyTakenError,
    FlowStateError,
    create_flow,
    end_flow,
    lock_flow,
    pause_flow,
    publish_flow,
    resume_flow,
    save_draft,
)
from recommendations.flows.recipes.registry import RECIPES, RecipeError, create_flow_from_recipe
from recommendations.flows.rest.serializers import (
    EndFlowSerializer,
    FlowEntrySerializer,
    FlowResultsSerializer,
    FlowSerializer,
    RecipeRequestSerializer,
    RecipeSerializer,
)
from recommendations.flows.results import compute_flow_results
from recommendations.measurement.presentation.sentences import describe_comparison

READ, WRITE = "flows:read", "flows:write"


class FlowConflictError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("The state of the flow does not allow this.")
    default_code = "conflict"


@extend_schema_view(
    get=extend_schema(operation_id="flows_list"),
    post=extend_schema(operation_id="flows_create", description=gettext_lazy("Create a flow as a draft.")),
)
class FlowList(generics.ListCreateAPIView[Flow]):
    """All flows by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE}
    idempotent = True
    conflicts = ("POST",)
    queryset = Flow.objects.all()
    serializer_class = FlowSerializer
    ordering = "key"

    def perform_create(self, serializer: Any) -> None:
        values = serializer.validated_data
        try:
            serializer.instance = create_flow(
                key=values["key"],
                name=values["name"],
                description=values.get("description", ""),
                definition=values.get("definition"),
            )
            serializer.instance.holdout_share = values.get("holdout_share", serializer.instance.holdout_share)
            serializer.instance.attribution_days = values.get("attribution_days", serializer.instance.attribution_days)
            serializer.instance.save(update_fields=["holdout_share", "attribution_days"])
        except FlowKeyTakenError as error:
            raise FlowConflictError(str(error)) from error


@extend_schema_view(
    get=extend_schema(operation_id="flows_retrieve"),
    patch=extend_schema(
        operation_id="flows_change",
        description=gettext_lazy(
            "Change the given fields of the flow. A definition is stored as the draft, which is checked when it is published."
        ),
    ),
)
class FlowDetail(generics.RetrieveUpdateAPIView[Flow]):
    """One flow."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ, "PATCH": WRITE}
    conflicts = ("PATCH",)
    queryset = Flow.objects.all()
    serializer_class = FlowSerializer
    lookup_field = "key"
    http_method_names = ("get", "patch", "head", "options")

    def perform_update(self, serializer: Any) -> None:
        definition = serializer.validated_data.pop("definition", None)
        try:
            with transaction.atomic():
                # saving writes all fields: a change of the state meanwhile would be overwritten
                lock_flow(serializer.instance)
                flow = serializer.save()
                if definition is not None:
                    save_draft(flow=flow, definition=definition, by=None)
        except FlowStateError as error:
            raise FlowConflictError(str(error)) from error


class FlowStateView(APIView):
    """Base of the views that change the state of one flow."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": WRITE}
    idempotent = True
    conflicts = ("POST",)
    methods_without_body: ClassVar[tuple[str, ...]] = ("POST",)

    @cached_property
    def flow(self) -> Flow:
        return get_object_or_404(Flow, key=self.kwargs["key"])

    def respond(self) -> Response:
        return Response(FlowSerializer(self.flow).data)


class FlowPublish(FlowStateView):
    """Publish the draft. People who are inside finish on the version that they entered."""

    @extend_schema(operation_id="flows_publish", request=None, responses=FlowSerializer)
    def post(self, request: Request, key: str) -> Response:
        try:
            publish_flow(flow=self.flow, now=timezone.now())
        except DefinitionError as error:
            raise ValidationError({"definition": [describe_problem(problem) for problem in error.problems]}) from error
        except FlowStateError as error:
            raise FlowConflictError(str(error)) from error
        return self.respond()


class FlowPause(FlowStateView):
    """Pause a live flow: nobody enters, and nothing is sent."""

    @extend_schema(operation_id="flows_pause", request=None, responses=FlowSerializer)
    def post(self, request: Request, key: str) -> Response:
        try:
            pause_flow(flow=self.flow)
        except FlowStateError as error:
            raise FlowConflictError(str(error)) from error
        return self.respond()


class FlowResume(FlowStateView):
    """Continue a paused flow."""

    @extend_schema(operation_id="flows_resume", request=None, responses=FlowSerializer)
    def post(self, request: Request, key: str) -> Response:
        try:
            resume_flow(flow=self.flow, now=timezone.now())
        except FlowStateError as error:
            raise FlowConflictError(str(error)) from error
        return self.respond()


class FlowEnd(FlowStateView):
    """End a flow. The people inside finish, or are removed."""

    methods_without_body = ()

    @extend_schema(operation_id="flows_end", request=EndFlowSerializer, responses=FlowSerializer)
    def post(self, request: Request, key: str) -> Response:
        serializer = EndFlowSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            removes_people = serializer.validated_data["people"] == "remove"
            end_flow(flow=self.flow, now=timezone.now(), removes_people=removes_people)
        except FlowStateError as error:
            raise FlowConflictError(str(error)) from error
        return self.respond()


@extend_schema_view(get=extend_schema(operation_id="flows_entries"))
class FlowEntries(generics.ListAPIView[FlowEntry]):
    """The stays of customers in a flow, oldest first.

    A user ID that is an email address or a phone number is `•••` if the key lacks the scope `customers:personal`.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}
    serializer_class = FlowEntrySerializer
    queryset = FlowEntry.objects.none()
    ordering = "id"

    def get_queryset(self) -> QuerySet[FlowEntry]:
        if getattr(self, "swagger_fake_view", False):
            return FlowEntry.objects.none()
        flow = get_object_or_404(Flow, key=self.kwargs["key"])
        ids = Identifier.objects.filter(customer=OuterRef("customer_id"), kind=Identifier.Kind.USER_ID).order_by("pk")
        entries = FlowEntry.objects.filter(flow=flow).select_related("version")
        return entries.annotate(user_id=Subquery(ids.values("value")[:1]))

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        with_personal = may_see_personal(self.request)
        for entry in page or ():
            entry.user_id = mask_id(entry.user_id, with_personal=with_personal) if entry.user_id else None
        return page


class FlowResultsView(APIView):
    """What the flow caused: revenue, margin, orders and conversions against the holdout group."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(operation_id="flows_results", responses=FlowResultsSerializer)
    def get(self, request: Request, key: str) -> Response:
        results = compute_flow_results(get_object_or_404(Flow, key=key), as_of=timezone.now())
        currency = get_amount_currency()
        headline = describe_comparison(results.comparison, currency)
        values = {
            **vars(results.comparison),
            "goal": results.goal,
            "currency": currency,
            "headline": headline,
            "recommended": results.recommended,
        }
        return Response(FlowResultsSerializer(values).data)


class RecipeList(APIView):
    """The recipes: flows that are ready to start."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(operation_id="flows_recipes", responses=RecipeSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(RecipeSerializer(list(RECIPES.values()), many=True).data)


class RecipeUse(APIView):
    """Create the draft flow of a recipe, and its templates."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": WRITE}
    idempotent = True

    @extend_schema(operation_id="flows_use_recipe", request=RecipeRequestSerializer, responses={201: FlowSerializer})
    def post(self, request: Request, recipe: str) -> Response:
        if recipe not in RECIPES:
            raise NotFound(
                _("Unknown recipe %(key)s; valid: %(valid)s.") % {"key": recipe, "valid": ", ".join(RECIPES)}
            )
        serializer = RecipeRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            answers = serializer.validated_data["answers"]
            flow = create_flow_from_recipe(key=recipe, answers=answers, now=timezone.now(), by=None)
        except RecipeError as error:
            raise ValidationError({"answers": [str(error)]}) from error
        return Response(FlowSerializer(flow).data, status=status.HTTP_201_CREATED)
