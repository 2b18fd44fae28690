"""Content of the page of one event: its customer, surrounding events, and personal data, masked or decrypted."""

import json
from datetime import date, datetime
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timezone import localtime

from config.foundation.number_formats import format_amount
from customers.events.backoffice.event_context import find_owner, find_surrounding_events
from customers.events.models import Event, SandboxEvent
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.masking import PERSONAL_PART, mask_id, mask_json, mask_text, may_see_personal
from customers.identity.personal_data.personal_traits import unseal_personal

MAX_PRODUCTS = 3


def build_event_row(event: Event | SandboxEvent, *, today: date, with_personal: bool) -> dict[str, Any]:
    """Return an event as a row of the live page or of the surrounding events."""
    person_id = event.user_id or event.anonymous_id
    name = event.name or getattr(event, "path", None) or event.type
    products = event.product_ids
    return {
        "id": event.pk,
        "url": reverse("admin:events_event_change", args=[event.pk]) if isinstance(event, Event) else "",
        "received": format_clock(event.received_at, today=today),
        "occurred": format_clock(event.occurred_at, today=today),
        "type": event.type,
        "name": mask_text(name, with_personal=with_personal),
        "who": mask_id(person_id, with_personal=with_personal) or "–",
        "products": ", ".join(products[:MAX_PRODUCTS]) + ("…" if len(products) > MAX_PRODUCTS else "") or "–",
        "productsTitle": ", ".join(products),
        "value": format_amount(event.value, event.currency),
        "source": event.source.name,
        "simulated": event.source.is_simulated,
        **describe_sandbox(event, with_personal=with_personal),
    }


def describe_sandbox(event: Event | SandboxEvent, *, with_personal: bool) -> dict[str, Any]:
    """Return what the row of a sandbox event shows in addition: the event has no page of its own, so its properties are in a tooltip."""
    if isinstance(event, Event):
        return {}
    if with_personal:
        unseal_event(event)
    else:
        mask_event(event)
    return {"sandbox": True, "properties": json.dumps(event.properties, indent=1, ensure_ascii=False)}


def format_clock(moment: datetime, *, today: date) -> str:
    """Return the time of day, with the date unless it is today."""
    local = localtime(moment)
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"


def build_surroundings(request: HttpRequest, event: Event) -> dict[str, Any]:
    """Return the other events of the same session or person, for the template."""
    today = localtime().date()
    with_personal = may_see_personal(request)
    return {
        "events": [
            build_event_row(surrounding, today=today, with_personal=with_personal)
            for surrounding in find_surrounding_events(event)
        ],
        "has_session": bool(event.session_id),
        "has_person": bool(event.user_id or event.anonymous_id),
    }


def build_links(request: HttpRequest, event: Event) -> dict[str, tuple[str, str]]:
    """Return the customer and the source of an event, each with a URL if this user may open its page."""
    has_permission = request.user.has_perm
    customer = find_owner(event)
    customer_url = source_url = ""
    if customer and has_permission("lifecycle.view_customerprofile"):
        customer_url = reverse("admin:lifecycle_customer", args=[customer.pk])
    elif customer and has_permission("identity.view_customer"):
        customer_url = reverse("admin:identity_customer_change", args=[customer.pk])
    if has_permission("events.view_source"):
        source_url = reverse("admin:events_source_change", args=[event.source_id])
    return {
        "customer": (str(customer) if customer else "–", customer_url),
        "source": (event.source.name, source_url),
    }


def unseal_event(event: Event | SandboxEvent) -> None:
    """Decrypt the personal part of an event; if its key is missing, the page shows the error instead."""
    if sealed := event.properties.get(PERSONAL_PART):
        try:
            event.properties[PERSONAL_PART] = unseal_personal(sealed)
        except UnreadableFieldError as error:
            event.properties[PERSONAL_PART] = str(error)


def mask_event(event: Event | SandboxEvent) -> None:
    """Mask the personal data of an event."""
    has_traits = event.type in (Event.Type.IDENTIFY, Event.Type.GROUP)
    event.properties = mask_json(event.properties, among_traits=has_traits)
    if isinstance(event, Event):
        event.context = mask_json(event.context)
    event.name = mask_text(event.name)
    event.user_id, event.anonymous_id = mask_id(event.user_id), mask_id(event.anonymous_id)


def render_page(
    request: HttpRequest, *, model_admin: ModelAdmin, template: str, title: str, **context: Any
) -> TemplateResponse:
    """Render an admin page that needs the view permission."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    base = {**model_admin.admin_site.each_context(request), "title": title}
    return TemplateResponse(request, template, {**base, **context})
