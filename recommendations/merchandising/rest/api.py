"""REST: list, create, update and delete rules."""

from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.serializers import BaseSerializer

from recommendations.merchandising.models import Rule
from recommendations.merchandising.rest.serializers import RuleSerializer
from recommendations.merchandising.rules.editing import save_rule
from recommendations.merchandising.tasks import write_segment_members


class RuleSavingMixin:
    """Saves a rule through `save_rule`, which also requests the members of its segment."""

    def perform_create(self, serializer: BaseSerializer[Rule]) -> None:
        rule = Rule(**serializer.validated_data)
        save_rule(rule=rule, write_members=write_segment_members.delay)
        serializer.instance = rule

    def perform_update(self, serializer: BaseSerializer[Rule]) -> None:
        rule = serializer.instance
        assert rule is not None
        for name, value in serializer.validated_data.items():
            setattr(rule, name, value)
        save_rule(rule=rule, write_members=write_segment_members.delay, fields=serializer.validated_data)


@extend_schema_view(
    get=extend_schema(operation_id="rules_list"),
    post=extend_schema(operation_id="rules_create", description=_("Create a rule.")),
)
class RuleListView(RuleSavingMixin, generics.ListCreateAPIView[Rule]):
    """Lists all rules, including disabled ones, in the order of their creation."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read", "POST": "recommendations:write"}
    idempotent = True
    queryset = Rule.objects.select_related("segment")
    serializer_class = RuleSerializer
    ordering = "id"


@extend_schema_view(
    get=extend_schema(operation_id="rules_retrieve"),
    patch=extend_schema(
        operation_id="rules_change",
        description=_(
            'Change the given fields of the rule. `{"enabled": false}` turns it off; its history stays in the audit log.'
        ),
    ),
    delete=extend_schema(operation_id="rules_remove", description=_("Delete the rule.")),
)
class RuleDetailView(RuleSavingMixin, generics.RetrieveUpdateDestroyAPIView[Rule]):
    """One rule."""

    required_scopes: ClassVar[dict[str, str]] = {
        "GET": "recommendations:read",
        "PATCH": "recommendations:write",
        "DELETE": "recommendations:write",
    }
    queryset = Rule.objects.select_related("segment")
    serializer_class = RuleSerializer
    http_method_names = ("get", "patch", "delete", "head", "options")
