"""REST API of customers, consents and merges."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.bulk_results import BulkResult, FieldProblem, ItemResult, ItemStatus
from config.foundation.rest.filters import MomentFilter
from customers.identity.consent.ledger import read_effective_consents, read_latest_consents, record_consent
from customers.identity.consent.proofs import ConsentProof
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.locking import lock_identities
from customers.identity.merging.decisions import merge_by_hand
from customers.identity.merging.merge import MergeError, count_moved, preview_merge
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone, hash_wechat_id
from customers.identity.resolution.user_ids import find_customer
from customers.identity.rest.serializers import (
    ConsentSerializer,
    CustomerItemSerializer,
    CustomerSerializer,
    CustomersWriteSerializer,
    CustomersWrittenSerializer,
    EffectiveConsentSerializer,
    MergeResultSerializer,
    MergeSerializer,
    UnvalidatedItemsSerializer,
    build_change,
)


class CustomerFilter(django_filters.FilterSet):
    email = django_filters.CharFilter(method="filter_by_email", help_text="A complete email address.")
    phone = django_filters.CharFilter(method="filter_by_phone", help_text="A complete phone number.")
    wechat_openid = django_filters.CharFilter(method="filter_by_openid", help_text="A complete openid of WeChat.")
    wechat_unionid = django_filters.CharFilter(method="filter_by_unionid", help_text="A complete unionid of WeChat.")
    seen_since = MomentFilter("last_seen_at", "gte", help_text="Last seen at this time or later.")

    class Meta:
        model = Customer
        fields = ["language", "country", "email", "phone", "wechat_openid", "wechat_unionid", "seen_since"]

    def filter_by_email(self, customers: QuerySet[Customer], name: str, email: str) -> QuerySet[Customer]:
        return filter_by_identifier(customers, Identifier.Kind.EMAIL_HASH, hash_email(email))

    def filter_by_phone(self, customers: QuerySet[Customer], name: str, phone: str) -> QuerySet[Customer]:
        return filter_by_identifier(customers, Identifier.Kind.PHONE_HASH, hash_phone(phone))

    def filter_by_openid(self, customers: QuerySet[Customer], name: str, openid: str) -> QuerySet[Customer]:
        return filter_by_identifier(customers, Identifier.Kind.OPENID_HASH, hash_wechat_id(openid))

    def filter_by_unionid(self, customers: QuerySet[Customer], name: str, unionid: str) -> QuerySet[Customer]:
        return filter_by_identifier(customers, Identifier.Kind.UNIONID_HASH, hash_wechat_id(unionid))


def filter_by_identifier(customers: QuerySet[Customer], kind: str, value: str) -> QuerySet[Customer]:
    return customers.filter(pk__in=Identifier.objects.filter(kind=kind, value=value).values("customer_id"))


class CustomerList(ListAPIView):
    """List customers, the oldest first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read", "PUT": "customers:write"}
    idempotent = True
    queryset = Customer.objects.filter(erased_at=None).prefetch_related("identifiers")
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilter
    ordering = "id"

    @extend_schema(
        operation_id="customers_upsert",
        request=CustomersWriteSerializer,
        responses={200: CustomersWrittenSerializer},
        filters=False,
    )
    def put(self, request: Request) -> Response:
        """Create or update up to 1000 customers by user id; the response lists the outcome of each."""
        serializer = UnvalidatedItemsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = validate_and_upsert(serializer.validated_data["customers"], seen_at=datetime.now(UTC))
        return Response(result.build_response("user_id"))


def validate_and_upsert(items: list[Any], *, seen_at: datetime) -> BulkResult:
    """Validate each item separately, write the valid ones, and return all outcomes in the items' order."""
    valid: list[tuple[int, CustomerChange]] = []
    results: dict[int, ItemResult] = {}
    serializer = CustomerItemSerializer()
    for index, item in enumerate(items):
        try:
            valid.append((index, build_change(serializer.run_validation(item))))
        except ValidationError as error:
            user_id = item.get("user_id") if isinstance(item, Mapping) else None
            key = user_id if isinstance(user_id, str) else ""
            results[index] = ItemResult(index, key, ItemStatus.REJECTED, tuple(collect_problems(error.detail)))
    bulk_result = upsert_customers(changes=[change for _index, change in valid], seen_at=seen_at)
    for (index, _change), outcome in zip(valid, bulk_result.results, strict=True):
        results[index] = ItemResult(index, outcome.key, outcome.status, outcome.problems)
    return BulkResult(tuple(results[index] for index in range(len(items))))


def collect_problems(detail: Any, field: str = "") -> list[FieldProblem]:
    if isinstance(detail, Mapping):
        return [
            problem
            for name, inner in detail.items()
            for problem in collect_problems(inner, join_field_path(field, str(name)))
        ]
    if isinstance(detail, list):
        return [problem for inner in detail for problem in collect_problems(inner, field)]
    code = detail.code if isinstance(detail, ErrorDetail) else None
    return [FieldProblem(field, code or "invalid", str(detail))]


def join_field_path(field: str, name: str) -> str:
    if name == "non_field_errors":
        return field
    return f"{field}.{name}" if field else name


