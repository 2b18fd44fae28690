"""REST endpoints with which a browser subscribes to push notifications."""

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.events.sources.user_tokens import is_valid_user_token, list_token_keys
from customers.identity.resolution.user_ids import InvalidUserIdError, find_or_create_customers
from recommendations.sending.push_subscriptions import (
    InvalidSubscriptionError,
    find_public_key,
    remove_subscription,
    save_subscription,
)
from recommendations.sending.rest.serializers import (
    PushEndpointSerializer,
    PushPublicKeySerializer,
    PushSubscriptionSerializer,
)
from recommendations.serving.visitor_claims import read_caller


class PushPublicKey(APIView):
    """The public key with which a browser subscribes to push notifications of this shop."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "messages:read"}
    publishable = True

    @extend_schema(operation_id="push_public_key", responses=PushPublicKeySerializer, tags=["messages"])
    def get(self, request: Request) -> Response:
        return Response({"public_key": find_public_key()})


class PushSubscriptions(APIView):
    """Store the subscription of a browser. Push messages also need the customer's consent to push.

    With a publishable key, `X-User-Token` must prove who the customer is, if the source of the key requires it.
    """

    required_scopes: ClassVar[dict[str, str]] = {"POST": "customers:write"}
    publishable = True

    @extend_schema(
        operation_id="push_subscribe", request=PushSubscriptionSerializer, responses={204: None}, tags=["messages"]
    )
    def post(self, request: Request) -> Response:
        body = PushSubscriptionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values, now, caller = body.validated_data, timezone.now(), read_caller(request)
        user_id = values["user_id"]
        if caller.is_browser and caller.requires_user_token:
            is_proven = is_valid_user_token(caller.user_token, user_id=user_id, keys=list_token_keys(), now=now)
            if not is_proven:
                raise PermissionDenied(_("The header X-User-Token does not prove this user_id. Send a valid token."))
        try:
            customer_id = find_or_create_customers(user_ids=[user_id], seen_at=now).get(user_id)
            if customer_id is None:
                raise ValidationError({"user_id": _("This person's data was erased, so they get no messages.")})
            save_subscription(
                customer_id=customer_id,
                endpoint=values["endpoint"],
                public_key=values["keys"]["p256dh"],
                auth_secret=values["keys"]["auth"],
                now=now,
            )
        except InvalidSubscriptionError as error:
            raise ValidationError({error.field: str(error)}) from error
        except InvalidUserIdError as error:
            raise ValidationError({"user_id": str(error)}) from error
        return Response(status=204)


class PushRemoval(APIView):
    """Forget the subscription of a browser. Only the browser knows its endpoint; an unknown endpoint changes nothing."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "customers:write"}
    publishable = True

    @extend_schema(
        operation_id="push_unsubscribe", request=PushEndpointSerializer, responses={204: None}, tags=["messages"]
    )
    def post(self, request: Request) -> Response:
        body = PushEndpointSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        remove_subscription(body.validated_data["endpoint"])
        return Response(status=204)
