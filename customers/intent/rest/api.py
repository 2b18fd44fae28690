"""REST endpoints of behavior prediction: what a customer or a visitor will probably do in their current session."""

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.intent.predicting import UnknownCustomerError, predict_customer, predict_visitor
from customers.intent.rest.serializers import IntentSerializer, format_intent

MAX_ID_LENGTH = 255


def is_valid_id(value: str) -> bool:
    """Return whether someone can have this ID; PostgreSQL rejects texts with a null character."""
    return "\0" not in value and len(value) <= MAX_ID_LENGTH


class CustomerIntentView(APIView):
    """Whether a customer will order or leave in the current session, and the next category.

    The session includes the customer's events on all devices up to now. Predictions change with every event and with the time since the
    last one.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customer_intent", responses=IntentSerializer, tags=["customers"])
    def get(self, request: Request, user_id: str) -> Response:
        now = timezone.now()
        try:
            if not is_valid_id(user_id):
                raise UnknownCustomerError(user_id)
            intent = predict_customer(user_id=user_id, now=now)
        except UnknownCustomerError as error:
            raise NotFound(_("Unknown user ID.")) from error
        return Response(IntentSerializer({"as_of": now, **format_intent(intent)}).data)


class VisitorIntentView(APIView):
    """Whether a visitor will order or leave in the current session, and the next category.

    A visitor without an event in the last 30 minutes, known or not, has no session.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="visitor_intent", responses=IntentSerializer, tags=["customers"])
    def get(self, request: Request, anonymous_id: str) -> Response:
        now = timezone.now()
        if not is_valid_id(anonymous_id):
            raise NotFound(_("Unknown visitor."))
        intent = predict_visitor(anonymous_id=anonymous_id, now=now)
        return Response(IntentSerializer({"as_of": now, **format_intent(intent)}).data)
