"""REST API of forms: a newsletter sign-up."""

import time
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.http.client_address import get_client_address
from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.problems import JobQueueUnreachable
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.personal_data.hashing import normalize_email
from customers.subscriptions.limits import compute_limit_wait, is_client_limited
from customers.subscriptions.requests import SubscriptionRequest
from customers.subscriptions.subscribing import request_subscription


class NewsletterSerializer(StrictTypesMixin, KnownFieldsMixin, serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    form = serializers.SlugField(
        max_length=90, default="newsletter", help_text=_("The name of the form; it is stored with the consent.")
    )
    policy_version = serializers.CharField(
        max_length=50,
        default="",
        allow_blank=True,
        help_text=_("The version of the privacy policy shown next to the form."),
    )
    website = serializers.CharField(
        max_length=1000, default="", allow_blank=True, help_text=_("Leave this empty. Only bots fill it in.")
    )


class NewsletterResponseSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["confirmation_sent"])


class NewsletterView(APIView):
    """Send a confirmation mail to an address; its link records the consent.

    The answer is the same for every address: known or not, subscribed or not.
    """

    required_scopes: ClassVar[dict[str, str]] = {"POST": "customers:write"}
    publishable = True

    @extend_schema(
        operation_id="forms_newsletter",
        request=NewsletterSerializer,
        responses={202: NewsletterResponseSerializer},
        tags=["forms"],
    )
    def post(self, request: Request) -> Response:
        body = NewsletterSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values, seconds = body.validated_data, time.time()
        if is_client_limited(get_client_address(request.META), seconds=seconds):
            raise Throttled(wait=compute_limit_wait(seconds=seconds))
        if not values["website"]:
            subscription = SubscriptionRequest(
                normalize_email(values["email"]),
                values["form"],
                values["policy_version"],
                get_language() or "en",
                timezone.now(),
            )
            if not request_subscription(request=subscription, origin=request.build_absolute_uri("/")[:-1]):
                raise JobQueueUnreachable
        return Response({"status": "confirmation_sent"}, status=202)
