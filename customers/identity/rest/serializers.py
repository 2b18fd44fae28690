"""JSON representation of customers, consents and merges."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.urls import Resolver404, resolve
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.bulk_results import ItemStatus
from config.foundation.audit_log import record_access
from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.consent.proofs import MAX_WORDING
from customers.identity.customer_upsert import PERSONAL_FIELDS, TEXT_FIELDS, CustomerChange
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.hashing import normalize_phone
from customers.identity.personal_data.masking import is_hidden_trait, mask_id
from customers.identity.rest.masked_fields import MASKED_ID_HELP, MaskedIdField, find_user_id, may_context_see_personal
from customers.identity.traits import MAX_TRAIT_NAME, MAX_TRAITS, find_trait_problem

MAX_ITEMS = 1000
CUSTOMERS_URL = "/api/v1/customers/"


def is_addressable(user_id: str) -> bool:
    """Return whether the URL of a customer with this ID is not another endpoint, such as ``merge`` or ``a/consents``."""
    if user_id != "merge" and "/" not in user_id:
        return True
    try:
        return resolve(f"{CUSTOMERS_URL}{user_id}/").url_name == "customer-detail"
    except Resolver404:
        return False


@extend_schema_field(OpenApiTypes.OBJECT)
class TraitsField(serializers.JSONField):
    """A JSON object of texts, numbers, booleans, or lists of these."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping) or len(data) > MAX_TRAITS:
            raise serializers.ValidationError(
                _("Send an object with at most %(max)d keys.") % {"max": MAX_TRAITS}, code="invalid"
            )
        problems = {name: problem for name, value in data.items() if (problem := find_trait_problem(name, value))}
        if problems:
            raise serializers.ValidationError({str(name)[:MAX_TRAIT_NAME]: [text] for name, text in problems.items()})
        return dict(data)


class IdentifierSerializer(serializers.ModelSerializer):
    value = MaskedIdField()

    class Meta:
        model = Identifier
        fields = ("kind", "value")


class CustomerSerializer(serializers.ModelSerializer):
    """A customer.

    `name`, `email`, `phone`, `birthday` and personal traits require the scope `customers:personal`. Without it, a `user_id` or an
    identifier that is an email address or a phone number is `•••`; use `id` instead.
    """

    user_id = serializers.SerializerMethodField(
        help_text=format_lazy(
            "{} {}", _("The first user ID; null if the customer was never identified."), MASKED_ID_HELP
        )
    )
    identifiers = serializers.SerializerMethodField()
    traits = TraitsField()

    class Meta:
        model = Customer
        fields = (
            "id",
            "user_id",
            "identifiers",
            "language",
            "country",
            "traits",
            "first_seen_at",
            "last_seen_at",
            "created_at",
            *PERSONAL_FIELDS,
        )
        extra_kwargs = {name: {"required": False} for name in PERSONAL_FIELDS}

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        if not self._shows_personal_fields():
            for name in PERSONAL_FIELDS:
                del fields[name]
        return fields

    def to_representation(self, customer: Customer) -> dict[str, Any]:
        representation = super().to_representation(customer)
        if may_context_see_personal(self.context):
            record_access(model=Customer, pks=[customer.pk])
        if not self._shows_personal_fields() and isinstance(representation["traits"], dict):
            traits = representation["traits"].items()
            representation["traits"] = {name: value for name, value in traits if not is_hidden_trait(name, value)}
        return representation

    def _shows_personal_fields(self) -> bool:
        """Return whether personal fields are included; the OpenAPI document, which has no caller, describes them."""
        request = self.context.get("request")
        return request is None or request.auth is None or may_context_see_personal(self.context)

    @extend_schema_field({"type": "string", "nullable": True})
    def get_user_id(self, customer: Customer) -> str | None:
        return find_user_id(customer, self.context)

    @extend_schema_field(IdentifierSerializer(many=True))
    def get_identifiers(self, customer: Customer) -> list[dict[str, str]]:
        with_personal = may_context_see_personal(self.context)
        return [
            {"kind": identifier.kind, "value": mask_id(identifier.value, with_personal=with_personal)}
            for identifier in customer.identifiers.all()
            if not identifier.kind.endswith("_hash")
        ]


class CustomerItemSerializer(KnownFieldsMixin, serializers.Serializer):
    """One customer to write. An omitted field keeps its value; null or an empty text clears it."""

    user_id = serializers.CharField(max_length=255)
    name = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True, allow_null=True)
    phone = serializers.CharField(max_length=50, required=False, allow_blank=True, allow_null=True)
    birthday = serializers.DateField(required=False, allow_null=True)
    language = serializers.CharField(max_length=20, required=False, allow_blank=True, allow_null=True)
    country = serializers.CharField(max_length=100, required=False, allow_blank=True, allow_null=True)
    traits = TraitsField(required=False, help_text=_("Merged with the existing traits; null removes a trait."))

    def validate_user_id(self, user_id: str) -> str:
        if not is_addressable(user_id):
            raise serializers.ValidationError(_("This key is reserved by the REST API."), code="reserved")
        return user_id

    def validate_phone(self, phone: str | None) -> str | None:
        if phone and len(normalize_phone(phone).removeprefix("+")) < 5:
            raise serializers.ValidationError(_("A phone number must have at least five digits."))
        return phone

    def validate_birthday(self, birthday: date | None) -> date | None:
        if birthday is not None and not date(1880, 1, 1) <= birthday <= datetime.now(UTC).date():
            raise serializers.ValidationError(_("Send a date between 1880 and today."))
        return birthday


