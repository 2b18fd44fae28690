"""Serializers of flows."""

from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from recommendations.flows.machine.definition_parsing import list_structure_problems
from recommendations.flows.models import MAX_HOLDOUT_SHARE, Flow, FlowEntry
from recommendations.flows.problem_messages import describe_problem
from recommendations.flows.publishing import get_current, get_draft
from recommendations.measurement.result_serializers import ComparisonSerializer, RecommendedSalesSerializer


@extend_schema_field(OpenApiTypes.OBJECT)
class FlowDefinitionField(serializers.JSONField):
    """The definition of a flow: a JSON object."""


class FlowSerializer(StrictTypesMixin, serializers.ModelSerializer[Flow]):
    """A flow with its draft and its current version."""

    definition = FlowDefinitionField(
        write_only=True, required=False, help_text=_("The draft: trigger, filter, reentry, goal, exits and steps.")
    )
    holdout_share = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        min_value=Decimal(0),
        max_value=MAX_HOLDOUT_SHARE,
        required=False,
        help_text=_("0.1 keeps one customer in ten out of the flow, to measure what it earns. 0: no holdout group."),
    )
    draft = serializers.SerializerMethodField(
        help_text=_("The definition that is being edited; null if there is no draft.")
    )
    current = serializers.SerializerMethodField(
        help_text=_("The definition that new customers enter; null before it is published.")
    )
    version = serializers.SerializerMethodField(help_text=_("The number of the current version."))

    class Meta:
        model = Flow
        fields = [
            "key",
            "name",
            "description",
            "status",
            "recipe",
            "version",
            "definition",
            "draft",
            "current",
            "holdout_share",
            "attribution_days",
            "created_at",
            "published_at",
            "ended_at",
        ]
        read_only_fields = ["status", "recipe", "created_at", "published_at", "ended_at"]
        extra_kwargs: ClassVar[dict[str, Any]] = {"description": {"max_length": 10_000}}

    def get_draft(self, flow: Flow) -> dict[str, Any] | None:
        draft = get_draft(flow)
        return draft.definition if draft else None

    def get_current(self, flow: Flow) -> dict[str, Any] | None:
        current = get_current(flow)
        return current.definition if current else None

    def get_version(self, flow: Flow) -> int | None:
        current = get_current(flow)
        return current.number if current else None

    def validate_key(self, key: str) -> str:
        if self.instance and key != self.instance.key:
            raise serializers.ValidationError(_("The key cannot be changed."), code="immutable")
        if key == "recipes":
            raise serializers.ValidationError(_("This key is reserved by the REST API."), code="reserved")
        return key

    def validate_definition(self, definition: Any) -> Any:
        if not isinstance(definition, dict):
            raise serializers.ValidationError(_("Send the definition as an object."), code="type")
        problems = list_structure_problems(definition)
        if problems:
            raise serializers.ValidationError([describe_problem(problem) for problem in problems], code="structure")
        return definition


class FlowResultsSerializer(ComparisonSerializer):
    """What a flow caused: those who entered against those who were held out, by intent to treat."""

    currency = serializers.CharField()
    headline = serializers.CharField(
        help_text=_("What the flow earned and how certain that is, in the language of the request.")
    )
    goal = serializers.CharField(help_text=_("The event that counts as reaching the goal."))
    recommended = RecommendedSalesSerializer()


class EndFlowSerializer(StrictTypesMixin, serializers.Serializer[Any]):
    people = serializers.ChoiceField(
        choices=["finish", "remove"], default="finish", help_text=_("What happens to customers who are in the flow.")
    )


class RecipeRequestSerializer(StrictTypesMixin, serializers.Serializer[Any]):
    answers = serializers.DictField(
        child=serializers.IntegerField(), default=dict, help_text=_("Values for the parameters of the recipe, by name.")
    )


class RecipeQuestionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    initial = serializers.IntegerField()
    low = serializers.IntegerField()
    high = serializers.IntegerField()


class RecipeSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    templates = serializers.ListField(child=serializers.CharField())
    questions = RecipeQuestionSerializer(many=True)


class FlowEntrySerializer(serializers.ModelSerializer[FlowEntry]):
    """One stay of a customer in a flow."""

    version = serializers.IntegerField(source="version.number")
    user_id = serializers.CharField(allow_null=True, help_text=_("Null for customers without a user ID."))

    class Meta:
        model = FlowEntry
        fields = [
            "id",
            "user_id",
            "version",
            "status",
            "step_key",
            "is_waiting",
            "due_at",
            "triggered_at",
            "entered_at",
            "finished_at",
        ]
