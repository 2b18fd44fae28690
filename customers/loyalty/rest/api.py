"""REST API of the loyalty program: level and points of a customer, statement, sign-in and spending."""

from typing import ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.identity.models import Customer, Identifier
from customers.identity.resolution.user_ids import find_customer
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.loyalty.models import LoyaltyMember, PointEntry
from customers.loyalty.points.ledger import PointsError
from customers.loyalty.points.member_lock import lock_current_member
from customers.loyalty.points.reservations import close_reservation, reserve_points
from customers.loyalty.points.sign_in import sign_in
from customers.loyalty.rest.serializers import (
    LoyaltyMemberSerializer,
    PointEntrySerializer,
    ReservationSerializer,
    ReserveSerializer,
    SignInSerializer,
    format_member,
)

MAX_ROW_ID = 2**63 - 1


class PointsConflict(APIException):
    status_code = 409
    default_code = "conflict"


def get_customer_or_404(user_id: str) -> Customer:
    customer = None if "\0" in user_id else find_customer(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound(_("No customer has this user ID."))
    return customer


class CustomerLoyaltyView(APIView):
    """A customer's level, the distance to the next one, and points."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "loyalty:read"}

    @extend_schema(operation_id="customer_loyalty", responses=LoyaltyMemberSerializer, tags=["customers"])
    def get(self, request: Request, user_id: str) -> Response:
        customer = get_customer_or_404(user_id)
        members = LoyaltyMember.objects.select_related("level", "next_level")
        member = members.filter(pk=customer.pk).first() or LoyaltyMember(customer=customer)
        return Response(LoyaltyMemberSerializer(format_member(member, get_amount_currency())).data)


class PointStatementView(ListAPIView):
    """A customer's ledger of points, the oldest entry first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "loyalty:read"}
    serializer_class = PointEntrySerializer
    queryset = PointEntry.objects.none()  # for the OpenAPI document
    ordering = "id"

    def get_queryset(self) -> QuerySet[PointEntry]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return PointEntry.objects.filter(customer=get_customer_or_404(self.kwargs["user_id"]))

    @extend_schema(operation_id="customer_loyalty_statement", tags=["customers"])
    def get(self, request: Request, user_id: str) -> Response:
        return self.list(request)


class SignInView(APIView):
    """Record a customer's daily sign-in; a second call on the same day of the shop adds nothing."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "loyalty:write"}
    conflicts = ("POST",)
    idempotent = True

    @extend_schema(
        operation_id="customer_loyalty_sign_in", request=None, responses=SignInSerializer, tags=["customers"]
    )
    def post(self, request: Request, user_id: str) -> Response:
        with transaction.atomic():
            customer_id = lock_current_member(lambda: get_customer_or_404(user_id).pk)
            try:
                result = sign_in(customer_id=customer_id, now=timezone.now())
            except PointsError as error:
                raise PointsConflict(str(error), code=error.code) from error
        return Response(SignInSerializer(result).data)


class ReservationListView(APIView):
    """Reserve points of a customer for a checkout."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "loyalty:write"}
    conflicts = ("POST",)
    idempotent = True

    @extend_schema(
        operation_id="customer_loyalty_reserve",
        request=ReserveSerializer,
        responses={201: ReservationSerializer},
        tags=["customers"],
    )
    def post(self, request: Request, user_id: str) -> Response:
        """Hold points until they are confirmed or canceled, or the time set in the program's rules is over. 409: not enough points."""
        serializer = ReserveSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            customer_id = lock_current_member(lambda: get_customer_or_404(user_id).pk)
            try:
                reservation = reserve_points(customer_id=customer_id, now=timezone.now(), **serializer.validated_data)
            except PointsError as error:
                raise PointsConflict(str(error), code=error.code) from error
        return Response(ReservationSerializer(reservation).data, status=201)


class ReservationActionView(APIView):
    """Close a reservation of points."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "loyalty:write"}
    conflicts = ("POST",)
    idempotent = True
    is_confirmed = True

    def close(self, user_id: str, reservation_id: int) -> Response:
        with transaction.atomic():
            customer_id = lock_current_member(lambda: get_customer_or_404(user_id).pk)
            try:
                reservation = (
                    close_reservation(
                        customer_id=customer_id,
                        reservation_id=reservation_id,
                        is_confirmed=self.is_confirmed,
                        now=timezone.now(),
                    )
                    if reservation_id <= MAX_ROW_ID
                    else None
                )
            except PointsError as error:
                raise PointsConflict(str(error), code=error.code) from error
        if reservation is None:
            raise NotFound(_("The customer has no reservation with this ID."))
        return Response(ReservationSerializer(reservation).data)


class ReservationConfirmView(ReservationActionView):
    """Spend reserved points; a repetition changes nothing."""

    @extend_schema(
        operation_id="customer_loyalty_confirm", request=None, responses=ReservationSerializer, tags=["customers"]
    )
    def post(self, request: Request, user_id: str, reservation_id: int) -> Response:
        return self.close(user_id, reservation_id)


class ReservationCancelView(ReservationActionView):
    """Release reserved points; a repetition changes nothing."""

    is_confirmed = False

    @extend_schema(
        operation_id="customer_loyalty_cancel", request=None, responses=ReservationSerializer, tags=["customers"]
    )
    def post(self, request: Request, user_id: str, reservation_id: int) -> Response:
        return self.close(user_id, reservation_id)