class CustomersWriteSerializer(KnownFieldsMixin, serializers.Serializer):
    customers = CustomerItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class UnvalidatedItemsSerializer(KnownFieldsMixin, serializers.Serializer):
    """Accepts the list without validating its items, so that one invalid item does not reject the others."""

    customers = serializers.ListField(child=serializers.JSONField(), max_length=MAX_ITEMS)


def build_change(validated: Mapping[str, Any]) -> CustomerChange:
    fields = {}
    for name in TEXT_FIELDS:
        if name in validated:
            value = validated[name]
            fields[name] = value.isoformat() if isinstance(value, date) else value or ""
    return CustomerChange(user_id=validated["user_id"], fields=fields, traits=validated.get("traits", {}))


class CustomerItemErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class CustomerResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    user_id = serializers.CharField()
    status = serializers.ChoiceField(choices=[(status.value, status.value) for status in ItemStatus])
    errors = CustomerItemErrorSerializer(many=True)  # type: ignore[assignment]


class CustomersWrittenSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = CustomerResultSerializer(many=True)


class ConsentSerializer(StrictTypesMixin, serializers.ModelSerializer):
    recorded_at = serializers.DateTimeField(
        required=False, help_text=_("Time when the consent was granted or withdrawn; defaults to now.")
    )

    wording = serializers.CharField(
        max_length=MAX_WORDING,
        required=False,
        write_only=True,
        help_text=_("The text that the customer agreed to, or its version; kept as proof."),
    )

    class Meta:
        model = Consent
        fields = ("purpose", "status", "policy_version", "source", "recorded_at", "lawful_basis", "wording")

    def validate_recorded_at(self, recorded_at: datetime) -> datetime:
        now = datetime.now(UTC)
        if recorded_at > now + timedelta(minutes=5):
            raise serializers.ValidationError(_("The time must not be in the future."), code="in_future")
        # a clock that is a little fast must not make a grant outlast the withdrawal that follows it
        return min(recorded_at, now)


class EffectiveConsentSerializer(serializers.Serializer):
    purpose = serializers.ChoiceField(choices=Consent.Purpose.choices)
    is_allowed = serializers.BooleanField()
    reason = serializers.ChoiceField(
        choices=["entry", "silence", "missing", "outdated"],
        help_text="`entry`: the latest entry of the ledger. `silence`: there is none, and the region needs none. `missing`: the region "
        "needs a consent. `outdated`: the consent has to be renewed, because the privacy policy has changed.",
    )


class PersonSerializer(StrictTypesMixin, serializers.Serializer):
    """One customer, identified by exactly one of these fields."""

    exactly_one_of = ("id", "user_id", "anonymous_id", "device_id", "email", "phone", "wechat_openid", "wechat_unionid")

    id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    user_id = serializers.CharField(required=False, max_length=255)
    anonymous_id = serializers.CharField(required=False, max_length=255)
    device_id = serializers.CharField(required=False, max_length=255)
    email = serializers.CharField(required=False, max_length=254)
    phone = serializers.CharField(required=False, max_length=50)
    wechat_openid = serializers.CharField(required=False, max_length=128)
    wechat_unionid = serializers.CharField(required=False, max_length=128)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            names = ", ".join(self.exactly_one_of)
            raise serializers.ValidationError(_("Send exactly one of %(names)s.") % {"names": names}, code="invalid")
        return attrs


class MergeSerializer(StrictTypesMixin, serializers.Serializer):
    keep = PersonSerializer(help_text=_("The customer to keep; its field values take precedence."))
    merge = PersonSerializer(help_text=_("The customer to merge."))
    dry_run = serializers.BooleanField(default=False, help_text=_("Dry run: only show what would be moved."))


class MergeResultSerializer(serializers.Serializer):
    dry_run = serializers.BooleanField()
    merge_id = serializers.IntegerField(allow_null=True, help_text=_("ID of the merge, for undoing it."))
    kept = serializers.IntegerField(help_text=_("ID of the kept customer."))
    merged = serializers.IntegerField(help_text=_("Former ID of the merged customer."))
    moved = serializers.DictField(
        child=serializers.IntegerField(), help_text=_("Number of rows moved per model, such as orders.order.")
    )
    filled = serializers.ListField(
        child=serializers.CharField(), help_text=_("Empty fields and traits of the kept customer that were filled.")
    )
