"""Product feeds that are fetched by URL: their list, the form of one, and fetching it now."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_moment
from customers.imports import tasks
from customers.imports.backoffice.access import require_import, require_view
from customers.imports.backoffice.upload_page import validate_source
from customers.imports.feeds import validate_feed_url
from customers.imports.kinds.products import PRODUCTS
from customers.imports.models import ScheduledFeed

COLUMNS = (
    Column(key="source", label=gettext_lazy("Source"), sort="source", align="text"),
    Column(key="url", label=gettext_lazy("URL"), align="text"),
    Column(key="interval", label=gettext_lazy("Fetched"), sort="interval_hours", align="text"),
    Column(key="checked", label=gettext_lazy("Last fetched"), sort="checked_at"),
    Column(key="result", label=gettext_lazy("Result"), align="text"),
)
MAX_URL_SHOWN = 60


class FeedForm(forms.ModelForm):
    """A feed with its schedule. A new URL is always fetched: what is known of the old file is dropped."""

    url = forms.URLField(
        label=gettext_lazy("URL"),
        max_length=2000,
        assume_scheme="https",
        validators=[validate_feed_url],
        help_text=gettext_lazy("Must begin with https://."),
    )

    class Meta:
        model = ScheduledFeed
        fields = ("url", "source", "interval_hours", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].validators.append(validate_source)

    def save(self, commit: bool = True) -> ScheduledFeed:
        if {"url", "source"} & set(self.changed_data):
            self.instance.etag = self.instance.last_modified = self.instance.content_hash = ""
        if {"url", "interval_hours", "is_enabled"} & set(self.changed_data):
            self.instance.due_at = None
        feed: ScheduledFeed = super().save(commit)
        return feed


@staff_member_required
def show_feeds(request: HttpRequest) -> HttpResponse:
    """Show all feeds."""
    require_view(request)
    table = build_table(
        request,
        ScheduledFeed.objects.select_related("last_run"),
        id="feeds",
        label=_("Scheduled feeds"),
        columns=COLUMNS,
        format_row=format_row,
        default_sort="source",
    )
    can_edit = request.user.has_perms(PRODUCTS.permissions)
    return render_page(request, "admin/imports/feeds.html", title=_("Scheduled feeds"), table=table, can_edit=can_edit)


def format_row(feed: ScheduledFeed) -> dict[str, Any]:
    url = feed.url if len(feed.url) <= MAX_URL_SHOWN else f"{feed.url[:MAX_URL_SHOWN]}…"
    return {
        "source": Cell(feed.source, reverse("imports:feed", args=[feed.pk])),
        "url": Cell(url, title=feed.url),
        "interval": feed.get_interval_hours_display() if feed.is_enabled else _("disabled"),
        "checked": format_moment(feed.checked_at),
        "result": describe_result(feed),
    }


def describe_result(feed: ScheduledFeed) -> Any:
    if feed.error:
        return Cell(_("failed"), title=feed.error)
    if feed.last_run is not None:
        return Cell(feed.last_run.get_state_display(), reverse("imports:run", args=[feed.last_run.pk]))
    return _("not fetched yet") if feed.checked_at is None else _("unchanged")


@staff_member_required
def edit_feed(request: HttpRequest, feed_id: int | None = None) -> HttpResponse:
    """Create or change a feed."""
    require_import(request, PRODUCTS)
    feed = get_object_or_404(ScheduledFeed, pk=feed_id) if feed_id is not None else None
    form = FeedForm(request.POST or None, instance=feed)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        messages.success(request, _("Saved. The feed is fetched within five minutes."))
        return HttpResponseRedirect(reverse("imports:feed", args=[saved.pk]))
    return render_page(
        request,
        "admin/imports/feed.html",
        title=feed.source if feed else _("New feed"),
        form=form,
        feed=feed,
        interval_choices=ScheduledFeed.Interval.choices,
    )


@require_POST
@staff_member_required
def fetch_now(request: HttpRequest, feed_id: int) -> HttpResponse:
    require_import(request, PRODUCTS)
    feed = get_object_or_404(ScheduledFeed, pk=feed_id)
    try:
        tasks.fetch_one_feed.delay(feed.pk)
    except OperationalError as error:
        messages.error(request, _("No worker is available: %(reason)s. Try again.") % {"reason": error})
    else:
        messages.info(request, _("The feed is being fetched. Reload this page to see the result."))
    return HttpResponseRedirect(reverse("imports:feed", args=[feed.pk]))


@require_POST
@staff_member_required
def delete_feed(request: HttpRequest, feed_id: int) -> HttpResponse:
    require_import(request, PRODUCTS)
    get_object_or_404(ScheduledFeed, pk=feed_id).delete()
    messages.success(request, _("The feed was deleted. Its products and imports stay."))
    return HttpResponseRedirect(reverse("imports:feeds"))
