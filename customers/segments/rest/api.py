"""Segments over REST: the definitions, who is in them now, and a look before saving."""

from datetime import datetime
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

from customers.identity.models import Customer, Identifier
from customers.segments.conditions.catalog_names import known_traits
from customers.segments.conditions.fields import describe_fields
from customers.segments.conditions.parsing import ConditionError
from customers.segments.editing import SegmentInUseError, refuse_when_in_use, replace_list
from customers.segments.membership import listed, members, preview, segments_of
from customers.segments.models import Segment
from customers.segments.rest.serializers import (
    ConditionFieldSerializer,
    MemberSerializer,
    MembershipSerializer,
    PreviewRequestSerializer,
    PreviewSerializer,
    SavedSegmentSerializer,
    SegmentSerializer,
    condition_errors,
)


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("This contradicts what is stored.")
    default_code = "conflict"


class Writes:
    """Saves a segment together with its fixed list and answers what became of the list."""

    def save_with_list(self, serializer: serializers.BaseSerializer[Segment]) -> Segment:
        user_ids = serializer.validated_data.pop("user_ids", None)
        try:
            with transaction.atomic():
                segment = serializer.save()
                result = None if user_ids is None else replace_list(segment=segment, user_ids=user_ids)
        except IntegrityError as error:  # another request took the key after it was checked
            raise Conflict(_("A segment with this key was made a moment ago.")) from error
        segment.list_result = result  # type: ignore[attr-defined]
        return segment


@extend_schema_view(
    get=extend_schema(operation_id="segments_list", responses=SegmentSerializer(many=True)),
    post=extend_schema(
        operation_id="segments_create", request=SegmentSerializer, responses={201: SavedSegmentSerializer}
    ),
)
class SegmentList(Writes, generics.ListCreateAPIView[Segment]):
    """All segments by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read", "POST": "segments:write"}
    idempotent = True
    queryset = Segment.objects.all()
    serializer_class = SegmentSerializer
    ordering = "key"

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        segment = self.save_with_list(serializer)
        return Response(SavedSegmentSerializer(segment).data, status=status.HTTP_201_CREATED)


@extend_schema_view(
    get=extend_schema(operation_id="segments_retrieve", responses=SegmentSerializer),
    put=extend_schema(operation_id="segments_replace", request=SegmentSerializer, responses=SavedSegmentSerializer),
    patch=extend_schema(operation_id="segments_change", request=SegmentSerializer, responses=SavedSegmentSerializer),
    delete=extend_schema(operation_id="segments_delete", responses={204: None}),
)
class SegmentDetail(Writes, generics.RetrieveUpdateDestroyAPIView[Segment]):
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
        return Response(SavedSegmentSerializer(self.save_with_list(serializer)).data)

    def perform_destroy(self, instance: Segment) -> None:
        try:
            refuse_when_in_use(segment=instance)
            instance.delete()
        except SegmentInUseError as error:
            raise Conflict(str(error)) from error
        except ProtectedError as error:
            names = ", ".join(sorted(str(user) for user in error.protected_objects))
            raise Conflict(_("The segment is used by %(names)s.") % {"names": names}) from error


@extend_schema_view(get=extend_schema(operation_id="segments_members"))
class SegmentMembers(generics.ListAPIView[Customer]):
    """Who is in the segment at this moment, by customer id."""

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
            found = members(segment=segment, as_of=self.as_of)
        except ConditionError as error:
            raise Conflict(_("The segment cannot work: %(reason)s") % {"reason": error}) from error
        return listed(found)


class SegmentPreview(APIView):
    """How many people a condition finds now, and some of them; nothing is saved."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "segments:read"}

    @extend_schema(operation_id="segments_preview", request=PreviewRequestSerializer, responses=PreviewSerializer)
    def post(self, request: Request) -> Response:
        wanted = PreviewRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            found = preview(**wanted.validated_data, as_of=timezone.now())
        except ConditionError as error:
            raise serializers.ValidationError(condition_errors(error)) from error
        return Response(PreviewSerializer(found).data)


class SegmentFields(APIView):
    """What a condition can ask about, in the language of Accept-Language."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}

    @extend_schema(operation_id="segments_fields", responses=ConditionFieldSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ConditionFieldSerializer(describe_fields(traits=known_traits()), many=True).data)


class CustomerSegments(APIView):
    """The segments that a customer is in at this moment."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "segments:read"}

    @extend_schema(operation_id="customer_segments", responses=MembershipSerializer)
    def get(self, request: Request, user_id: str) -> Response:
        identifier = get_object_or_404(
            Identifier.objects.select_related("customer"), kind=Identifier.Kind.USER_ID, value=user_id
        )
        as_of = timezone.now()
        found = segments_of(customer=identifier.customer, as_of=as_of)
        return Response(MembershipSerializer({"user_id": user_id, "as_of": as_of, "segments": found}).data)
