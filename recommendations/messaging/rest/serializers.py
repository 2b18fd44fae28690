"""Serializers of message templates."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from recommendations.messaging.compilation.compiler import ContentSource, find_content_problems
from recommendations.messaging.models import LANGUAGES, MessageTemplate, TemplateContent, TemplateVersion
from recommendations.messaging.versions import create_template

MAX_SOURCE = 500_000


class TemplateContentSerializer(StrictTypesMixin, serializers.ModelSerializer[TemplateContent]):
    """The content in one language; `source` is stored and returned exactly as it was sent."""

    source = serializers.CharField(  # type: ignore[assignment]
        max_length=MAX_SOURCE,
        trim_whitespace=False,
        help_text=_("MJML for email, JSON for push, webhook and on-site offers, else text."),
    )
    text = serializers.CharField(
        max_length=MAX_SOURCE,
        trim_whitespace=False,
        required=False,
        allow_blank=True,
        help_text=_("The plain-text part of an email; derived from the source if it is empty."),
    )

    class Meta:
        model = TemplateContent
        fields = ["language", "subject", "preheader", "source", "text"]


class MessageTemplateSerializer(StrictTypesMixin, serializers.ModelSerializer[MessageTemplate]):
    contents = serializers.ListField(
        child=TemplateContentSerializer(),
        min_length=1,
        max_length=len(LANGUAGES),
        source="shown_contents",
        help_text=_("At most one for each language."),
    )
    version = serializers.IntegerField(
        source="newest_number",
        read_only=True,
        help_text=_("The number of the newest version, whose contents are shown."),
    )
    published_version = serializers.IntegerField(
        source="published_number", read_only=True, allow_null=True, help_text=_("The version that new sends use.")
    )

    class Meta:
        model = MessageTemplate
        fields = [
            "key",
            "name",
            "description",
            "channel",
            "is_transactional",
            "version",
            "published_version",
            "contents",
            "created_at",
        ]
        read_only_fields = ["created_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        contents = attrs["shown_contents"]
        languages = [content["language"] for content in contents]
        if len(set(languages)) < len(languages):
            raise serializers.ValidationError({"contents": _("A language occurs twice. Send each language once.")})
        problems = [
            f"{content['language']}, {problem.line}:{problem.column}: {problem.message}"
            for content in contents
            for problem in find_content_problems(
                ContentSource(**content),
                channel=attrs.get("channel", "email"),
                is_transactional=attrs.get("is_transactional", False),
            )
        ]
        if problems:
            raise serializers.ValidationError({"contents": problems})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> MessageTemplate:
        contents = [ContentSource(**content) for content in validated_data.pop("shown_contents")]
        grant = self.context["request"].auth
        with transaction.atomic():
            return create_template(
                **validated_data,
                contents={content.language: content for content in contents},
                by=getattr(grant, "name", "") or str(self.context["request"].user or ""),
            )

    def to_representation(self, instance: MessageTemplate) -> dict[str, Any]:
        versions: list[TemplateVersion] = list(instance.versions.all())
        newest = max(versions, key=lambda version: version.number, default=None)
        published = [version.number for version in versions if version.published_at is not None]
        shown: Any = instance
        shown.newest_number = newest.number if newest else 0
        shown.published_number = max(published, default=None)
        shown.shown_contents = list(newest.contents.all()) if newest else []
        return super().to_representation(shown)