def get_customer_or_404(user_id: str) -> Customer:
    customer = None if "\0" in user_id else find_customer(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise NotFound(_("No customer has this user ID."))
    return customer


class CustomerDetail(APIView):
    """Retrieve one customer by the shop's user id."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customers_retrieve", responses=CustomerSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        return Response(CustomerSerializer(get_customer_or_404(user_id), context={"request": request}).data)

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer 404 if the ID has slashes: every unknown URL below `customers/` leads here."""
        if "/" in kwargs["user_id"]:
            raise NotFound
        return super().http_method_not_allowed(request, *args, **kwargs)


class ConsentList(APIView):
    """List the current consent for each purpose."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read", "POST": "customers:write"}
    idempotent = True

    @extend_schema(operation_id="customers_consents_list", responses=ConsentSerializer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        return Response(ConsentSerializer(read_latest_consents(customer=get_customer_or_404(user_id)), many=True).data)

    @extend_schema(
        operation_id="customers_consents_record",
        description=gettext_lazy("Record a consent, or its withdrawal, for one purpose."),
        request=ConsentSerializer,
        responses={201: ConsentSerializer},
    )
    def post(self, request: Request, user_id: str) -> Response:
        serializer = ConsentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = {"recorded_at": datetime.now(UTC), **serializer.validated_data}
        with transaction.atomic():
            lock_identities()  # the customer cannot be merged between the lookup and the new entry
            proof = ConsentProof("api", reference=getattr(request.auth, "name", ""), wording=values.pop("wording", ""))
            consent = record_consent(customer=get_customer_or_404(user_id), proof=proof, **values)
        return Response(ConsentSerializer(consent).data, status=201)


class EffectiveConsentList(APIView):
    """List what applies to each purpose: by an entry of the ledger, or by what silence means in the customer's region."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customers_consents_effective", responses=EffectiveConsentSerializer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        effective = read_effective_consents(customer=get_customer_or_404(user_id), purposes=Consent.Purpose.values)
        return Response(EffectiveConsentSerializer(effective.values(), many=True).data)


class MergeCustomers(APIView):
    """Merge two customers that are the same person."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "customers:write"}
    idempotent = True

    @extend_schema(operation_id="customers_merge", request=MergeSerializer, responses={200: MergeResultSerializer})
    def post(self, request: Request) -> Response:
        """Merge one customer into another, who keeps the data of both; the merge can be undone in the back office.

        With `dry_run` nothing is changed, and the response shows what would move.
        """
        serializer = MergeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        options = serializer.validated_data
        at = datetime.now(UTC)
        with transaction.atomic():
            lock_identities()
            pair = tuple(find_customer_id(options[name], name) for name in ("keep", "merge"))
            if pair[0] == pair[1]:
                message = _("Both are already customer #%(id)d.") % {"id": pair[0]}
                raise ValidationError({"merge": [ErrorDetail(message, code="same_customer")]})
            try:
                result = merge_or_preview(
                    *pair, at=at, by=f"REST: {request.user.get_username()}", dry_run=options["dry_run"]
                )
            except MergeError as error:
                field = "keep" if error.customer_id == pair[0] else "merge"
                raise ValidationError({field: [ErrorDetail(str(error), code=error.code)]}) from error
        return Response(result)


def find_customer_id(identifier: Mapping[str, Any], field: str) -> int:
    """Return the id of the customer with this identifier. Raises ValidationError with the field if there is none."""
    [(name, value)] = identifier.items()
    match name:
        case "id":
            customers = Customer.objects.filter(pk=value)
        case "email":
            customers = filter_by_identifier(Customer.objects.all(), Identifier.Kind.EMAIL_HASH, hash_email(value))
        case "phone":
            customers = filter_by_identifier(Customer.objects.all(), Identifier.Kind.PHONE_HASH, hash_phone(value))
        case "wechat_openid" | "wechat_unionid":
            kind = f"{name.removeprefix('wechat_')}_hash"
            customers = filter_by_identifier(Customer.objects.all(), kind, hash_wechat_id(value))
        case _:
            customers = filter_by_identifier(Customer.objects.all(), name, value)
    customer_id = customers.values_list("pk", flat=True).first()
    if customer_id is None:
        raise ValidationError({field: {name: [ErrorDetail(_("No customer has this identifier."), code="not_found")]}})
    return customer_id


def merge_or_preview(kept_id: int, merged_id: int, *, at: datetime, by: str, dry_run: bool) -> dict[str, Any]:
    merge_id = None
    if dry_run:
        moved = preview_merge(kept_id=kept_id, merged_id=merged_id, at=at)
    else:
        merge = merge_by_hand(kept_id=kept_id, merged_id=merged_id, at=at, by=by)
        merge_id, moved = merge.pk, merge.moved
    return {
        "dry_run": dry_run,
        "merge_id": merge_id,
        "kept": kept_id,
        "merged": merged_id,
        "moved": count_moved(moved),
        "filled": [*moved["filled"], *(f"traits.{name}" for name in moved["filled_traits"])],
    }
