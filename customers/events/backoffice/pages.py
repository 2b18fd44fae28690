"""The back office's pages of events: those of the moment, and how many come in."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.events.backoffice.activity import MINUTE, Minutes, SourceMinutes, events_by_minute
from customers.events.backoffice.event_context import events_around, owner_of
from customers.events.backoffice.latest_events import LOOKED_THROUGH, MOST_SHOWN, Wanted, latest_events
from customers.events.models import Event, Source
from customers.events.payload_masking import PERSONAL_PART, mask_parts, mask_text
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.personal_traits import unseal_personal

MAY_SEE_PERSONAL = "identity.view_personal"
PRODUCTS_SHOWN = 3
SOURCES_DRAWN = 7


class LiveForm(forms.Form):
    source = forms.ModelChoiceField(Source.objects.all(), label=gettext_lazy("source"), required=False)
    type = forms.ChoiceField(
        label=gettext_lazy("type"), choices=[("", "---------"), *Event.Type.choices], required=False
    )
    name = forms.CharField(label=gettext_lazy("name"), max_length=200, required=False)
    who = forms.CharField(
        label=gettext_lazy("user, anonymous or message id"), max_length=255, strip=True, required=False
    )

    def wanted(self) -> Wanted:
        """A field with something impossible in it does not restrict."""
        self.is_valid()
        source = self.cleaned_data.get("source")
        texts = {name: self.cleaned_data.get(name, "") for name in ("type", "name", "who")}
        return Wanted(source_id=source.pk if source else None, **texts)


def live_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    form = LiveForm(request.GET)
    as_of = timezone.now()
    response = page(
        request,
        model_admin=model_admin,
        template="admin/events/live.html",
        title=_("Live events"),
        form=form,
        most=MOST_SHOWN,
        looked_through=number_format(LOOKED_THROUGH, force_grouping=True),
        time_zone=get_current_timezone_name(),
        data={
            "url": reverse("admin:events_live_rows"),
            "events": shown_events(request, wanted=form.wanted(), as_of=as_of),
            "words": live_words(),
        },
    )
    add_never_cache_headers(response)
    return response


def live_words() -> dict[str, str]:
    return {
        "pause": _("Pause"),
        "resume": _("Go on"),
        "paused": _("Paused"),
        "asOf": _("as of {at}"),
        "occurred": _("occurred at {at}"),
        "news": _("New events: {n}"),
        "failed": _("No answer; the next attempt is in {seconds} s."),
        "loggedOut": _("You are logged out, or may not see events any more. Reload this page."),
        "simulated": _("simulated"),
    }


def live_rows(request: HttpRequest, *, model_admin: ModelAdmin) -> JsonResponse:
    """The events after the one with the id ``after``, as the live page shows them."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    as_of = timezone.now()
    after = request.GET.get("after", "")
    events = shown_events(
        request,
        wanted=LiveForm(request.GET).wanted(),
        after=int(after) if after.isdecimal() and len(after) < 19 else 0,
        as_of=as_of,
    )
    response = JsonResponse({"at": f"{localtime(as_of):%H:%M:%S}", "events": events})
    add_never_cache_headers(response)
    return response


def shown_events(request: HttpRequest, *, wanted: Wanted, after: int = 0, as_of: datetime) -> list[dict[str, Any]]:
    with_personal = request.user.has_perm(MAY_SEE_PERSONAL)
    today = localtime(as_of).date()
    return [
        shown_event(event, today=today, with_personal=with_personal)
        for event in latest_events(wanted=wanted, after=after, as_of=as_of)
    ]


def shown_event(event: Event, *, today: date, with_personal: bool) -> dict[str, Any]:
    who = event.user_id or event.anonymous_id
    name = event.name or getattr(event, "path", None) or event.type
    products = event.product_ids
    return {
        "id": event.pk,
        "url": reverse("admin:events_event_change", args=[event.pk]),
        "received": clock(event.received_at, today=today),
        "occurred": clock(event.occurred_at, today=today),
        "type": event.type,
        "name": name if with_personal else mask_text(name),
        "who": (who if with_personal else mask_text(who)) or "–",
        "products": ", ".join(products[:PRODUCTS_SHOWN]) + ("…" if len(products) > PRODUCTS_SHOWN else "") or "–",
        "productsTitle": ", ".join(products),
        "value": "–" if event.value is None else f"{number_format(event.value)} {event.currency}".strip(),
        "source": event.source.name,
        "simulated": event.source.is_simulated,
    }


def clock(moment: datetime, *, today: date) -> str:
    """The time of today, with the day before it for another day."""
    local = localtime(moment)
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"


