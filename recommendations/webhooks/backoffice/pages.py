"""The settings page of webhooks: endpoints, their secrets, and the notifications that were given up."""

from collections import defaultdict
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.files.safe_download import DownloadError, check_public_url
from config.foundation.number_formats import format_moment
from config.foundation.slow_figures import get_figures
from recommendations.webhooks.delivering import retry_dead
from recommendations.webhooks.event_types import EVENT_TYPES
from recommendations.webhooks.message_changes import forget_subscriptions
from recommendations.webhooks.models import WebhookEndpoint, WebhookNotification

VIEW = "webhooks.view_webhookendpoint"
CHANGE = "webhooks.change_webhookendpoint"
Status = WebhookNotification.Status


class EndpointForm(forms.ModelForm):
    """A new endpoint."""

    url = forms.CharField(
        label=gettext_lazy("URL"),
        max_length=1000,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Begins with https://."),
    )
    event_types = forms.MultipleChoiceField(
        label=gettext_lazy("events"), choices=list(EVENT_TYPES.items()), widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["name", "url", "event_types"]
        widgets = {"name": UnfoldAdminTextInputWidget}

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            check_public_url(url, settings.WEBHOOK_PRIVATE_HOSTS)
        except DownloadError as error:
            raise forms.ValidationError(str(error)) from error
        return url


def show_endpoints(request: HttpRequest) -> HttpResponse:
    """Show the endpoints; on POST, add one and show its secret once."""
    check_permissions(request, VIEW)
    form = EndpointForm(request.POST or None)
    if request.method == "POST":
        check_permissions(request, "webhooks.add_webhookendpoint")
        if form.is_valid():
            endpoint = form.save()
            forget_subscriptions()
            record_action("webhook.added", instance=endpoint, label=endpoint.name)
            text = _("The endpoint was added. Its secret, which is shown only once: %(secret)s") % {
                "secret": endpoint.secret
            }
            messages.success(request, text)
            return HttpResponseRedirect(reverse("webhooks:endpoints"))
    counts = get_figures("webhooks.notifications", dict[int, dict[str, int]], count_notifications)
    endpoints = [
        {"endpoint": endpoint, **{status: counts.get(endpoint.pk, {}).get(status, 0) for status in Status.values}}
        for endpoint in WebhookEndpoint.objects.all()
    ]
    return render_page(
        request,
        "admin/webhooks/endpoints.html",
        title=_("Webhooks"),
        endpoints=endpoints,
        form=form,
        can_add=request.user.has_perm("webhooks.add_webhookendpoint"),
        can_change=request.user.has_perm(CHANGE),
        table=build_table(
            request,
            WebhookNotification.objects.select_related("endpoint"),
            id="notifications",
            label=gettext_lazy("Notifications"),
            columns=[
                Column(key="created", label=gettext_lazy("Time"), align="text"),
                Column(key="endpoint", label=gettext_lazy("Endpoint"), align="text"),
                Column(key="type", label=gettext_lazy("Event"), align="text"),
                Column(key="status", label=gettext_lazy("Status"), align="text"),
                Column(key="attempts", label=gettext_lazy("Attempts")),
                Column(key="error", label=gettext_lazy("Error"), align="text"),
            ],
            format_row=format_notification,
            page_size=20,
        ),
    )


def count_notifications() -> dict[int, dict[str, int]]:
    """Return the notifications of each endpoint by status."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = WebhookNotification.objects.order_by().values_list("endpoint_id", "status").annotate(Count("pk"))
    for endpoint_id, status, number in rows:
        counts[endpoint_id][status] = number
    return dict(counts)


def format_notification(notification: WebhookNotification) -> dict[str, Any]:
    return {
        "created": format_moment(notification.created_at),
        "endpoint": notification.endpoint.name,
        "type": Cell(notification.type),
        "status": notification.get_status_display(),
        "attempts": notification.attempts,
        "error": notification.error,
    }


def change_endpoint(request: HttpRequest, endpoint_id: int, action: str) -> HttpResponse:
    """Switch an endpoint on or off, delete it, or retry what was given up."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    check_permissions(request, CHANGE)
    endpoint = get_object_or_404(WebhookEndpoint, pk=endpoint_id)
    if action == "switch":
        endpoint.is_active = not endpoint.is_active
        endpoint.save(update_fields=["is_active"])
    elif action == "retry":
        retry_dead(endpoint_id=endpoint.pk, now=timezone.now())
    elif action == "delete" and request.user.has_perm("webhooks.delete_webhookendpoint"):
        record_action("webhook.deleted", model=WebhookEndpoint, label=endpoint.name)
        endpoint.delete()
    else:
        raise Http404(f"Unknown action {action!r}.")
    forget_subscriptions()
    messages.success(request, _("Saved."))
    return HttpResponseRedirect(reverse("webhooks:endpoints"))
