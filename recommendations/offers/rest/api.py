"""REST API of on-site offers: decisions for a customer or a visitor, clicks, and the offers themselves."""

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.events.sources.user_tokens import is_valid_user_token, list_token_keys
from recommendations.offers.decision import OfferDecision, OfferRequest, clear_offer_cache, decide_offer
from recommendations.offers.editing import OfferNotReadyError, lock_offer, pause_offer, start_offer
from recommendations.offers.models import Offer
from recommendations.offers.reporting import Reaction, record_reaction
from recommendations.offers.rest.serializers import (
    MAX_ID_LENGTH,
    OfferDecisionSerializer,
    OfferQuerySerializer,
    OfferResultsSerializer,
    OfferSerializer,
    ReactionSerializer,
    VisitorOfferQuerySerializer,
)
from recommendations.offers.results import measure_offer
from recommendations.serving.visitor_claims import UNVERIFIED, read_caller


class OfferDecisionView(APIView):
    """Base of the decisions."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}
    checks_parameters = True
    publishable = True

    def respond(self, request: Request, *, placement: str, user_id: str = "", anonymous_id: str = "") -> Response:
        """Decide for the visitor whom the caller may represent; include the reasons only for secret keys."""
        caller, now = read_caller(request), timezone.now()
        is_unverified = (
            bool(user_id)
            and caller.is_browser
            and caller.requires_user_token
            and not is_valid_user_token(caller.user_token, user_id=user_id, keys=list_token_keys(), now=now)
        )
        if caller.is_agent:  # a decision counts as shown, but nobody would see this one
            return Response({"placement": placement, "offer": None})
        asked = OfferRequest(placement, "" if is_unverified else user_id, anonymous_id, get_language() or "en")
        decision = decide_offer(request=asked, now=now)
        content = build_decision(decision, placement=placement, has_reasons=not caller.is_browser)
        return Response({**content, **({"identity": UNVERIFIED} if is_unverified else {})})


def build_decision(decision: OfferDecision, *, placement: str, has_reasons: bool) -> dict[str, Any]:
    """Return the JSON of a decision; the name of an offer is for the shop only."""
    offer = asdict(decision.offer) if decision.offer else None
    if offer is not None:
        del offer["name"]
    content: dict[str, Any] = {"placement": placement, "offer": offer}
    if has_reasons:
        content["reasons"] = [
            {"offer": tried.key, "outcome": outcome.value, "text": str(outcome.label)}
            for tried, outcome in decision.outcomes
        ]
    return content


class CustomerOfferView(OfferDecisionView):
    """The offer that a customer sees at a placement, or null. Each response counts as shown.

    With a publishable key, the customer counts only with a valid `X-User-Token`; otherwise the answer is that of an unknown visitor,
    with `"identity": "unverified"`. Secret keys also get the reason for each running offer.
    """

    @extend_schema(
        operation_id="customer_offer",
        parameters=[OfferQuerySerializer],
        responses=OfferDecisionSerializer,
        tags=["offers"],
    )
    def get(self, request: Request, user_id: str) -> Response:
        query = OfferQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return self.respond(request, user_id=check_id(user_id), **query.validated_data)


class VisitorOfferView(OfferDecisionView):
    """The offer that a visitor sees at a placement, or null. Each response counts as shown."""

    @extend_schema(
        operation_id="visitor_offer",
        parameters=[VisitorOfferQuerySerializer],
        responses=OfferDecisionSerializer,
        tags=["offers"],
    )
    def get(self, request: Request, anonymous_id: str) -> Response:
        query = VisitorOfferQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return self.respond(request, anonymous_id=check_id(anonymous_id), **query.validated_data)


def check_id(value: str) -> str:
    """Return an ID of a path. Raises Http404 for an ID that no visitor can have."""
    if "\0" in value or len(value) > MAX_ID_LENGTH:
        raise Http404
    return value


class OfferReactionView(APIView):
    """Record that a visitor has clicked or closed an offer; repetitions change nothing."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "campaigns:write"}
    publishable = True

    @extend_schema(operation_id="offer_reaction", request=ReactionSerializer, responses={204: None}, tags=["offers"])
    def post(self, request: Request, exposure_id: UUID) -> Response:
        body = ReactionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        reaction = Reaction(body.validated_data["reaction"])
        if not record_reaction(exposure_id=exposure_id, reaction=reaction, now=timezone.now()):
            raise Http404
        return Response(status=204)


@extend_schema_view(
    get=extend_schema(operation_id="offers_list"),
    post=extend_schema(operation_id="offers_create", description=_("Create an on-site offer as a draft.")),
)
class OfferList(generics.ListCreateAPIView[Offer]):
    """All on-site offers by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read", "POST": "campaigns:write"}
    idempotent = True
    queryset = Offer.objects.select_related("segment").prefetch_related("contents")
    serializer_class = OfferSerializer
    ordering = "key"


@extend_schema_view(
    get=extend_schema(operation_id="offers_retrieve"),
    patch=extend_schema(
        operation_id="offers_change",
        description=_("Change the given fields of the on-site offer; `contents` replaces all contents."),
    ),
)
class OfferDetail(generics.RetrieveUpdateAPIView[Offer]):
    """One on-site offer."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read", "PATCH": "campaigns:write"}
    queryset = Offer.objects.select_related("segment").prefetch_related("contents")
    serializer_class = OfferSerializer
    lookup_field = "key"
    http_method_names = ("get", "patch", "head", "options")

    def perform_update(self, serializer: Any) -> None:
        with transaction.atomic():
            # saving writes all fields: an offer that was paused or ended meanwhile would run again
            lock_offer(serializer.instance)
            super().perform_update(serializer)
        clear_offer_cache()


class OfferActionView(APIView):
    """Base of the actions on one offer."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "campaigns:write"}
    idempotent = True
    methods_without_body = ("POST",)

    def respond(self, key: str) -> Response:
        offer = Offer.objects.select_related("segment").prefetch_related("contents").get(key=key)
        return Response(OfferSerializer(offer, context={"request": self.request}).data)


class OfferNotReady(APIException):
    status_code = 409
    default_code = "not_ready"


class OfferStart(OfferActionView):
    """Show the offer from now on, within its period."""

    conflicts = ("POST",)

    @extend_schema(operation_id="offers_start", request=None, responses=OfferSerializer)
    def post(self, request: Request, key: str) -> Response:
        try:
            start_offer(offer=get_object_or_404(Offer, key=key), now=timezone.now())
        except OfferNotReadyError as error:
            raise OfferNotReady(str(error)) from error
        return self.respond(key)


class OfferPause(OfferActionView):
    """Stop showing the offer; it can be started again. A draft cannot be paused."""

    conflicts = ("POST",)

    @extend_schema(operation_id="offers_pause", request=None, responses=OfferSerializer)
    def post(self, request: Request, key: str) -> Response:
        try:
            pause_offer(offer=get_object_or_404(Offer, key=key))
        except OfferNotReadyError as error:
            raise OfferNotReady(str(error)) from error
        return self.respond(key)


class OfferResultsView(APIView):
    """Shows, clicks and orders of an offer, compared with its holdout group."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}

    @extend_schema(operation_id="offers_results", responses=OfferResultsSerializer)
    def get(self, request: Request, key: str) -> Response:
        results = measure_offer(offer=get_object_or_404(Offer, key=key), as_of=timezone.now())
        return Response(OfferResultsSerializer(results).data)
