"""Serializers of analytics: queries with their results, saved reports and dashboards."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from customers.analytics.expressions.parameters import (
    ParameterError,
    dump_parameters,
    hash_parameters,
    parse_parameters,
)
from customers.analytics.models import Dashboard, ResultStatus, SavedReport
from customers.analytics.named_days import resolve_days
from customers.analytics.questions.registry import QUESTIONS
from customers.analytics.report_segments import check_segments
from customers.analytics.rest import query_schema  # noqa: F401 — registers itself
from customers.analytics.results import ResultState
from customers.identity.personal_data.masking import mask_text
from customers.identity.rest.masked_fields import may_context_see_personal

KEY_LENGTH = 32
MAX_CHARACTERS = 20_000
# values that sources sent, which may be personal
TEXT_NAMES = ("label", "name", "source", "target", "event", "value")


def make_query_id(question: str, parameters: Any) -> str:
    """Return the ID of a question with its parameters: the same for everyone who asks the same."""
    return f"{question}-{hash_parameters(parameters)[:KEY_LENGTH]}"


def mask_values(content: Any, *, with_personal: bool, name: str = "") -> Any:
    """Return JSON values without the email addresses and phone numbers that the caller may not see."""
    if isinstance(content, Mapping):
        return {key: mask_values(value, with_personal=with_personal, name=key) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [mask_values(value, with_personal=with_personal, name=name) for value in content]
    if isinstance(content, str) and name in TEXT_NAMES:
        return mask_text(content, with_personal=with_personal)
    return content


class QueryParametersField(serializers.JSONField):
    """The parameters of a question."""


class QueryResultField(serializers.JSONField):
    """The answer to a question."""


class AnalyticsQuestionSerializer(StrictTypesMixin, serializers.Serializer[Any]):
    question = serializers.ChoiceField(choices=list(QUESTIONS))
    parameters = QueryParametersField(
        required=False,
        default=dict,
        help_text=(
            "What the question counts; the parameters of each question are the components AnalyticsFunnelParameters and so on. "
            "Days are `since` and `until`, or a `range` that moves with time, such as 28d; by default the last 90 days."
        ),
    )
    refresh = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Compute again even if the result is recent, or the last computation failed or was canceled.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Turn the parameters into those of the question."""
        content = attrs["parameters"]
        if not isinstance(content, dict):
            raise serializers.ValidationError({"parameters": _("Enter an object.")})
        if len(str(content)) > MAX_CHARACTERS:
            raise serializers.ValidationError({"parameters": _("Too long; leave something out.")})
        kind = QUESTIONS[attrs["question"]].parameters
        try:
            if content.get("range") and (content.get("since") or content.get("until")):
                raise ParameterError(
                    "range", str(_("cannot be given together with since and until; leave one of them out."))
                )
            days = resolve_days(content, today=timezone.localdate())
            parameters = parse_parameters(kind, days)
            check_segments(parameters)
        except ParameterError as error:
            path = "parameters" if error.field == "parameters" else f"parameters.{error.field}"
            raise serializers.ValidationError({path: error.problem}) from error
        return attrs | {"parameters": parameters}


class AnalyticsQuerySerializer(serializers.Serializer[ResultState]):
    """A question with its newest result."""

    id = serializers.SerializerMethodField(help_text="The same for the same question and parameters.")
    question = serializers.ChoiceField(choices=list(QUESTIONS), source="question.key")
    parameters = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=ResultStatus.values, help_text="Of the last computation.")
    is_current = serializers.BooleanField(help_text="The result includes all data that there is now.")
    as_of = serializers.DateTimeField(allow_null=True, help_text="Facts up to this moment are in the result.")
    duration_seconds = serializers.FloatField(allow_null=True)
    error = serializers.CharField(help_text="Why the last computation failed; empty if it did not.")
    result = serializers.SerializerMethodField(help_text="The newest result; null until there is one.")
    url = serializers.SerializerMethodField(help_text="Where to ask for the status and the result.")

    def get_id(self, state: ResultState) -> str:
        return make_query_id(state.question.key, state.parameters)

    @extend_schema_field(QueryParametersField())
    def get_parameters(self, state: ResultState) -> Any:
        return self.mask(dump_parameters(state.parameters))

    @extend_schema_field(QueryResultField(allow_null=True))
    def get_result(self, state: ResultState) -> Any:
        return None if state.result is None else self.mask(msgspec.to_builtins(state.result))

    @extend_schema_field(serializers.URLField())
    def get_url(self, state: ResultState) -> str:
        url = reverse("analytics-query", args=[self.get_id(state)])
        return str(self.context["request"].build_absolute_uri(url))

    def mask(self, content: Any) -> Any:
        return mask_values(content, with_personal=may_context_see_personal(self.context))


class PeopleQuerySerializer(StrictTypesMixin, serializers.Serializer[Any]):
    """Which people of a result."""

    selection = serializers.CharField(
        required=False,
        default="{}",
        max_length=2_000,
        help_text='The figure, as a JSON object, such as {"step": 2} for a funnel or {"cohort": "2026-01-01", "offset": 1} for retention.',
    )


class SavedReportSerializer(serializers.ModelSerializer[SavedReport]):
    parameters = serializers.SerializerMethodField(help_text="What can be asked with POST /analytics/queries/.")

    class Meta:
        model = SavedReport
        fields = ("id", "name", "question", "parameters", "created_at")

    @extend_schema_field(serializers.DictField())
    def get_parameters(self, report: SavedReport) -> Any:
        content = {name: value for name, value in report.parameters.items() if name != "measure"}
        return mask_values(content, with_personal=may_context_see_personal(self.context))


class DashboardSerializer(serializers.ModelSerializer[Dashboard]):
    reports = SavedReportSerializer(many=True)

    class Meta:
        model = Dashboard
        fields = ("id", "name", "reports", "created_at")
