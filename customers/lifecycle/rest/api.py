"""Profiles, stage histories and the state of all customers over REST."""

from datetime import timedelta
from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.identity.models import Customer, Identifier
from customers.identity.resolution.user_ids import customer_of
from customers.identity.rest.serializers import PERSONAL_SCOPE
from customers.lifecycle.portrait import portrait_lines
from customers.lifecycle.portrait.customer_profile import portrait, stage_history
from customers.lifecycle.rest.serializers import (
    ProfileSerializer,
    StageHistoryQuerySerializer,
    StageHistorySerializer,
    SummaryQuerySerializer,
    SummarySerializer,
)
from customers.lifecycle.summary import lifecycle_summary

MOVEMENT = timedelta(days=28)


def known_customer(user_id: str) -> Customer:
    """Errors: NotFound."""
    customer = None if "\0" in user_id else customer_of(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound(_("There is no customer with this user id."))
    return customer


class CustomerProfileView(APIView):
    """The portrait of a customer: counters, interests, stage, RFM, value and next order with what is not known of them.

    `portrait` tells who they are, what they like, how they buy and respond, a line each with its source and age. Names, addresses and other
    personal traits are there only with the scope `customers:personal`, without it an age is told by its ten years. Of whoever withdrew the
    consent to analytics or personalisation nothing is told that follows from behaviour; `portrait_left_out` says so.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customer_profile", responses=ProfileSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        customer_id = known_customer(user_id).pk
        found = portrait(customer_id=customer_id)
        if found is None:
            raise NotFound(_("This customer has no profile yet; the next refresh makes it."))
        lines = portrait_lines(
            customer_id=customer_id,
            as_of=timezone.now(),
            with_personal=PERSONAL_SCOPE in getattr(request.auth, "scopes", ()),
        )
        return Response(ProfileSerializer({"user_id": user_id, **found, **lines.as_profile()}).data)


class StageHistoryView(APIView):
    """The moves of a customer from stage to stage, newest first, each with its reason."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(
        operation_id="customer_stages", parameters=[StageHistoryQuerySerializer], responses=StageHistorySerializer
    )
    def get(self, request: Request, user_id: str) -> Response:
        query = StageHistoryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        moves = stage_history(customer_id=known_customer(user_id).pk, most=query.validated_data["limit"])
        return Response(StageHistorySerializer({"user_id": user_id, "stages": moves}).data)


class LifecycleSummaryView(APIView):
    """How many customers stand in which stage, who moved between two moments, the RFM groups, and what all are worth together.

    Without `since` the last four weeks; without `until` until now.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="lifecycle_summary", parameters=[SummaryQuerySerializer], responses=SummarySerializer)
    def get(self, request: Request) -> Response:
        query = SummaryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        until = query.validated_data.get("until") or timezone.now()
        since = query.validated_data.get("since") or until - MOVEMENT
        if until < since:
            raise ValidationError({"since": _("Give a moment before until, which is now where it is left out.")})
        return Response(SummarySerializer(lifecycle_summary(since=since, until=until)).data)
