"""The page of the digest: a preview of the last week, and the user's own subscription."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_safe

from config.access.passwords.mail import is_mail_configured
from config.digest.models import DigestDelivery, DigestSubscription
from config.digest.rendering import render_digest
from config.digest.subscribing import PERMISSION, subscribe, unsubscribe
from config.digest.weeks import find_last_week
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions

# no scripts run in the preview, as in mail programs
PREVIEW_POLICY = (
    "sandbox allow-popups allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)
SHOWN_DELIVERIES = 5


def check_permission(request: HttpRequest) -> None:
    check_permissions(request, PERMISSION)


@require_http_methods(["GET", "HEAD", "POST"])
def show_digest(request: HttpRequest) -> HttpResponse:
    """Show the preview; subscribe, change the language or end the subscription."""
    check_permission(request)
    user: Any = request.user
    if request.method == "POST":
        return change_subscription(request)
    subscription = DigestSubscription.objects.filter(user=user, is_active=True).first()
    language = request.GET.get("language") or (subscription.language if subscription else get_language())
    if language not in dict(settings.LANGUAGES):
        raise Http404
    return render_page(
        request,
        "admin/digest/digest.html",
        title=_("Weekly digest"),
        verdict=_(
            "An email every Monday morning that compares last week with the week before and the same week a year earlier."
        ),
        subscription=subscription,
        language=language,
        languages=settings.LANGUAGES,
        address=user.email,
        is_mail_configured=is_mail_configured(),
        preview_url=f"{reverse('digest:preview')}?language={language}",
        deliveries=DigestDelivery.objects.filter(user=user)[:SHOWN_DELIVERIES],
    )


def change_subscription(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if request.POST.get("action") == "end":
        unsubscribe(user_id=user.pk)
        messages.success(request, _("You will no longer receive the weekly digest."))
        return HttpResponseRedirect(reverse("digest:digest"))
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        language = get_language() or settings.LANGUAGE_CODE
    if not user.email:
        messages.error(request, _("Your account has no email address. Ask an administrator to add it."))
        return HttpResponseRedirect(reverse("digest:digest"))
    subscribe(user=user, language=language, now=timezone.now())
    messages.success(request, _("You will get the digest every Monday at %(address)s.") % {"address": user.email})
    return HttpResponseRedirect(reverse("digest:digest"))


@require_safe
@xframe_options_sameorigin
def show_preview(request: HttpRequest) -> HttpResponse:
    """Return the digest of the last week as the user would get it."""
    check_permission(request)
    language = request.GET.get("language", get_language())
    if language not in dict(settings.LANGUAGES):
        raise Http404
    week = find_last_week(as_of=timezone.now())
    digest = render_digest(request.user, week, language=language, unsubscribe_url=reverse("digest:digest"))
    if request.GET.get("format") == "text":
        response = HttpResponse(digest.text, content_type="text/plain; charset=utf-8")
    else:
        response = HttpResponse(digest.html)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    response["Cache-Control"] = "no-store"
    return response
