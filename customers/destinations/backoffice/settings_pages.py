"""Adding a destination, changing its settings, and deleting it."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from customers.destinations.backoffice.access import find_destination, require_change
from customers.destinations.kinds.base import DestinationError, DestinationKind, SettingField
from customers.destinations.kinds.google import read_audiences
from customers.destinations.kinds.registry import DESTINATION_KINDS
from customers.destinations.kinds.webhook import make_webhook_secret
from customers.destinations.models import DataStream, Destination
from customers.destinations.outbox.collecting import start_cursors
from customers.destinations.recipients import close_recipient, record_recipient
from customers.segments.models import Segment


class DestinationForm(forms.Form):
    """Name, data and settings of a destination; a secret that is left empty keeps its value."""

    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)

    def __init__(
        self, *args: Any, kind: type[DestinationKind], destination: Destination | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.destination = kind, destination
        self.stored: dict[str, Any] = json.loads(destination.credentials or "{}") if destination else {}
        options = destination.options if destination else {}
        self.fields["name"].label = _("Name of the destination")
        self.fields["name"].initial = destination.name if destination else str(kind.label)
        for field in kind.fields:
            self.fields[field.name] = self.build_field(field, options)
        if len(kind.streams) > 1:
            self.add_streams()
        if destination is None:
            self.fields["with_history"] = forms.BooleanField(
                label=_("Also send existing data"),
                help_text=_("Otherwise, only new data is sent."),
                required=False,
                widget=UnfoldBooleanSwitchWidget,
            )

    def build_field(self, field: SettingField, options: dict[str, Any]) -> forms.Field:
        label, is_kept = str(field.label), field.is_secret and bool(self.stored.get(field.name))
        help_text = _("Leave empty to keep the current one.") if is_kept else str(field.help_text)
        initial = "" if field.is_secret else options.get(field.name, "")
        if field.is_flag:
            return forms.BooleanField(
                label=label, help_text=help_text, required=False, initial=initial, widget=UnfoldBooleanSwitchWidget
            )
        widget = (
            UnfoldAdminTextareaWidget
            if field.is_long
            else UnfoldAdminPasswordWidget
            if field.is_secret
            else UnfoldAdminTextInputWidget
        )
        return forms.CharField(
            label=label,
            help_text=help_text,
            required=field.is_required and not is_kept,
            max_length=10_000,
            initial=initial,
            widget=widget(attrs={"autocomplete": "off"}),
        )

    def add_streams(self) -> None:
        choices = [(key, DataStream(key).label) for key in self.kind.streams]
        self.fields["streams"] = forms.MultipleChoiceField(
            label=_("Data"),
            choices=choices,
            widget=forms.CheckboxSelectMultiple,
            initial=self.destination.streams if self.destination else ["orders", "order_changes"],
            help_text=_("Only data of customers who allow sharing at the time of sending."),
        )
        self.fields["segments"] = forms.ModelMultipleChoiceField(
            Segment.objects.order_by("name"),
            label=_("Segments"),
            required=False,
            widget=forms.CheckboxSelectMultiple,
            initial=self.destination.segments.all() if self.destination else [],
            help_text=_("Entries into these segments are sent."),
        )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        try:
            self.kind.clean(values)
            values["audience_ids"] = find_audiences(str(values.get("audiences") or ""))
        except DestinationError as error:
            raise forms.ValidationError(str(error)) from error
        if "segment_entries" in values.get("streams", []) and not values.get("segments"):
            raise forms.ValidationError(_("Choose the segments whose entries are sent."))
        self.check_secrets(values)
        return values

    def check_secrets(self, values: dict[str, Any]) -> None:
        """Require stored secrets again for another server, so that whoever can edit the address cannot send them to their own."""
        options = self.destination.options if self.destination else {}
        addresses = [field.name for field in self.kind.fields if field.is_address]
        if all(str(values.get(name) or "") == str(options.get(name) or "") for name in addresses):
            return
        for field in self.kind.fields:
            if field.is_secret and self.stored.get(field.name) and not values.get(field.name):
                self.add_error(field.name, _("Enter it again, because the address of the server has changed."))

    def save(self) -> Destination:
        """Store the destination; its streams begin now, or with what is stored already."""
        values = self.cleaned_data
        destination = self.destination or Destination(kind=self.kind.key)
        secrets = {field.name for field in self.kind.fields if field.is_secret}
        self.stored |= {name: values[name].strip() for name in secrets if values.get(name)}
        if "secret" in secrets and not self.stored.get("secret"):
            self.stored["secret"] = make_webhook_secret()
        options = {field.name: values.get(field.name) for field in self.kind.fields if field.name not in secrets}
        if values["audience_ids"]:
            options["audience_ids"] = values["audience_ids"]
        destination.name, destination.options = values["name"], options
        destination.credentials = json.dumps(self.stored)
        destination.streams = values.get("streams", list(self.kind.streams))
        destination.problem, destination.retry_at = "", None
        destination.save()
        destination.segments.set(values.get("segments", []))
        record_recipient(destination)
        start_cursors(destination, with_history=bool(values.get("with_history")))
        return destination


def find_audiences(text: str) -> dict[str, str]:
    """Return segment ID to ID of the customer list. Raises DestinationError."""
    pairs = read_audiences(text)
    ids = dict(Segment.objects.filter(key__in=pairs).values_list("key", "pk"))
    if missing := sorted(set(pairs) - set(ids)):
        raise DestinationError(_("Unknown segment: %(keys)s") % {"keys": ", ".join(missing)})
    return {str(ids[key]): list_id for key, list_id in pairs.items()}


@staff_member_required
def add_destination(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the steps and the form of a kind; on POST, store the destination."""
    require_change(request)
    if kind not in DESTINATION_KINDS:
        raise Http404(f"Unknown kind {kind!r}.")
    form = DestinationForm(request.POST or None, kind=DESTINATION_KINDS[kind])
    if request.method == "POST" and form.is_valid():
        destination = form.save()
        record_action("destination.added", instance=destination, label=destination.name)
        messages.success(request, _("The destination was added. Send a test event before you rely on it."))
        return HttpResponseRedirect(reverse("destinations:page", args=[destination.pk]))
    return render_settings(request, form, title=_("Add a destination: %(kind)s") % {"kind": form.kind.label})


