"""REST endpoints of segments: definitions, members and previews."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers, status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.audit_log import record_access
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.segments.conditions.catalog_names import list_traits
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.conditions.fields import describe_fields
from customers.segments.editing import SegmentInUseError, check_not_in_use, replace_members
from customers.segments.explanation.membership_explanation import MembershipExplanation, explain_segments, flatten
from customers.segments.history import count_overlap, list_days, query_entries, query_exits
from customers.segments.membership import annotate_list_columns, find_segments, preview_condition, query_members
from customers.segments.models import Segment, SegmentStay
from customers.segments.rest.serializers import (
    ConditionFieldSerializer,
    ExplainQuerySerializer,
    HistoryQuerySerializer,
    MemberSerializer,
    MembershipExplanationSerializer,
    MembershipSerializer,
    OverlapQuerySerializer,
    OverlapSerializer,
    PreviewRequestSerializer,
    PreviewSerializer,
    SavedSegmentSerializer,
    SegmentHistorySerializer,
    SegmentSerializer,
    StaySerializer,
    build_condition_errors,
)


class SegmentConflictError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("The request conflicts with stored data.")
    default_code = "conflict"


class SaveMembersMixin:
    """Mixin: saves a segment and its list of static members in one transaction."""

    def save_with_members(self, serializer: serializers.BaseSerializer[Segment]) -> Segment:
        user_ids = serializer.validated_data.pop("user_ids", None)
        try:
            with transaction.atomic():
                segment = serializer.save()
                result = None if user_ids is None else replace_members(segment=segment, user_ids=user_ids)
        except IntegrityError as error:  # another request took the key after it was checked
            raise SegmentConflictError(_("A segment with this key already exists.")) from error
        segment.list_result = result  # type: ignore[attr-defined]
        return segment


@extend_schema_view(
    get=extend_schema(operation_id="segments_list", responses=SegmentSerializer(many=True)),
    post=extend_schema(
        operation_id="segments_create",
        description=gettext_lazy("Create a segment."),
        request=SegmentSerializer,
        responses={201: SavedSegmentSerializer},
    ),
)
class SegmentList(SaveMembersMixin, generics.ListCreateAPIView[Segment]):
    """All segments by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read", "POST": "segments:write"}
    idempotent = True
    queryset = Segment.objects.all()
    serializer_class = SegmentSerializer
    ordering = "key"

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        segment = self.save_with_members(serializer)
        return Response(SavedSegmentSerializer(segment).data, status=status.HTTP_201_CREATED)


@extend_schema_view(
    get=extend_schema(operation_id="segments_retrieve", responses=SegmentSerializer),
    put=extend_schema(
        operation_id="segments_replace",
        description=gettext_lazy("Replace the segment."),
        request=SegmentSerializer,
        responses=SavedSegmentSerializer,
    ),
    patch=extend_schema(
        operation_id="segments_change",
        description=gettext_lazy("Change the given fields of the segment."),
        request=SegmentSerializer,
        responses=SavedSegmentSerializer,
    ),
    delete=extend_schema(
        operation_id="segments_delete",
        description=gettext_lazy("Delete the segment. One that is in use cannot be deleted."),
        responses={204: None},
    ),
)
class SegmentDetail(SaveMembersMixin, generics.RetrieveUpdateDestroyAPIView[Segment]):
    """One segment."""

    required_scopes: ClassVar[dict[str, str]] = {
        "GET": "segments:read",
        "PUT": "segments:write",
        "PATCH": "segments:write",
        "DELETE": "segments:write",
    }
    conflicts = ("PUT", "PATCH", "DELETE")
    queryset = Segment.objects.all()
    serializer_class = SegmentSerializer
    lookup_field = "key"

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=kwargs.pop("partial", False))
        serializer.is_valid(raise_exception=True)
        return Response(SavedSegmentSerializer(self.save_with_members(serializer)).data)

    def perform_destroy(self, instance: Segment) -> None:
        try:
            check_not_in_use(segment=instance)
            instance.delete()
        except SegmentInUseError as error:
            raise SegmentConflictError(str(error)) from error
        except ProtectedError as error:
            names = ", ".join(sorted(str(user) for user in error.protected_objects))
            raise SegmentConflictError(_("The segment is used by %(names)s.") % {"names": names}) from error


@extend_schema_view(get=extend_schema(operation_id="segments_members"))
class SegmentMembers(generics.ListAPIView[Customer]):
    """The current members of a segment, sorted by customer ID."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}
    conflicts = ("GET",)
    serializer_class = MemberSerializer
    queryset = Customer.objects.none()
    ordering = "id"

    @cached_property
    def as_of(self) -> datetime:
        return timezone.now()

    def get_queryset(self) -> QuerySet[Customer]:
        if getattr(self, "swagger_fake_view", False):
            return Customer.objects.none()
        segment = get_object_or_404(Segment, key=self.kwargs["key"])
        try:
            members = query_members(segment=segment, as_of=self.as_of)
        except ConditionError as error:
            raise SegmentConflictError(_("The segment is not valid: %(reason)s") % {"reason": error}) from error
        return annotate_list_columns(members)


@extend_schema_view(get=extend_schema(operation_id="segments_entered"))
class SegmentEntries(generics.ListAPIView[SegmentStay]):
    """The customers who were seen to enter a segment, newest first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}
    serializer_class = StaySerializer
    queryset = SegmentStay.objects.none()
    ordering: tuple[str, ...] = ("-entered_at", "-id")

    def get_queryset(self) -> QuerySet[SegmentStay]:
        if getattr(self, "swagger_fake_view", False):
            return SegmentStay.objects.none()
        return self.query_stays(get_object_or_404(Segment, key=self.kwargs["key"]))

    def query_stays(self, segment: Segment) -> QuerySet[SegmentStay]:
        return query_entries(segment)


