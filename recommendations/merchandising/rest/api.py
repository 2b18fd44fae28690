"""Rules over REST: read, made, changed, removed."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.serializers import BaseSerializer

from recommendations.merchandising.models import Rule
from recommendations.merchandising.rest.serializers import RuleSerializer
from recommendations.merchandising.rules.editing import save_rule
from recommendations.merchandising.tasks import write_segment_members


class SavesRules:
    """A rule is saved by the one function that also tells the workers."""

    def perform_create(self, serializer: BaseSerializer[Rule]) -> None:
        rule = Rule(**serializer.validated_data)
        save_rule(rule=rule, write_members=write_segment_members.delay)
        serializer.instance = rule

    def perform_update(self, serializer: BaseSerializer[Rule]) -> None:
        rule = serializer.instance
        assert rule is not None
        for name, value in serializer.validated_data.items():
            setattr(rule, name, value)
        save_rule(rule=rule, write_members=write_segment_members.delay)


@extend_schema_view(get=extend_schema(operation_id="rules_list"), post=extend_schema(operation_id="rules_create"))
class RuleList(SavesRules, generics.ListCreateAPIView[Rule]):
    """All rules, those switched off too, in the order in which they were made."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read", "POST": "recommendations:write"}
    idempotent = True
    queryset = Rule.objects.select_related("segment")
    serializer_class = RuleSerializer
    ordering = "id"


@extend_schema_view(
    get=extend_schema(operation_id="rules_retrieve"),
    patch=extend_schema(operation_id="rules_change"),
    delete=extend_schema(operation_id="rules_remove"),
)
class RuleDetail(SavesRules, generics.RetrieveUpdateDestroyAPIView[Rule]):
    """One rule. It is switched off by ``{"enabled": false}``; what it was stays in the audit log."""

    required_scopes: ClassVar[dict[str, str]] = {
        "GET": "recommendations:read",
        "PATCH": "recommendations:write",
        "DELETE": "recommendations:write",
    }
    queryset = Rule.objects.select_related("segment")
    serializer_class = RuleSerializer
    http_method_names = ("get", "patch", "delete", "head", "options")
