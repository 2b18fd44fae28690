"""Customers and their consents over REST."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.bulk_results import BulkResult, ItemResult, Problem, Status
from config.foundation.rest.filters import MomentFilter
from customers.identity.consent.ledger import latest_consents, record_consent
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.locking import lock_identities
from customers.identity.merging.decisions import merge_by_hand
from customers.identity.merging.merge import MergeError, count_moved, preview_merge
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.resolution.user_ids import customer_of
from customers.identity.rest.serializers import (
    ConsentSerializer,
    CustomerItemSerializer,
    CustomerSerializer,
    CustomersWriteSerializer,
    CustomersWrittenSerializer,
    LooseItemsSerializer,
    MergeAnswerSerializer,
    MergeSerializer,
    change_of,
)


class CustomerFilter(django_filters.FilterSet):
    email = django_filters.CharFilter(method="by_email", help_text="An e-mail address, whole.")
    phone = django_filters.CharFilter(method="by_phone", help_text="A phone number, whole.")
    seen_since = MomentFilter("last_seen_at", "gte", help_text="Seen at this time or later.")

    class Meta:
        model = Customer
        fields = ["language", "country", "email", "phone", "seen_since"]

    def by_email(self, customers: QuerySet[Customer], name: str, email: str) -> QuerySet[Customer]:
        return known_by(customers, Identifier.Kind.EMAIL_HASH, hash_email(email))

    def by_phone(self, customers: QuerySet[Customer], name: str, phone: str) -> QuerySet[Customer]:
        return known_by(customers, Identifier.Kind.PHONE_HASH, hash_phone(phone))


def known_by(customers: QuerySet[Customer], kind: str, value: str) -> QuerySet[Customer]:
    return customers.filter(pk__in=Identifier.objects.filter(kind=kind, value=value).values("customer_id"))


class CustomerList(ListAPIView):
    """The customers, in the order in which they came."""

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
        """Creates or changes up to 1000 customers by user id; each one's fate is in the answer."""
        loose = LooseItemsSerializer(data=request.data)
        loose.is_valid(raise_exception=True)
        result = write_items(loose.validated_data["customers"], seen_at=datetime.now(UTC))
        return Response(result.as_answer("user_id"))


def write_items(items: list[Any], *, seen_at: datetime) -> BulkResult:
    """Checks each item for itself, writes the right ones and puts both outcomes together in the items' order."""
    right: list[tuple[int, CustomerChange]] = []
    results: dict[int, ItemResult] = {}
    serializer = CustomerItemSerializer()
    for index, item in enumerate(items):
        try:
            right.append((index, change_of(serializer.run_validation(item))))
        except ValidationError as error:
            user_id = item.get("user_id") if isinstance(item, Mapping) else None
            key = user_id if isinstance(user_id, str) else ""
            results[index] = ItemResult(index, key, Status.REJECTED, tuple(problems_of(error.detail)))
    written = upsert_customers(changes=[change for _index, change in right], seen_at=seen_at)
    for (index, _change), outcome in zip(right, written.results, strict=True):
        results[index] = ItemResult(index, outcome.key, outcome.status, outcome.problems)
    return BulkResult(tuple(results[index] for index in range(len(items))))


def problems_of(detail: Any, field: str = "") -> list[Problem]:
    if isinstance(detail, Mapping):
        return [problem for name, inner in detail.items() for problem in problems_of(inner, below(field, str(name)))]
    if isinstance(detail, list):
        return [problem for inner in detail for problem in problems_of(inner, field)]
    code = detail.code if isinstance(detail, ErrorDetail) else None
    return [Problem(field, code or "invalid", str(detail))]


def below(field: str, name: str) -> str:
    if name == "non_field_errors":
        return field
    return f"{field}.{name}" if field else name


