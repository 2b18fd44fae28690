"""Back office of customers, identifiers, merges, conflicts and consents."""

import json
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.foundation.admin.model_admin import ModelAdmin, list_changed_fields
from config.foundation.admin.paginators import CappedPaginator
from config.foundation.admin.read_only import ChangeDisabled, DeleteDisabled, ReadOnlyAdmin, ReadOnlyInline
from config.foundation.admin.stored_values_filter import StoredValuesFilter
from config.foundation.number_formats import join_label
from customers.identity.backoffice import transfer_admin  # noqa: F401 — registers its model
from customers.identity.backoffice.audited_reads import AuditedReads
from customers.identity.backoffice.conflict_page import render_conflict
from customers.identity.backoffice.identifier_labels import join_user_ids, label_identifier_type, mask_identifier
from customers.identity.backoffice.merge_page import render_merge
from customers.identity.backoffice.traits_page import show_traits_page
from customers.identity.consent.consent_denials import refresh_consent_denials, refresh_denials_after_commit
from customers.identity.consent.proofs import ConsentProof, describe_proof
from customers.identity.customer_upsert import (
    HASHED_FIELDS,
    PERSONAL_FIELDS,
    add_identifiers,
    find_identifier_owners,
    hash_contact_fields,
    record_update_times,
    unlink_identifiers,
)
from customers.identity.models import Consent, Customer, Identifier, IdentityConflict, IdentityMerge
from customers.identity.personal_data.hashing import hash_email, hash_phone, hash_wechat_id
from customers.identity.personal_data.masking import MASK, mask_json, may_see_personal

LISTED = 4  # customers that the list names per conflict


WECHAT_KINDS = (Identifier.Kind.OPENID_HASH, Identifier.Kind.UNIONID_HASH)


class CustomerForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, key in hash_contact_fields({name: self.cleaned_data.get(name, "") for name in HASHED_FIELDS}).items():
            if find_identifier_owners({key}).get(key, self.instance.pk) != self.instance.pk:
                self.add_error(name, _("This value belongs to another customer; merge the two customers or omit it."))
        return cleaned


class CustomerInline(ReadOnlyInline):
    tab = True


class MaskedValues:
    """Shows identifiers masked to users who may not see personal data."""

    @admin.display(description=_("value"))
    def masked_value(self, obj: Identifier) -> str:
        return mask_identifier(obj.kind, obj.value, with_personal=False)


