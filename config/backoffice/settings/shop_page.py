"""The page of the shop settings, its test message, and the shop's logo."""

import logging
from contextlib import suppress
from smtplib import SMTPException
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import override
from django_celery_beat.models import PeriodicTask

from config.access.passwords.mail import is_mail_configured
from config.backoffice.settings.shop_form import ShopForm
from config.backoffice.settings.time_zone import describe_time_zones, start_recounts
from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_moment, join_list
from config.foundation.shop.mail import send_shop_mail
from config.foundation.shop.models import load_shop_settings
from config.foundation.shop.profile import forget_shop, get_shop, get_time_zone
from config.jobs.control import QueueError, start_job
from customers.segments.event_counts.recounting import count_waiting_customers
from recommendations.campaigns.launch.time_zone_changes import list_moved_starts, plan_runs_again

logger = logging.getLogger(__name__)

PHONE_TASK = "customers.identity.tasks.apply_country_of_phone_numbers"
MAX_LISTED_CAMPAIGNS = 10
PERMISSION = "shop.change_shopsettings"
SECTIONS = (
    ("shop", ("name", "currency", "language", "time_zone", "confirm_time_zone", "country")),
    ("brand", ("color", "logo_file", "remove_logo")),
    ("mail", ("sender_name", "sender_address", "reply_to", "postal_address")),
)


def show_shop_settings(request: HttpRequest) -> HttpResponse:
    """Show the settings; a POST saves them, or sends a test message with the saved ones."""
    check_permissions(request, PERMISSION)
    stored = load_shop_settings()
    form = ShopForm(request.POST or None, request.FILES or None, instance=stored)
    if request.method == "POST":
        if request.POST.get("action") == "test":
            send_test_message(request)
            return HttpResponseRedirect(reverse("settings:shop"))
        if form.is_valid():
            form.save()
            forget_shop()
            record_action("shop.settings_changed", instance=stored, details={"fields": sorted(form.changed_data)})
            if form.changes_time_zone:
                plan_runs_again(now=now())
                report_recounts(request)
                report_moved_campaigns(request, before=form.time_zone_before)
            if form.changes_country:
                start_phone_job(request)
            messages.success(request, _("The settings were saved. All pages use them within a few seconds."))
            return HttpResponseRedirect(reverse("settings:shop"))
    shop = get_shop()
    return render_page(
        request,
        "backoffice/settings/shop.html",
        title=_("Brand and email"),
        form=form,
        sections={key: [form[name] for name in names if name in form.fields] for key, names in SECTIONS},
        shop=shop,
        local_time=format_moment(now()),
        time_zones=describe_time_zones(at=now()),
        waiting=count_waiting_customers(),
        mail_is_configured=is_mail_configured(),
        status=422 if form.errors else None,
    )


def start_phone_job(request: HttpRequest) -> None:
    """Start the job that compares stored phone numbers in their new form; without the queue, it runs as scheduled."""
    with suppress(QueueError):
        for job in PeriodicTask.objects.filter(task=PHONE_TASK):
            start_job(job, started_by=request.user.get_username())


def report_recounts(request: HttpRequest) -> None:
    """Start the jobs that recount the data, and tell the user what happens."""
    if start_recounts(started_by=request.user.get_username()):
        messages.info(
            request,
            _(
                "Daily figures are being recounted in the new time zone. You can follow the progress under Settings › Jobs."
            ),
        )
    else:
        messages.warning(
            request,
            _(
                "The recount could not be started now, because the queue did not respond. Its jobs will run as scheduled."
            ),
        )


def report_moved_campaigns(request: HttpRequest, *, before: str) -> None:
    """Tell the user which campaigns that are sent once now start at another time of day."""
    starts = list_moved_starts(before=ZoneInfo(before), after=get_time_zone(), now=now())
    if not starts:
        return
    lines = [
        _("%(name)s (%(before)s → %(after)s)")
        % {
            "name": start.name,
            "before": date_format(start.before, "DATETIME_FORMAT"),
            "after": date_format(start.after, "DATETIME_FORMAT"),
        }
        for start in starts[:MAX_LISTED_CAMPAIGNS]
    ]
    if len(starts) > MAX_LISTED_CAMPAIGNS:
        lines.append(_("and %(n)s more") % {"n": format_count(len(starts) - MAX_LISTED_CAMPAIGNS)})
    messages.warning(
        request,
        _(
            "Campaigns that are sent once keep their moment, so their time of day changes: %(campaigns)s. To send one at another "
            "time, edit its draft; if it was launched already, cancel it and launch a copy."
        )
        % {"campaigns": join_list(lines)},
    )


def send_test_message(request: HttpRequest) -> None:
    """Send a message to the user's own address, and report on the page whether the mail server accepted it."""
    recipient = request.user.email if request.user.is_authenticated else ""
    if not recipient:
        messages.error(request, _("Your account has no email address. Add one on your user page, then try again."))
        return
    shop = get_shop()
    with override(shop.language):
        subject = _("Test message from %(shop)s") % {"shop": shop.name}
        text = _("This is a test message. If you can read it, the email settings of %(shop)s work.") % {
            "shop": shop.name
        }
    try:
        send_shop_mail(subject=subject, text=text, recipient=recipient)
    except (SMTPException, OSError) as error:
        logger.warning("The test message could not be sent", exc_info=True)
        messages.error(
            request,
            _(
                "The mail server did not accept the message: %(error)s. Check EMAIL_HOST, EMAIL_USER and the sender address."
            )
            % {"error": str(error).strip(".")},
        )
        return
    messages.success(request, _("A test message was sent to %(address)s.") % {"address": recipient})


def show_logo(request: HttpRequest) -> HttpResponse:
    """Return the logo to anyone, because the log-in page shows it."""
    stored = load_shop_settings()
    if not stored.logo:
        raise Http404
    response = HttpResponse(bytes(stored.logo), content_type=stored.logo_type)
    response["Cache-Control"] = "public, max-age=86400"
    response["X-Content-Type-Options"] = "nosniff"
    return response