@staff_member_required
def change_settings(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Change the settings of a destination; waiting records are sent with the new ones."""
    require_change(request)
    destination = find_destination(destination_id)
    kind = DESTINATION_KINDS.get(destination.kind)
    if kind is None:
        raise Http404(f"Unknown kind {destination.kind!r}.")
    form = DestinationForm(request.POST or None, kind=kind, destination=destination)
    if request.method == "POST" and form.is_valid():
        form.save()
        record_action("destination.settings_changed", instance=destination, label=destination.name)
        messages.success(request, _("The settings were saved."))
        return HttpResponseRedirect(reverse("destinations:page", args=[destination.pk]))
    return render_settings(request, form, title=destination.name, destination=destination)


def render_settings(
    request: HttpRequest, form: DestinationForm, *, title: str, destination: Destination | None = None
) -> HttpResponse:
    return render_page(
        request, "admin/destinations/settings.html", title=title, form=form, kind=form.kind, destination=destination
    )


@staff_member_required
def delete_destination(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Ask before a destination is deleted."""
    require_change(request)
    destination = find_destination(destination_id)
    if request.method == "POST":
        record_action("destination.deleted", model=Destination, label=destination.name)
        close_recipient(destination)
        destination.records.all().delete()
        destination.delete()
        messages.success(request, _("The destination was deleted."))
        return HttpResponseRedirect(reverse("destinations:list"))
    return render_page(
        request,
        "admin/destinations/delete.html",
        title=_("Delete this destination?"),
        destination=destination,
        members=destination.audience.count(),
    )
