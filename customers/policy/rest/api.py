"""REST API of the privacy policy."""

from typing import Any, ClassVar

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.policy.document.versions import get_latest_version


class PolicySectionSerializer(serializers.Serializer):
    key = serializers.CharField()
    title = serializers.CharField()
    lines = serializers.ListField(child=serializers.CharField())


class PolicyQuerySerializer(serializers.Serializer):
    language = serializers.ChoiceField(
        choices=settings.LANGUAGES, required=False, help_text="Default: the language of Accept-Language."
    )


class PrivacyPolicySerializer(serializers.Serializer):
    version = serializers.IntegerField(help_text="What to send as policy_version of consents, as text.")
    published_at = serializers.DateTimeField()
    is_material = serializers.BooleanField(help_text="Whether this version changes what customers have consented to.")
    asks_again = serializers.BooleanField(help_text="Whether consents before this version have to be renewed.")
    note = serializers.CharField(allow_blank=True)
    language = serializers.CharField()
    sections = PolicySectionSerializer(many=True)
    fingerprint = serializers.CharField(help_text="SHA-256 of the texts in all languages.")


class PrivacyPolicy(APIView):
    """The privacy policy in force, as published."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}
    publishable = True
    may_be_missing = True  # until a policy is published
    query_parameters = ("language",)

    @extend_schema(
        operation_id="privacy_policy_retrieve",
        parameters=[PolicyQuerySerializer],
        responses=PrivacyPolicySerializer,
    )
    def get(self, request: Request) -> Response:
        query = PolicyQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        language = query.validated_data.get("language") or translation.get_language() or settings.LANGUAGE_CODE
        version = get_latest_version()
        if version is None:
            raise NotFound(_("No privacy policy is published."))
        names = ("published_at", "is_material", "asks_again", "note", "fingerprint")
        values: dict[str, Any] = {name: getattr(version, name) for name in names}
        values |= {"version": version.number, "language": language, "sections": version.texts.get(language, [])}
        return Response(PrivacyPolicySerializer(values).data)