class IdentifierInline(MaskedValues, CustomerInline):
    model = Identifier
    readonly_fields = ["masked_value", "created_at", "linked_by"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["kind", "value" if may_see_personal(request) else "masked_value", "created_at", "linked_by"]


class ConsentInline(CustomerInline):
    model = Consent
    fields = ["purpose", "status", "policy_version", "source", "recorded_at"]


@admin.register(Customer)
class CustomerAdmin(AuditedReads, ModelAdmin):
    """Personal fields are shown and edited only with the permission identity.view_personal."""

    form = CustomerForm
    paginator = CappedPaginator
    inlines = [IdentifierInline, ConsentInline]
    list_display = [
        "number",
        "masked_user_id",
        "masked_name",
        "masked_email",
        "language",
        "country",
        "last_seen_at",
        "portrait",
    ]
    list_filter = [("language", StoredValuesFilter), ("country", StoredValuesFilter)]
    search_fields = ["pk"]
    search_help_text = _("Enter a complete user ID, email address or phone number.")
    show_full_result_count = False
    list_per_page = 50
    readonly_fields = [
        "user_id",
        "masked_user_id",
        "first_seen_at",
        "last_seen_at",
        "created_at",
        "erased_at",
        "portrait",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        # without the permission the fields are not shown, so they need not be decrypted
        customers = super().get_queryset(request).prefetch_related("identifiers")
        return customers if may_see_personal(request) else customers.defer(*PERSONAL_FIELDS)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if not may_see_personal(request):
            return list(self.list_display)
        return [name.removeprefix("masked_") for name in self.list_display]

    def get_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        with_personal = may_see_personal(request)
        personal = [name if with_personal else f"masked_{name}" for name in PERSONAL_FIELDS]
        times = ["first_seen_at", "last_seen_at", "created_at", "erased_at"]
        return [
            "user_id" if with_personal else "masked_user_id",
            "portrait",
            *personal,
            "language",
            "country",
            "plain_traits" if with_personal else "masked_traits",
            *(["traits_page"] if self.has_change_permission(request, obj) else []),
            *times,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        masked = [] if may_see_personal(request) else [f"masked_{name}" for name in PERSONAL_FIELDS]
        return [*self.readonly_fields, "plain_traits", "masked_traits", "traits_page", *masked]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        condition = Q(kind__in=["user_id", "anonymous_id", "device_id"], value=term)
        condition |= Q(kind=Identifier.Kind.EMAIL_HASH, value=hash_email(term))
        condition |= Q(kind=Identifier.Kind.PHONE_HASH, value=hash_phone(term))
        condition |= Q(kind__in=WECHAT_KINDS, value=hash_wechat_id(term))
        return queryset.filter(pk__in=Identifier.objects.filter(condition).values("customer_id")), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.traits_view)
        return [path("<int:customer_id>/traits/", view, name="identity_customer_traits"), *super().get_urls()]

    def traits_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        return show_traits_page(request, model_admin=self, customer_id=customer_id)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # customers are created with an identifier, by events, orders or the REST API

    def has_change_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.erased_at is None)

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """Save what the form has changed, unless the customer has been erased or merged since the form was read."""
        before, after = set(), set()
        if may_see_personal(request):
            before = set(hash_contact_fields({name: form.initial.get(name, "") for name in HASHED_FIELDS}).values())
            after = set(hash_contact_fields({name: getattr(obj, name) for name in HASHED_FIELDS}).values())
        add_identifiers(dict.fromkeys(after - before, obj.pk))
        stored = Customer.objects.select_for_update().filter(pk=obj.pk, erased_at=None).first()
        if stored is None:
            raise Http404(f"Customer {obj.pk} has been erased or merged.")
        # the other columns of the object may be older than what events have written meanwhile
        obj.field_updated_at = stored.field_updated_at
        record_update_times(obj, form.changed_data, datetime.now(UTC))
        if changed := list_changed_fields(obj, form):
            obj.save(update_fields=[*changed, "field_updated_at"])
        if "country" in form.changed_data:
            refresh_denials_after_commit(customer_ids=[obj.pk])
        unlink_identifiers({(obj.pk, *key) for key in before - after})

    @admin.display(description=_("customer"), ordering="id")
    def number(self, obj: Customer) -> str:
        return f"#{obj.pk}"

    @admin.display(description=_("user ID"))
    def user_id(self, obj: Customer) -> str:
        return join_user_ids(obj, with_personal=True)

    @admin.display(description=_("user ID"))
    def masked_user_id(self, obj: Customer) -> str:
        return join_user_ids(obj, with_personal=False)

    @admin.display(description=pgettext_lazy("person", "name"))
    def masked_name(self, obj: Customer) -> str:
        return MASK

    @admin.display(description=_("email"))
    def masked_email(self, obj: Customer) -> str:
        return MASK

    @admin.display(description=_("phone"))
    def masked_phone(self, obj: Customer) -> str:
        return MASK

    @admin.display(description=_("birthday"))
    def masked_birthday(self, obj: Customer) -> str:
        return MASK

    @admin.display(description=_("traits"))
    def plain_traits(self, obj: Customer) -> str:
        return format_traits(obj.traits)

    @admin.display(description=_("traits"))
    def masked_traits(self, obj: Customer) -> str:
        return format_traits(mask_json(obj.traits, among_traits=True))

    @admin.display(description=_("Edit traits"))
    def traits_page(self, obj: Customer) -> str:
        """Return a link to the page with a field for each trait."""
        address = reverse("admin:identity_customer_traits", args=[obj.pk])
        return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, _("Open"))

    @admin.display(description=_("customer profile"))
    def portrait(self, obj: Customer) -> str:
        """Return a link to the customer's page, which belongs to the lifecycle app that identity does not import."""
        try:
            address = reverse("admin:lifecycle_customer", args=[obj.pk])
        except NoReverseMatch:
            return "–"
        return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', address, _("Open"))


