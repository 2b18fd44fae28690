"""Template tags of the back office's layout and components."""

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import AdminReadonlyField
from django.db.models import Model
from django.template import Context, Library
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from config.foundation import number_formats
from config.foundation.backoffice.date_range import COMPARISONS, CUSTOM, PRESETS, DateChoice
from config.foundation.backoffice.navigation import describe_empty_list, describe_location
from config.foundation.charts import ChartSpec
from config.jobs.overview import list_running_long_jobs
from customers.warehouse import current_tables

register = Library()


@register.simple_tag(takes_context=True)
def location(context: Context) -> dict[str, Any]:
    """Return where the page is: area, tabs, pages."""
    return describe_location(context["request"]) if "request" in context else {}


@register.simple_tag(takes_context=True)
def empty_list(context: Context) -> dict[str, Any]:
    """Return what to do while the list of the page has no rows: text, label and URL of the next step."""
    # The inclusion tag of the list renders this template without the variable `request`.
    request = getattr(context, "request", None)
    return describe_empty_list(request, context["cl"].opts.label) if request is not None else {}


@register.simple_tag(takes_context=True)
def page_title(context: Context, where: dict[str, Any]) -> str | Promise:
    """Return the page title: for a list its name in the menu, for an object the name of the object, otherwise the title of the view."""
    original = context.get("original")
    if context.get("cl") is not None:
        if where.get("is_registered_page"):
            page, tab = where["page"], next((tab for tab in where["tabs"] if tab.is_current), None)
            tab_label = where["area"].label if tab is not None and tab.tab.key == "all" else tab and tab.label
            label: str | Promise = page.label if where["pages"] or not tab_label else tab_label
            return label
        return str(capfirst(str(context["cl"].opts.verbose_name_plural)))
    if context.get("add") and context.get("opts") is not None:
        return _("Add %(name)s") % {"name": context["opts"].verbose_name}  # Django's Chinese text has a space
    has_object = original is not None and not isinstance(original, str)
    title: str | Promise = (str(original) if has_object else "") or context.get("title") or ""
    return title


@register.simple_tag(takes_context=True)
def job_start_url(context: Context, task: str) -> str:
    """Return the URL that starts a scheduled job; "" if the user may not, or if it is not scheduled."""
    request = context.get("request")
    if request is None or not request.user.has_perm("django_celery_beat.change_periodictask"):
        return ""
    job = PeriodicTask.objects.filter(task=task).values_list("pk", flat=True).first()
    return reverse("jobs:start", args=[job]) if job else ""


@register.simple_tag(takes_context=True)
def readonly_contents(context: Context, field: Any) -> str:
    """Return the value of a read-only field of a form; an object that the user may not open is a text instead of a link."""
    if not isinstance(field, AdminReadonlyField):  # the template may show another value than that of a field
        return ""
    request, resolved = context.get("request"), getattr(field, "resolved_field", None)  # only Unfold's fields have it
    value = resolved[2] if isinstance(resolved, tuple) else None
    if request is not None and isinstance(value, Model):
        registered = admin.site._registry.get(type(value))
        if registered is not None and not registered.has_view_permission(request, value):
            return str(value)
    contents: str = field.contents()
    return contents


@register.simple_tag
def is_export_missing() -> bool:
    """Return whether the figures of the warehouse would be wrong, because nothing was exported yet."""
    return current_tables.is_export_missing()


@register.simple_tag
def running_jobs() -> str:
    """Return a sentence about the jobs for which long work waits; "" without any."""
    jobs = [
        _("%(job)s (since %(at)s)") % {"job": job.name, "at": number_formats.format_moment(job.started_at)}
        for job in list_running_long_jobs(now=timezone.now())
    ]
    return _("Now running: %(jobs)s.") % {"jobs": number_formats.join_list(jobs)} if jobs else ""


@register.filter
def moment(value: datetime | None) -> str:
    """Return a day and time in the shop's time zone and the reader's language."""
    return number_formats.format_moment(value)


@register.filter
def day(value: date | None) -> str:
    """Return a day with its year in the reader's language."""
    return number_formats.format_full_day(value)


@register.filter
def count(value: number_formats.Number | None) -> str:
    return number_formats.format_count(value)


@register.filter
def percent(share: number_formats.Number | None, digits: int = 0) -> str:
    """Return a share from 0 to 1 as a percentage."""
    return number_formats.format_percent(share, digits)


@register.simple_tag
def money(value: number_formats.Number | None, currency: str) -> str:
    return number_formats.format_whole_money(value, currency)


@register.simple_tag
def exact_money(value: number_formats.Number | None, currency: str) -> str:
    """Return an amount with its decimals, such as a price."""
    return number_formats.format_money(value, currency)


@register.simple_tag
def sentence_space() -> str:
    """Return what separates two sentences in the reader's language."""
    return number_formats.get_sentence_space()


@register.filter
def change(value: float | None) -> str:
    """Return a relative change with its sign: 0.042 is +4.2%."""
    return number_formats.format_change(value)


@register.filter
def count_change(value: number_formats.Number | None) -> str:
    """Return by how many a number has changed, with its sign: −11."""
    return number_formats.format_count_change(value)


@register.filter
def change_direction(value: float, good: str) -> str:
    """Return the class of a change: up is good and down is bad, unless ``good`` is down or neutral."""
    if value == 0 or good == "neutral":
        return "same"
    return "up" if (value > 0) is (good == "up") else "down"


@register.simple_tag
def date_options(choice: DateChoice) -> dict[str, Any]:
    """Return the options of the date-range picker (value, text, whether it is chosen), and whether the range includes today.

    Periods such as the last 28 days have the same name everywhere, but end yesterday on pages that count whole days only.
    """
    today = timezone.localdate()
    presets = [(key, label, key == choice.preset) for key, (label, _make) in PRESETS.items()]
    return {
        "presets": [*presets, (CUSTOM, _("Custom"), choice.preset == CUSTOM)],
        "comparisons": [(key, label, key == choice.comparison) for key, label in COMPARISONS.items()],
        "includes_today": choice.range.first <= today <= choice.range.last,
        "ends_yesterday": choice.preset != CUSTOM and choice.range.last == today - timedelta(days=1),
    }


@register.simple_tag
def chart_data(spec: ChartSpec, element_id: str) -> SafeString:
    """Return the part of a chart that the browser draws, as JSON in a script element."""
    return json_script({name: part for name, part in spec.items() if name not in ("table", "summary")}, element_id)


@register.simple_tag
def chart_scripts() -> SafeString:
    """Return the script of Plotly charts, which loads Plotly when the first chart comes near the visible part of the page."""
    return format_html(
        '<script src="{}" data-plotly="{}" defer></script>',
        static("backoffice/charts.js"),
        static("plotly/plotly.min.js"),
    )
