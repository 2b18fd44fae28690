"""REST endpoint of the next best action."""

from dataclasses import asdict
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.lifecycle.rest.api import get_customer
from recommendations.uplift.action_texts import REASONS, find_next_action
from recommendations.uplift.rest.serializers import NextActionSerializer


class NextActionView(APIView):
    """The action with the largest expected incremental margin for a customer: a campaign, a flow, an on-site offer, or nothing.

    Computed every night. Without enough evidence from past campaigns, flows and offers, `action` is null and `missing` says what is needed.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customer_next_action", responses=NextActionSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        action = find_next_action(get_customer(user_id).pk)
        values = {
            **asdict(action),
            "user_id": user_id,
            "action": action.kind,
            "target": action.target
            and {"id": action.target.pk or None, "key": action.target.key, "name": action.target.name},
            "reasons": [{"code": code, "text": str(REASONS.get(code, code))} for code in action.reasons],
        }
        return Response(NextActionSerializer(values, context={"request": request}).data)
