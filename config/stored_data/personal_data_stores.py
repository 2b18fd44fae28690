"""Tables, files and keys of Django, its libraries and the servers."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.foundation.personal_data.file_stores import TextFiles
from config.foundation.personal_data.locations import files, keys, table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

register_stores(
    MatchingTexts(
        "django.admin_log",
        _("administration log"),
        "admin.LogEntry",
        "object_id",
        "object_repr",
        "change_message",
        action=TextAction.MASK,
        phase=ErasurePhase.RECORDS,
    ),
    MatchingTexts(
        "django.sessions",
        pgettext_lazy("logins", "sessions"),
        "sessions.Session",
        "session_data",
        action=TextAction.DELETE,
    ),
    MatchingTexts("jobs.runs", _("job errors"), "jobs.ScheduledRun", "error", action=TextAction.MASK),
    MatchingTexts(
        "digest.deliveries", _("weekly digest errors"), "digest.DigestDelivery", "error", action=TextAction.MASK
    ),
    TextFiles("config.logs", _("log files"), "var/log/*", "var/*.log", phase=ErasurePhase.RECORDS),
)
register_impersonal(
    table("auth.User"),
    table("auth.Group"),
    table("auth.Permission"),
    table("contenttypes.ContentType"),
    table("sessions.Session", "session_key"),
    table("axes.AccessAttempt"),
    table("axes.AccessFailureLog"),
    table("axes.AccessLog"),
    table("jobs.ScheduledRun"),
    table("digest.DigestDelivery"),
    table("django_celery_beat.CrontabSchedule"),
    table("django_celery_beat.PeriodicTask"),
    table("shop.ShopSettings"),
    reason="Staff, their rights and log-ins, the schedule of jobs, and the settings of the shop.",
)
register_impersonal(
    table("campaign_simulation.SimulatedTruth"), reason="What simulated customers were programmed to do, in total."
)
register_impersonal(
    files("var/postgres/*", "var/valkey/*"),
    reason="Data of the database servers, searched through the servers; freed pages are overwritten by later rows.",
)
register_impersonal(
    files("var/secrets/*", "var/static/*", "var/onsite/*", "var/run/*", "var/*.pid", "var/*.lock", "var/*.sock"),
    reason="Keys, files of the pages, and process numbers.",
)
register_impersonal(
    keys(
        "*throttle*",
        "requests:*",
        "*limit*",
        "confirmations:*",
        "health*",
        "_kombu*",
        "unacked*",
        "lock:*",
        "jobs:queued:*",
    ),
    reason="Counts of requests, and marks of running and waiting jobs.",
)