def format_traits(traits: Any) -> str:
    """Return one line for each trait."""
    rows = sorted(traits.items()) if isinstance(traits, dict) else []
    return format_html_join(
        "",
        "{}: {}<br>",
        ((name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for name, value in rows),
    )


@admin.register(Identifier)
class IdentifierAdmin(AuditedReads, MaskedValues, ReadOnlyAdmin):
    paginator = CappedPaginator
    list_filter = ["kind"]
    list_display_links = ["kind"]
    list_select_related = False
    search_fields = ["value__exact"]
    readonly_fields = ["masked_value", "customer_number", "created_at", "linked_by"]

    def get_list_display(self, request: HttpRequest) -> list[str]:
        return self.get_fields(request)

    def get_fields(self, request: HttpRequest, obj: Identifier | None = None) -> list[str]:
        value_field = "value" if may_see_personal(request) else "masked_value"
        return ["kind", value_field, "customer_number", "created_at", "linked_by"]

    @admin.display(description=_("customer"), ordering="customer_id")
    def customer_number(self, obj: Identifier) -> str:
        return format_customer_link(obj.customer_id)


@admin.register(IdentityMerge)
class IdentityMergeAdmin(ReadOnlyAdmin):
    list_display = ["labeled_merge", "at", "cause", "kept_link", "reverted_at", "reverted_by"]
    list_filter = [("reverted_at", admin.EmptyFieldListFilter)]
    search_fields = ["cause__exact", "=kept__id", "=merged_id"]
    search_help_text = _("Enter a message ID or a customer number.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[IdentityMerge]:
        return super().get_queryset(request).defer("moved")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return render_merge(request, model_admin=self, merge_id=object_id)

    @admin.display(description=_("identity merge"), ordering="id")
    def labeled_merge(self, obj: IdentityMerge) -> str:
        return str(obj)

    @admin.display(description=_("customer to keep"), ordering="kept_id")
    def kept_link(self, obj: IdentityMerge) -> str:
        return format_customer_link(obj.kept_id)


@admin.register(IdentityConflict)
class IdentityConflictAdmin(ReadOnlyAdmin):
    list_display = ["labeled_reason", "disputed", "customers", "at", "last_at", "status", "resolution"]
    list_filter = ["status", "reason", "resolution"]
    search_fields = ["cause__exact"]
    search_help_text = _("Enter a message ID or a customer number.")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[IdentityConflict], search_term: str
    ) -> tuple[QuerySet[IdentityConflict], bool]:
        number = search_term.strip().removeprefix("#")
        if number.isdecimal() and len(number) < 19:
            return queryset.filter(customer_ids__contains=[int(number)]), False
        return super().get_search_results(request, queryset, search_term)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return render_conflict(request, model_admin=self, conflict_id=object_id)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        identifier_column = "disputed" if may_see_personal(request) else "masked_disputed"
        return [identifier_column if name == "disputed" else name for name in self.list_display]

    @admin.display(description=_("identifier"))
    def disputed(self, obj: IdentityConflict) -> str:
        return format_first_identifier(obj, with_personal=True)

    @admin.display(description=_("identifier"))
    def masked_disputed(self, obj: IdentityConflict) -> str:
        return format_first_identifier(obj, with_personal=False)

    @admin.display(description=_("reason"), ordering="reason")
    def labeled_reason(self, obj: IdentityConflict) -> str:
        return obj.get_reason_display()

    @admin.display(description=_("customers"))
    def customers(self, obj: IdentityConflict) -> str:
        listed = obj.customer_ids[:LISTED]
        more = ", …" if len(obj.customer_ids) > LISTED else ""
        links = format_html_join(", ", "{}", ((format_customer_link(customer_id),) for customer_id in listed))
        return format_html("{}{}", links, more) if listed else "–"


def format_first_identifier(conflict: IdentityConflict, *, with_personal: bool) -> str:
    if not conflict.identifiers:
        return "–"
    kind, value = conflict.identifiers[0]["kind"], conflict.identifiers[0]["value"]
    return join_label(label_identifier_type(kind), mask_identifier(kind, value, with_personal=with_personal))


def format_customer_link(customer_id: int) -> str:
    try:
        address = reverse("admin:lifecycle_customer", args=[customer_id])
    except NoReverseMatch:
        return f"#{customer_id}"
    return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">#{}</a>', address, customer_id)


@admin.register(Consent)
class ConsentAdmin(ChangeDisabled, DeleteDisabled, ModelAdmin):
    """The consent ledger: entries can be added but not changed."""

    paginator = CappedPaginator

    list_display = ["recorded_at", "customer", "purpose", "status", "lawful_basis", "policy_version", "source", "how"]
    list_filter = ["purpose", "status"]
    list_select_related = ["customer"]
    search_fields = ["customer__identifiers__value__exact"]
    raw_id_fields = ["customer"]
    fields = ["customer", "purpose", "status", "lawful_basis", "policy_version", "source"]
    show_full_result_count = False
    list_per_page = 50

    @admin.display(description=_("proof"))
    def how(self, obj: Consent) -> str:
        return describe_proof(obj.proof)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Consent]:
        # the list shows the number of the customer only, so the fields need not be decrypted
        return super().get_queryset(request).defer(*(f"customer__{name}" for name in (*PERSONAL_FIELDS, "traits")))

    def save_model(self, request: HttpRequest, obj: Consent, form: Any, change: bool) -> None:
        obj.recorded_at = datetime.now(UTC)
        obj.proof = ConsentProof("staff", reference=request.user.get_username()).to_json()
        super().save_model(request, obj, form, change)
        refresh_consent_denials(customer_ids=[obj.customer_id])
