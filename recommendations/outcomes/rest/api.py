"""REST endpoint of the outcomes."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.results import ResultState
from customers.identity.personal_data.masking import mask_text, may_see_personal
from recommendations.outcomes.incremental_lift import build_marketing_lift, list_month_revenues
from recommendations.outcomes.measured import load_measures
from recommendations.outcomes.period_choice import read_parameters
from recommendations.outcomes.rest.serializers import OutcomeQuerySerializer, OutcomesSerializer
from recommendations.sending.global_holdout.report import load_report

LIFT_SCOPE = "campaigns:read"


class OutcomesView(APIView):
    """Retention, conversion, satisfaction and growth by week, month or quarter, and the incremental lift of marketing.

    Results are stored and computed in the background when data arrives: each has its `as_of`, and `is_computing` while a newer one
    is on its way.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "analytics:read"}
    checks_parameters = True

    @extend_schema(operation_id="outcomes", parameters=[OutcomeQuerySerializer], responses=OutcomesSerializer)
    def get(self, request: Request) -> Response:
        query = OutcomeQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        now = timezone.now()
        try:
            parameters = read_parameters(query.validated_data, today=timezone.localdate(now))
            states = load_measures(parameters, now=now)
        except ParameterError as error:
            raise ValidationError({error.field: error.problem}) from error
        lift = None
        if LIFT_SCOPE in getattr(request.auth, "scopes", ()):
            lift = build_marketing_lift(load_report(), list_month_revenues(states["growth"].result, parameters))
        values = {
            **{name: getattr(parameters, name) for name in ("unit", "since", "until", "segment", "split")},
            **{key: build_state(state, with_personal=may_see_personal(request)) for key, state in states.items()},
            "incremental_lift": lift,
        }
        return Response(OutcomesSerializer(values).data)


def build_state(state: ResultState, *, with_personal: bool) -> dict[str, Any]:
    """Return the fields of a measure."""
    groups = state.result.groups if state.result is not None else ()
    return {
        "as_of": state.as_of,
        "is_current": state.is_current,
        "is_computing": state.pending_id is not None,
        "error": state.error,
        "guest_revenue": getattr(state.result, "guest_revenue", None),
        "groups": [
            {
                "group": group.group
                and {
                    "label": None
                    if group.group.label is None
                    else mask_text(group.group.label, with_personal=with_personal),
                    "is_other": group.group.is_other,
                },
                "periods": group.periods,
            }
            for group in groups
        ],
    }
