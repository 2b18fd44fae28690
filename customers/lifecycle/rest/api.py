"""REST endpoints of profiles, stage histories and the lifecycle summary."""

from datetime import timedelta
from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.audit_log import record_access
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.identity.resolution.user_ids import find_customer
from customers.lifecycle.portrait import build_portrait
from customers.lifecycle.portrait.customer_profile import build_customer_profile, list_stage_changes
from customers.lifecycle.rest.serializers import (
    ProfileSerializer,
    StageHistoryQuerySerializer,
    StageHistorySerializer,
    SummaryQuerySerializer,
    SummarySerializer,
)
from customers.lifecycle.summary import summarize_lifecycle

DEFAULT_PERIOD = timedelta(days=28)


def get_customer(user_id: str) -> Customer:
    """Return the customer with this user ID. Errors: NotFound."""
    # PostgreSQL rejects texts with a null character.
    customer = None if "\0" in user_id else find_customer(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound(_("Unknown user ID."))
    return customer


class CustomerProfileView(APIView):
    """The profile of a customer: counters, interests, stage, RFM, predicted value, predictions and next order.

    `portrait` lists identity, preferences, buying habits and engagement, each line with its source and age. Names, addresses and other
    personal traits need the scope `customers:personal`; without it, an age is given as a range of ten years. If the customer withdrew
    consent to analytics or personalization, data derived from behavior is withheld and `portrait_withheld` says why.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customer_profile", responses=ProfileSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        customer_id = get_customer(user_id).pk
        profile = build_customer_profile(customer_id=customer_id)
        if profile is None:
            raise NotFound(_("This customer has no profile yet. The next refresh creates it."))
        with_personal = may_see_personal(request)
        if with_personal:
            record_access(model=Customer, pks=[customer_id])
        portrait = build_portrait(customer_id=customer_id, as_of=timezone.now(), with_personal=with_personal)
        values = {"user_id": user_id, **profile, **portrait.to_profile_fields()}
        return Response(ProfileSerializer(values, context={"request": request}).data)


class StageHistoryView(APIView):
    """The stage changes of a customer, latest first, each with its reason."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="customer_stages", parameters=[StageHistoryQuerySerializer], responses=StageHistorySerializer
    )
    def get(self, request: Request, user_id: str) -> Response:
        query = StageHistoryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        changes = list_stage_changes(customer_id=get_customer(user_id).pk, limit=query.validated_data["limit"])
        values = {"user_id": user_id, "stages": changes}
        return Response(StageHistorySerializer(values, context={"request": request}).data)


class LifecycleSummaryView(APIView):
    """Customers per stage, stage changes in a period, RFM groups and the total predicted value.

    The period defaults to the four weeks before `until`, which defaults to now.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}
    checks_parameters = True

    @extend_schema(operation_id="lifecycle_summary", parameters=[SummaryQuerySerializer], responses=SummarySerializer)
    def get(self, request: Request) -> Response:
        query = SummaryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        until = query.validated_data.get("until") or timezone.now()
        since = query.validated_data.get("since") or until - DEFAULT_PERIOD
        if until < since:
            raise ValidationError({"since": _("since must be before until, which defaults to now.")})
        return Response(SummarySerializer(summarize_lifecycle(since=since, until=until)).data)