def customer_or_404(user_id: str) -> Customer:
    customer = None if "\0" in user_id else customer_of(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise Http404(_("There is no customer with this user id."))
    return customer


class CustomerDetail(APIView):
    """One customer, by the user id of the shop."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}

    @extend_schema(operation_id="customers_retrieve", responses=CustomerSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        return Response(CustomerSerializer(customer_or_404(user_id), context={"request": request}).data)


class ConsentList(APIView):
    """What a customer consents to: the latest line of each purpose, and adding a line."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read", "POST": "customers:write"}
    idempotent = True

    @extend_schema(operation_id="customers_consents_list", responses=ConsentSerializer(many=True))
    def get(self, request: Request, user_id: str) -> Response:
        return Response(ConsentSerializer(latest_consents(customer=customer_or_404(user_id)), many=True).data)

    @extend_schema(
        operation_id="customers_consents_record", request=ConsentSerializer, responses={201: ConsentSerializer}
    )
    def post(self, request: Request, user_id: str) -> Response:
        serializer = ConsentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        facts = {"recorded_at": datetime.now(UTC), **serializer.validated_data}
        with transaction.atomic():
            lock_identities()  # nobody is folded between the look-up and the line
            consent = record_consent(customer=customer_or_404(user_id), **facts)
        return Response(ConsentSerializer(consent).data, status=201)


class MergeCustomers(APIView):
    """Says that two customers are one person."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "customers:write"}
    idempotent = True

    @extend_schema(operation_id="customers_merge", request=MergeSerializer, responses={200: MergeAnswerSerializer})
    def post(self, request: Request) -> Response:
        """Folds one customer into another, who gets all that is known of both; the back office can undo it.

        With `dry_run` nothing is changed, and the answer says what would move.
        """
        serializer = MergeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        at = datetime.now(UTC)
        with transaction.atomic():
            lock_identities()
            pair = tuple(customer_id_of(asked[name], name) for name in ("keep", "fold"))
            if pair[0] == pair[1]:
                message = _("Both are customer #%(id)d already.") % {"id": pair[0]}
                raise ValidationError({"fold": [ErrorDetail(message, code="same_customer")]})
            try:
                answer = merge_or_preview(
                    *pair, at=at, by=f"REST: {request.user.get_username()}", dry_run=asked["dry_run"]
                )
            except MergeError as error:
                field = "keep" if error.customer_id == pair[0] else "fold"
                raise ValidationError({field: [ErrorDetail(str(error), code=error.code)]}) from error
        return Response(answer)


def customer_id_of(person: Mapping[str, Any], field: str) -> int:
    """Raises ValidationError naming the field when nobody is known by it."""
    [(name, value)] = person.items()
    match name:
        case "id":
            known = Customer.objects.filter(pk=value)
        case "email":
            known = known_by(Customer.objects.all(), Identifier.Kind.EMAIL_HASH, hash_email(value))
        case "phone":
            known = known_by(Customer.objects.all(), Identifier.Kind.PHONE_HASH, hash_phone(value))
        case _:
            known = known_by(Customer.objects.all(), name, value)
    customer_id = known.values_list("pk", flat=True).first()
    if customer_id is None:
        raise ValidationError({field: {name: [ErrorDetail(_("Nobody is known by this."), code="not_found")]}})
    return customer_id


def merge_or_preview(kept_id: int, folded_id: int, *, at: datetime, by: str, dry_run: bool) -> dict[str, Any]:
    merge_id = None
    if dry_run:
        moved = preview_merge(kept_id=kept_id, folded_id=folded_id, at=at)
    else:
        merge = merge_by_hand(kept_id=kept_id, folded_id=folded_id, at=at, by=by)
        merge_id, moved = merge.pk, merge.moved
    return {
        "dry_run": dry_run,
        "merge_id": merge_id,
        "kept": kept_id,
        "folded": folded_id,
        "moved": count_moved(moved),
        "filled": [*moved["filled"], *(f"traits.{name}" for name in moved["filled_traits"])],
    }