@extend_schema_view(get=extend_schema(operation_id="segments_left"))
class SegmentExits(SegmentEntries):
    """The customers who were seen to leave a segment, newest first."""

    ordering = ("-left_at", "-id")

    def query_stays(self, segment: Segment) -> QuerySet[SegmentStay]:
        return query_exits(segment)


class SegmentHistory(APIView):
    """The size of a segment by day, and how many customers entered and left."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="segments_history", parameters=[HistoryQuerySerializer], responses=SegmentHistorySerializer
    )
    def get(self, request: Request, key: str) -> Response:
        segment = get_object_or_404(Segment, key=key)
        query = HistoryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        until = query.validated_data.get("until") or timezone.localdate()
        since = query.validated_data.get("since") or until - timedelta(days=90)
        if until < since:
            raise serializers.ValidationError(
                {"since": _("“since” must not be after “until”, which defaults to today.")}
            )
        days = list_days(segment=segment, since=since, until=until)
        return Response(SegmentHistorySerializer({"key": key, "since": since, "until": until, "days": days}).data)


class SegmentOverlapView(APIView):
    """How many customers two segments have in common."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}
    conflicts = ("GET",)
    checks_parameters = True

    @extend_schema(operation_id="segments_overlap", parameters=[OverlapQuerySerializer], responses=OverlapSerializer)
    def get(self, request: Request, key: str) -> Response:
        query = OverlapQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        other = query.validated_data["other"]
        as_of = timezone.now()
        try:
            members, others = (
                query_members(segment=get_object_or_404(Segment, key=name), as_of=as_of) for name in (key, other)
            )
        except ConditionError as error:
            raise SegmentConflictError(_("The segment is not valid: %(reason)s") % {"reason": error}) from error
        overlap = count_overlap(members, others)
        return Response(
            OverlapSerializer(
                {
                    "size": overlap.size,
                    "other_size": overlap.other_size,
                    "both": overlap.both,
                    "share": overlap.share,
                    "other_share": overlap.other_share,
                    "as_of": as_of,
                }
            ).data
        )


class SegmentPreview(APIView):
    """The number of customers who match a condition, and a sample; nothing is saved."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "segments:read"}

    @extend_schema(operation_id="segments_preview", request=PreviewRequestSerializer, responses=PreviewSerializer)
    def post(self, request: Request) -> Response:
        query = PreviewRequestSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        try:
            preview = preview_condition(**query.validated_data, as_of=timezone.now())
        except ConditionError as error:
            raise serializers.ValidationError(build_condition_errors(error)) from error
        return Response(PreviewSerializer(preview, context={"request": request}).data)


class SegmentFields(APIView):
    """The fields of conditions, in the language of Accept-Language."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}

    @extend_schema(operation_id="segments_fields", responses=ConditionFieldSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ConditionFieldSerializer(describe_fields(traits=list_traits()), many=True).data)


class CustomerSegments(APIView):
    """The segments that a customer is currently in; with `explain=true` also why."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="customer_segments", parameters=[ExplainQuerySerializer], responses=MembershipSerializer
    )
    def get(self, request: Request, user_id: str) -> Response:
        query = ExplainQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        customer = get_customer(user_id)
        as_of = timezone.now()
        segments = find_segments(customer=customer, as_of=as_of)
        if query.validated_data["explain"]:
            for explanation in explain(request, customer, segments, as_of):
                explanation.segment.because = list(flatten(explanation.parts))  # type: ignore[attr-defined]
        membership = {"user_id": user_id, "as_of": as_of, "segments": segments}
        return Response(MembershipSerializer(membership, context={"request": request}).data)


class CustomerSegmentExplanation(APIView):
    """Whether a customer is in one segment, and why: each part of its condition with what the customer has."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}

    @extend_schema(operation_id="customer_segment_explanation", responses=MembershipExplanationSerializer)
    def get(self, request: Request, user_id: str, key: str) -> Response:
        customer, segment = get_customer(user_id), get_object_or_404(Segment, key=key)
        as_of = timezone.now()
        [explanation] = explain(request, customer, [segment], as_of)
        values = {
            "user_id": user_id,
            "as_of": as_of,
            "explanation": explanation,
            "because": list(flatten(explanation.parts)),
        }
        return Response(MembershipExplanationSerializer(values, context={"request": request}).data)


def get_customer(user_id: str) -> Customer:
    """Return the customer with a user ID; Errors: Http404."""
    identifiers = Identifier.objects.select_related("customer")
    return get_object_or_404(identifiers, kind=Identifier.Kind.USER_ID, value=user_id).customer


def explain(
    request: Request, customer: Customer, segments: list[Segment], as_of: datetime
) -> list[MembershipExplanation]:
    """Return the explanations that the caller may see; personal traits that are shown are recorded in the audit log."""
    with_personal = may_see_personal(request)
    if with_personal:
        record_access(model=Customer, pks=[customer.pk])
    return explain_segments(customer=customer, segments=segments, as_of=as_of, with_personal=with_personal)
