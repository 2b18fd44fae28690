"""Serializers of privacy requests; none contains personal data."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError as FieldError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.models import PERSON_FIELDS
from customers.privacy.models import PrivacyRequest, RequestKind
from customers.privacy.regulations import Regulation
from customers.privacy.requests.rectification import REMARK, clean_proposal


class PrivacyRequestSerializer(serializers.ModelSerializer[PrivacyRequest]):
    number = serializers.CharField(help_text=gettext_lazy("The short name on pages and in emails."))
    customer_id = serializers.IntegerField(
        allow_null=True, help_text=gettext_lazy("Null after an erasure, and if the customer is unknown.")
    )
    rejection = serializers.CharField(
        read_only=True, help_text=gettext_lazy("Why it was rejected, such as `identity`; empty if it was not.")
    )
    is_paused = serializers.SerializerMethodField()
    has_file = serializers.SerializerMethodField()

    class Meta:
        model = PrivacyRequest
        fields: ClassVar[list[str]] = [
            "reference",
            "number",
            "kind",
            "state",
            "channel",
            "regulation",
            "proof",
            "customer_id",
            "received_at",
            "due_at",
            "is_paused",
            "runs_at",
            "extension_reason",
            "rejection",
            "has_file",
            "finished_at",
        ]
        read_only_fields = fields

    def get_is_paused(self, request: PrivacyRequest) -> bool:
        return request.paused_at is not None

    def get_has_file(self, request: PrivacyRequest) -> bool:
        return any(export.deleted_at is None and export.downloads_left for export in request.exports.all())


class PrivacyRequestWriteSerializer(StrictTypesMixin, KnownFieldsMixin, serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=RequestKind.choices)
    user_id = serializers.CharField(
        max_length=255, required=False, help_text=gettext_lazy("The customer. Alternatively, give `email`.")
    )
    email = serializers.EmailField(
        max_length=254,
        required=False,
        help_text=gettext_lazy(
            "The address to which the answer is sent; without `user_id`, it also identifies the customer."
        ),
    )
    verify_email = serializers.BooleanField(
        default=False,
        help_text=gettext_lazy(
            "Send a link to `email` that the customer must open first. Otherwise, you vouch that the customer is logged in to the shop."
        ),
    )
    regulation = serializers.ChoiceField(
        choices=Regulation.choices,
        required=False,
        help_text=gettext_lazy(
            "Defaults to the regulation of the customer's country; without one, to that of the request settings."
        ),
    )
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)
    changes = serializers.DictField(
        child=serializers.CharField(max_length=2000, allow_blank=True),
        required=False,
        help_text=gettext_lazy("For a rectification: the new values by field."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("user_id") and not attrs.get("email"):
            raise serializers.ValidationError({"user_id": _("Give user_id or email.")})
        if attrs["verify_email"] and not attrs.get("email"):
            raise serializers.ValidationError({"email": _("Give the address that is to be verified.")})
        if attrs["kind"] == RequestKind.RECTIFICATION and not attrs.get("changes"):
            raise serializers.ValidationError({"changes": _("A rectification needs the new values.")})
        unknown = sorted(set(attrs.get("changes", {})) - {*PERSON_FIELDS, REMARK})
        if unknown:
            valid = ", ".join([*PERSON_FIELDS, REMARK])
            raise serializers.ValidationError(
                {"changes": _("Unknown name %(name)s; valid: %(names)s.") % {"name": unknown[0][:60], "names": valid}}
            )
        try:
            attrs["changes"] = clean_proposal(attrs.get("changes", {}))
        except FieldError as error:
            raise serializers.ValidationError({"changes": error.message_dict}) from error
        return attrs


class PrivacyStepSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    at = serializers.DateTimeField()
    details = serializers.JSONField()


class PrivacyReceiptSerializer(serializers.Serializer[Any]):
    reference = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.CharField()
    channel = serializers.CharField()
    regulation = serializers.CharField()
    proof = serializers.CharField()
    received_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    rejection = serializers.CharField(allow_blank=True)
    result = serializers.JSONField()
    steps = PrivacyStepSerializer(many=True)


class PrivacyLinkWriteSerializer(StrictTypesMixin, KnownFieldsMixin, serializers.Serializer[Any]):
    user_id = serializers.CharField(max_length=255)
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)


class PrivacyLinkSerializer(serializers.Serializer[Any]):
    url = serializers.URLField()
    expires_at = serializers.DateTimeField()