def minutes_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    figures = events_by_minute(as_of=timezone.now())
    labels = [f"{localtime(start):%H:%M}" for start in figures.starts]
    lines = drawn_sources(figures)
    rejected = sum(figures.rejected)
    rows = [source_row(one) for one in figures.sources]
    if rejected:
        most = max(figures.rejected)
        rows.append(total_row(_("rejected"), rejected, most, len(labels), url=dead_letters_of(request, figures)))
    return page(
        request,
        model_admin=model_admin,
        template="admin/events/minutes.html",
        title=_("Events a minute"),
        as_of=figures.as_of,
        time_zone=get_current_timezone_name(),
        total=sum(one.total for one in figures.sources) + rejected,
        rows=rows,
        minutes=[
            {"label": label, "counts": [*(line["counts"][number] for line in lines), figures.rejected[number]]}
            for number, label in reversed(list(enumerate(labels)))
        ],
        chart={
            "labels": labels,
            "sources": lines,
            "rejected": figures.rejected,
            "rejectedName": _("rejected"),
            "most": max(
                [
                    0,
                    *figures.rejected,
                    *(sum(counts) for counts in zip(*(one.counts for one in figures.sources), strict=True)),
                ]
            ),
        },
    )


def drawn_sources(figures: Minutes) -> list[dict[str, Any]]:
    """A series for each of the largest sources, and one for all the others."""
    drawn = [
        {
            "name": one.source.name,
            "counts": one.counts,
            "links": [minute_link(start, one.source.pk) for start in figures.starts],
        }
        for one in figures.sources[:SOURCES_DRAWN]
    ]
    if rest := figures.sources[SOURCES_DRAWN:]:
        counts = [sum(each) for each in zip(*(one.counts for one in rest), strict=True)]
        drawn.append({"name": _("others"), "counts": counts, "links": [minute_link(start) for start in figures.starts]})
    return drawn


def minute_link(start: datetime, source_id: int | None = None) -> str:
    query = {"received_at__gte": start.isoformat(), "received_at__lt": (start + MINUTE).isoformat()}
    if source_id is not None:
        query["source__id__exact"] = str(source_id)
    return f"{reverse('admin:events_event_changelist')}?{urlencode(query)}"


def dead_letters_of(request: HttpRequest, figures: Minutes) -> str:
    if not request.user.has_perm("events.view_rejectedevent"):
        return ""
    query = urlencode({"status": "all", "received_at__gte": figures.starts[0].isoformat()})
    return f"{reverse('admin:events_rejectedevent_changelist')}?{query}"


def source_row(one: SourceMinutes) -> dict[str, Any]:
    url = f"{reverse('admin:events_live')}?{urlencode({'source': one.source.pk})}"
    row = total_row(one.source.name, one.total, one.most, len(one.counts), url=url)
    return {**row, "simulated": one.source.is_simulated}


def total_row(name: str, total: int, most: int, minutes: int, *, url: str) -> dict[str, Any]:
    return {
        "name": name,
        "url": url,
        "total": number_format(total, force_grouping=True),
        "average": number_format(total / minutes, decimal_pos=1, force_grouping=True),
        "most": number_format(most, force_grouping=True),
    }


def around(request: HttpRequest, event: Event) -> dict[str, Any]:
    """What the page of an event says of the other events."""
    today = localtime().date()
    with_personal = request.user.has_perm(MAY_SEE_PERSONAL)
    return {
        "events": [shown_event(one, today=today, with_personal=with_personal) for one in events_around(event)],
        "session": bool(event.session_id),
        "has_person": bool(event.user_id or event.anonymous_id),
    }


def links_of(request: HttpRequest, event: Event) -> dict[str, tuple[str, str]]:
    """The customer and the source of an event, each with its page's address where this reader may open it."""
    may = request.user.has_perm
    customer = owner_of(event)
    customer_page = ""
    if customer and may("lifecycle.view_customerprofile"):
        customer_page = reverse("admin:lifecycle_customer", args=[customer.pk])
    elif customer and may("identity.view_customer"):
        customer_page = reverse("admin:identity_customer_change", args=[customer.pk])
    source_page = reverse("admin:events_source_change", args=[event.source_id]) if may("events.view_source") else ""
    return {
        "customer": (str(customer) if customer else "–", customer_page),
        "source": (event.source.name, source_page),
    }


def uncover(event: Event) -> None:
    """Shows what the collector encrypted. A part whose key is gone is named, and the page still opens."""
    if sealed := event.properties.get(PERSONAL_PART):
        try:
            event.properties[PERSONAL_PART] = unseal_personal(sealed)
        except UnreadableFieldError as error:
            event.properties[PERSONAL_PART] = str(error)


def cover(event: Event) -> None:
    traits = event.type in (Event.Type.IDENTIFY, Event.Type.GROUP)
    event.properties = mask_parts(event.properties, among_traits=traits)
    event.context = mask_parts(event.context)
    for name in ("name", "user_id", "anonymous_id"):
        setattr(event, name, mask_text(getattr(event, name)))


def page(
    request: HttpRequest, *, model_admin: ModelAdmin, template: str, title: str, **context: Any
) -> TemplateResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    base = {**model_admin.admin_site.each_context(request), "title": title}
    return TemplateResponse(request, template, {**base, **context})
