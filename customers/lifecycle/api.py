"""Profiles over REST."""

from typing import ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.identity.models import Identifier
from customers.identity.resolve import customer_of
from customers.lifecycle.portrait import portrait
from customers.lifecycle.serializers import ProfileSerializer


class CustomerProfileView(APIView):
    """The portrait of a customer: counters, interests, stage and RFM, as of the last refresh."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customer_profile", responses=ProfileSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        customer = None if "\0" in user_id else customer_of(Identifier.Kind.USER_ID, user_id)
        if customer is None or customer.erased_at is not None:
            raise NotFound(_("There is no customer with this user id."))
        found = portrait(customer_id=customer.pk)
        if found is None:
            raise NotFound(_("This customer has no profile yet; the next refresh makes it."))
        return Response(ProfileSerializer({"user_id": user_id, **found}).data)
