"""The scheduled jobs. Missing ones are added to django-celery-beat's tables after every migration; operators can edit them."""

from dataclasses import dataclass
from typing import Any

from cron_descriptor import FormatException, MissingFieldException, Options, WrongArgumentException, get_description
from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connections, transaction
from django.db.models import F
from django.db.models.signals import post_migrate
from django.utils.functional import Promise
from django.utils.translation import get_language, ngettext, override
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from config.celery import app
from config.foundation.shop.profile import get_time_zone_name


@dataclass(frozen=True)
class ScheduledJob:
    """A scheduled job: its Celery task, when it runs, and what it does.

    ``cron`` has five fields in the shop's time zone; a job that runs more often than every minute has ``seconds`` instead. A start that no
    worker accepted in time is dropped, so that no queue builds up; the next start does the same work.
    """

    task: str
    title: str | Promise
    description: str | Promise
    cron: str = ""  # minute hour day-of-month month day-of-week
    seconds: int = 0

    @property
    def name(self) -> str:
        """The English title, which is the job's name in the database."""
        with override("en"):
            return str(self.title)


# On a busy machine, starts wait for some seconds: if they were dropped after an interval of two seconds, all of them could be.
EVERY_HOUR, EVERY_HOUR_ZONE = "*", "UTC"
MIN_SECONDS_TO_START = 30

# tasks that someone waits for, which are not scheduled
AWAITED_TASKS = (
    "customers.analytics.tasks.compute_result",
    "customers.subscriptions.tasks.send_confirmation",
    "customers.privacy.tasks.send_access_link",
    "customers.privacy.tasks.send_notice",
    "customers.privacy.tasks.send_erased_notice",
    "customers.privacy.tasks.make_export",
    "config.access.tasks.mail_password_reset",
    "customers.erasure.tasks.run_erasure_steps",
)
DEMO_JOBS = (
    ScheduledJob(
        task="config.tasks.load_due_demo_orders",
        cron="17 * * * *",
        title=_("Load due demo orders"),
        description=_("Loads the demo orders that are due."),
    ),
)
SCHEDULE: tuple[ScheduledJob, ...] = (
    ScheduledJob(
        task="customers.processing.tasks.process_events",
        seconds=2,
        title=_("Process events"),
        description=_("Converts received events to orders, reviews, consents and profile updates."),
    ),
    ScheduledJob(
        task="customers.privacy.tasks.run_due_erasures",
        cron="*/5 * * * *",
        title=_("Run confirmed erasures"),
        description=_("Erases customers who have confirmed their erasure and whose withdrawal period has ended."),
    ),
    ScheduledJob(
        task="customers.privacy.tasks.resume_exports",
        cron="*/5 * * * *",
        title=_("Resume files of privacy requests"),
        description=_("Creates the files of privacy requests whose task was interrupted, such as by a restart."),
    ),
    ScheduledJob(
        task="customers.privacy.tasks.purge_old_exports",
        cron="25 * * * *",
        title=_("Delete expired files of privacy requests"),
        description=_("Deletes the files with a customer's data that can no longer be downloaded."),
    ),
    ScheduledJob(
        task="customers.identity.tasks.apply_country_of_phone_numbers",
        cron="35 3 * * *",
        title=_("Compare phone numbers"),
        description=_(
            "Compares stored phone numbers in the new format after the shop's country was changed. Otherwise, it does nothing."
        ),
    ),
    ScheduledJob(
        task="customers.erasure.tasks.resume_erasures",
        cron="* * * * *",
        title=_("Resume erasures"),
        description=_("Carries out erasures of customers that are waiting or were interrupted."),
    ),
    ScheduledJob(
        task="customers.erasure.tasks.prove_erasures",
        cron="40 4 * * *",
        title=_("Verify erasures"),
        description=_(
            "Searches all data stores for erased customers to prove that nothing is left, then deletes the identifiers "
            "used for the search."
        ),
    ),
    ScheduledJob(
        task="customers.feedback.tasks.score_new_reviews",
        cron="*/10 * * * *",
        title=_("Score new reviews"),
        description=_("Learns the sentiment of reviews from their stars, and finds texts that contradict them."),
    ),
    ScheduledJob(
        task="customers.lifecycle.tasks.refresh_due_stages",
        cron="*/10 * * * *",
        title=_("Update due lifecycle stages"),
        description=_("Updates customers whose stage changes with the passing of time."),
    ),
    ScheduledJob(
        task="customers.segments.tasks.evaluate_segments",
        cron="*/10 * * * *",
        title=_("Count segments"),
        description=_("Counts the members of every segment, and records who has entered and left."),
    ),
    ScheduledJob(
        task="customers.segments.tasks.record_segment_entries",
        seconds=20,
        title=_("Record segment entries"),
        description=_(
            "Records which active customers have entered or left a segment, within seconds of their activity."
        ),
    ),
    ScheduledJob(
        task="customers.segments.tasks.recount_changed_orders",
        cron="* * * * *",
        title=_("Count changed orders"),
        description=_(
            "Recounts orders that were changed by an import or an edit, and events after the time zone or products were changed."
        ),
    ),
    ScheduledJob(
        task="customers.orders.tasks.move_lines_of_drafts",
        cron="30 * * * *",
        title=_("Move order lines of drafts"),
        description=_(
            "Moves order lines from drafts to products that have been added to the catalog with the same SKU or group."
        ),
    ),
    ScheduledJob(
        task="customers.segments.tasks.recount_moved_products",
        cron="40 * * * *",
        title=_("Count events of moved products"),
        description=_(
            "Schedules the recount of customers with events on products that are new in the catalog or whose category or brand has changed."
        ),
    ),
    ScheduledJob(
        task="recommendations.merchandising.tasks.write_segment_members",
        cron="* * * * *",
        title=_("Write segment members for rules"),
        description=_("Writes the file in which recommendation requests look up the segments that rules use."),
    ),
    ScheduledJob(
        task="customers.events.tasks.ensure_partitions",
        cron="5 0 * * *",
        title=_("Create event partitions"),
        description=_("Creates the tables for the events of the coming months."),
    ),
    ScheduledJob(
        task="customers.events.tasks.count_minutes",
        cron="*/10 * * * *",
        title=_("Count events by minute"),
        description=_("Counts the events of each source by minute, for the pages of sources and events."),
    ),
    ScheduledJob(
        task="config.retention.tasks.purge_old_data",
        cron="45 0 * * *",
        title=_("Delete old data"),
        description=_(
            "Deletes data that is older than its retention period, which is set in Settings › Privacy › Data retention."
        ),
    ),
    ScheduledJob(
        task="config.access.tasks.seal_audit_log",
        cron="* * * * *",
        title=_("Seal the audit log"),
        description=_("Adds keyed hashes of new entries, which show later whether someone changed the audit log."),
    ),
    ScheduledJob(
        task="customers.imports.tasks.resume_imports",
        cron="*/5 * * * *",
        title=_("Resume imports"),
        description=_(
            "Continues imports and undos of imports whose task was lost, such as when Valkey lost its data. Otherwise, it does nothing."
        ),
    ),
    ScheduledJob(
        task="customers.imports.tasks.fetch_feeds",
        cron="*/5 * * * *",
        title=_("Fetch product feeds"),
        description=_("Fetches due product feeds from their URLs, and imports those that have changed."),
    ),
    ScheduledJob(
        task="customers.connectors.tasks.process_shop_webhooks",
        seconds=5,
        title=_("Process webhooks of shops"),
        description=_(
            "Imports the products, customers and orders that connected shops have reported through webhooks."
        ),
    ),
    ScheduledJob(
        task="customers.connectors.tasks.synchronize_shops",
        cron="* * * * *",
        title=_("Synchronize shops"),
        description=_("Imports the history of connected shops, and compares their data with Perennial's every night."),
    ),
    ScheduledJob(
        task="customers.destinations.tasks.send_to_destinations",
        seconds=10,
        title=_("Send to destinations"),
        description=_("Sends orders, events and changes of customers who allow sharing to the destinations."),
    ),
    ScheduledJob(
        task="customers.destinations.tasks.synchronize_audiences",
        cron="*/30 * * * *",
        title=_("Synchronize audiences"),
        description=_(
            "Adds customers to the audiences of advertising accounts and removes them, according to segments and consents."
        ),
    ),
    ScheduledJob(
        task="config.backup.tasks.back_up",
        cron="30 2 * * *",
        title=_("Back up"),
        description=_(
            "Backs up the database and all files to BACKUP_DIR, if it is set, and removes the oldest backups. Records erasures next to "
            "the backups in other folders, if that was not possible before."
        ),
    ),
    ScheduledJob(
        task="config.monitoring.tasks.check_alarms",
        seconds=60,
        title=_("Check alarms"),
        description=_("Checks the alarm rules, notifies subscribers, and reruns failed jobs."),
    ),
    ScheduledJob(
        task="config.monitoring.tasks.purge_old_alarms",
        cron="55 0 * * *",
        title=_("Purge old alarms"),
        description=_("Deletes alarms that were resolved more than 90 days ago."),
    ),
    ScheduledJob(
        task="customers.warehouse.tasks.export_warehouse",
        cron="0 1 * * *",
        title=_("Export to the warehouse"),
        description=_("Writes new and changed data to the Parquet files that analysis and training read."),
    ),
    ScheduledJob(
        task="customers.policy.tasks.apply_consent_settings",
        cron="30 1 * * *",
        title=_("Apply consent rules"),
        description=_("Updates stored and displayed data to match the consents and the consent rules."),
    ),
    ScheduledJob(
        task="customers.lifecycle.tasks.refresh_profiles",
        cron="0 2 * * *",
        title=_("Refresh profiles"),
        description=_("Recomputes the counters, RFM scores, stage and predictions of every customer."),
    ),
    ScheduledJob(
        task="customers.intent.tasks.train_predictions",
        cron="40 4 * * *",
        title=_("Train behavior predictions"),
        description=_(
            "Learns from past visits to predict who will order or leave in the current session, and which category they will view next."
        ),
    ),
    ScheduledJob(
        task="customers.loyalty.tasks.count_loyalty",
        seconds=30,
        title=_("Count loyalty points"),
        description=_("Posts the points of new and changed orders, reviews and survey answers, and raises levels."),
    ),
    ScheduledJob(
        task="customers.loyalty.tasks.refresh_loyalty",
        cron="10 3 * * *",
        title=_("Refresh the loyalty program"),
        description=_("Expires points, and renews or ends the levels whose validity is over."),
    ),
    ScheduledJob(
        task="config.shopping_agents.tasks.build_agent_feed",
        cron="*/15 * * * *",
        title=_("Build the feed for shopping agents"),
        description=_("Publishes a new product feed if the catalog has changed and the feed is switched on."),
    ),
    ScheduledJob(
        task="recommendations.messaging.tasks.match_coupons",
        cron="25 * * * *",
        title=_("Match redeemed coupons"),
        description=_("Finds the orders that redeemed coupon codes."),
    ),
    ScheduledJob(
        task="customers.demand.tasks.refresh_demand",
        cron="20 5 * * *",
        title=_("Forecast demand"),
        description=_("Forecasts what every product will sell in the next four weeks, and computes the restock list."),
    ),
    ScheduledJob(
        task="customers.anomalies.tasks.find_anomalies",
        cron="40 5 * * *",
        title=_("Find anomalies"),
        description=_(
            "Compares the metrics of the last complete day with what was expected, and finds which segment explains a deviation."
        ),
    ),
    ScheduledJob(
        task="config.digest.tasks.send_digests",
        cron="30 7-17 * * 1",
        title=_("Send the weekly digest"),
        description=_("Emails last week's figures to the team members who subscribed, once a week."),
    ),
    ScheduledJob(
        task="recommendations.flows.tasks.run_flows",
        seconds=2,
        title=_("Run flows"),
        description=_("Reacts to events and changes that flows wait for, and executes the steps that are due."),
    ),
    ScheduledJob(
        task="recommendations.flows.tasks.find_flow_dates",
        seconds=60,
        title=_("Find dates for flows"),
        description=_("Finds birthdays, and customers who have reached a date or crossed a score that starts a flow."),
    ),
    ScheduledJob(
        task="recommendations.flows.tasks.tidy_flows",
        cron="15 * * * *",
        title=_("Clean up flows"),
        description=_("Stops listening to events for flow versions that no longer contain any customers."),
    ),
    ScheduledJob(
        task="recommendations.serving.tasks.store_impressions",
        seconds=2,
        title=_("Store impressions"),
        description=_("Moves recorded impressions from Valkey to the database."),
    ),
    ScheduledJob(
        task="recommendations.serving.tasks.count_performance",
        cron="*/15 * * * *",
        title=_("Update recommendation performance"),
        description=_("Attributes clicks, orders and revenue to recommendations."),
    ),
    ScheduledJob(
        task="recommendations.serving.tasks.learn_position_bias",
        cron="30 4 * * *",
        title=_("Estimate position bias"),
        description=_("Estimates the examination probability of each position from clicks."),
    ),
    ScheduledJob(
        task="recommendations.serving.tasks.learn_search_queries",
        cron="40 4 * * *",
        title=_("Learn search queries"),
        description=_("Learns from searches that led to products how to complete and correct what visitors type."),
    ),
    ScheduledJob(
        task="recommendations.serving.tasks.learn_search_order",
        cron="45 4 * * *",
        title=_("Learn the order of search results"),
        description=_(
            "Learns from clicks how much popularity and personal taste count among products that match a search equally well."
        ),
    ),
    ScheduledJob(
        task="recommendations.serving.tasks.tidy_impressions",
        cron="50 0 * * *",
        title=_("Create impression partitions"),
        description=_("Creates the tables for the impressions of the coming months."),
    ),
    ScheduledJob(
        task="recommendations.experiments.tasks.update_bandits",
        cron="20 * * * *",
        title=_("Update bandits"),
        description=_("Gives the better variants of bandit experiments larger shares, once a day."),
    ),
    ScheduledJob(
        task="recommendations.offers.tasks.end_offers",
        cron="*/5 * * * *",
        title=_("End offers"),
        description=_("Ends on-site offers whose end time has passed."),
    ),
    ScheduledJob(
        task="recommendations.campaigns.tasks.run_campaigns",
        seconds=10,
        title=_("Run campaigns"),
        description=_("Starts the campaigns that are due, and ends those whose messages are sent."),
    ),
    ScheduledJob(
        task="recommendations.webhooks.tasks.deliver_webhooks",
        seconds=10,
        title=_("Deliver webhooks"),
        description=_("Notifies the shop's webhook endpoints about campaign and message events."),
    ),
    ScheduledJob(
        task="recommendations.sending.tasks.send_due_messages",
        seconds=2,
        title=_("Send messages"),
        description=_("Sends the messages of campaigns and flows that are due."),
    ),
    ScheduledJob(
        task="recommendations.sending.tasks.store_message_opens",
        seconds=2,
        title=_("Store opens and clicks"),
        description=_("Moves recorded opens and clicks of messages from Valkey to the database."),
    ),
    ScheduledJob(
        task="recommendations.sending.tasks.fetch_wecom_results",
        cron="*/10 * * * *",
        title=_("Read results of WeCom"),
        description=_("Asks WeCom which messages employees have confirmed, and whether they were delivered."),
    ),
    ScheduledJob(
        task="recommendations.sending.tasks.stop_wecom_tasks",
        seconds=60,
        title=_("Stop WeCom tasks"),
        description=_("Stops the tasks of canceled campaigns that no employee has confirmed."),
    ),
    ScheduledJob(
        task="recommendations.sending.tasks.find_wecom_contacts",
        cron="50 2 * * *",
        title=_("Find WeCom contacts"),
        description=_("Finds the WeCom contacts of customers by their unionid, so that messages can reach them."),
    ),
    ScheduledJob(
        task="recommendations.sending.tasks.measure_global_holdout",
        cron="20 4 * * *",
        title=_("Measure all marketing"),
        description=_(
            "Measures the monthly incremental lift of marketing, by comparison with the global holdout group, and of recommendations."
        ),
    ),
    ScheduledJob(
        task="recommendations.training.tasks.refresh_model",
        cron="*/15 * * * *",
        title=_("Update recommendations"),
        description=_("Adds the events since the last training to the active model."),
    ),
    ScheduledJob(
        task="recommendations.training.tasks.train_nightly",
        cron="30 3 * * *",
        title=_("Train recommendations"),
        description=_("Trains and evaluates a recommendation model and promotes it if it passes the checks."),
    ),
    ScheduledJob(
        task="recommendations.uplift.tasks.refresh_actions",
        cron="0 5 * * *",
        title=_("Choose next best actions"),
        description=_(
            "Learns from past campaigns which customers messages influence, and chooses the next best action for every customer."
        ),
    ),
    *(DEMO_JOBS if settings.DEMO else ()),
)


def find_job(task_name: str) -> ScheduledJob | None:
    """Return the scheduled job of a task, or None for a task of another schedule."""
    return next((job for job in SCHEDULE if job.task == task_name), None)


def choose_queue(name: str, *_call: Any, **_options: Any) -> dict[str, str] | None:
    """Return the route of a task, however it is started; None for the queue of long tasks."""
    job = find_job(name)
    is_frequent = name in AWAITED_TASKS or (job is not None and bool(job.seconds))
    return {"queue": settings.FREQUENT_QUEUE} if is_frequent else None


def sync_schedule(*, jobs: tuple[ScheduledJob, ...] = SCHEDULE) -> None:
    """Create jobs whose task is not scheduled yet and delete those whose task no longer exists; edited jobs stay."""
    app.loader.import_default_modules()
    time_zone = get_time_zone_name()
    with transaction.atomic():
        obsolete = PeriodicTask.objects.exclude(task__in=list(app.tasks))
        removed, _counts = obsolete.delete()
        scheduled = set(PeriodicTask.objects.values_list("task", flat=True))
        missing = [job for job in jobs if job.task not in scheduled]
        for job in missing:
            _create(job, time_zone=time_zone)
        changed = _extend_short_expiries() + _unbind_frequent_jobs()
        if removed or missing or changed:
            PeriodicTasks.update_changed()


def _create(job: ScheduledJob, *, time_zone: str) -> None:
    if job.seconds:
        interval, _created = IntervalSchedule.objects.get_or_create(every=job.seconds, period=IntervalSchedule.SECONDS)
        expiry = max(job.seconds, MIN_SECONDS_TO_START)
        PeriodicTask.objects.create(name=job.name, task=job.task, interval=interval, expire_seconds=expiry)
        return
    minute, hour, day_of_month, month_of_year, day_of_week = job.cron.split()
    fields = {
        "minute": minute,
        "hour": hour,
        "day_of_month": day_of_month,
        "month_of_year": month_of_year,
        "day_of_week": day_of_week,
        "timezone": EVERY_HOUR_ZONE if hour == EVERY_HOUR else time_zone,
    }
    crontab = CrontabSchedule.objects.filter(**fields).first() or CrontabSchedule.objects.create(**fields)
    PeriodicTask.objects.create(name=job.name, task=job.task, crontab=crontab)


def _extend_short_expiries() -> int:
    """Extend the expiry that earlier releases gave to jobs with short intervals; return how many had it."""
    tasks = PeriodicTask.objects.filter(interval__period=IntervalSchedule.SECONDS, expire_seconds=F("interval__every"))
    return tasks.filter(expire_seconds__lt=MIN_SECONDS_TO_START).update(expire_seconds=MIN_SECONDS_TO_START)


def _unbind_frequent_jobs() -> int:
    """Move jobs that run every hour to UTC; return how many schedules were in another time zone.

    In a local time zone, they would pause during the hour that the clocks repeat in autumn.
    """
    crontabs = CrontabSchedule.objects.filter(hour=EVERY_HOUR).exclude(timezone=EVERY_HOUR_ZONE)
    return crontabs.update(timezone=EVERY_HOUR_ZONE)


def describe_schedule(task: PeriodicTask) -> str:
    """Describe when a task runs, in the reader's language."""
    if task.crontab:
        return _describe_crontab(task.crontab)
    if task.interval:
        return _describe_interval(task.interval)
    return str(task.scheduler)


def _describe_crontab(crontab: CrontabSchedule) -> str:
    expression = " ".join(
        str(part).replace(" ", "")
        for part in (crontab.minute, crontab.hour, crontab.day_of_month, crontab.month_of_year, crontab.day_of_week)
    )
    if crontab.minute.isdecimal() and crontab.hour.isdecimal() and expression.endswith(" * * *"):
        time = f"{int(crontab.hour):02}:{int(crontab.minute):02}"
        return _("Every day at %(time)s (%(zone)s)") % {"time": time, "zone": crontab.timezone}
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "zh_CN" if (get_language() or "").startswith("zh") else "en_US"
    try:
        description = get_description(expression, options)
    except (FormatException, MissingFieldException, WrongArgumentException):
        description = expression
    # an interval such as every 15 minutes is the same in every time zone
    has_time_of_day = not crontab.hour.startswith("*") or not expression.endswith(" * * *")
    return f"{description} ({crontab.timezone})" if has_time_of_day else description


def _describe_interval(interval: IntervalSchedule) -> str:
    every = interval.every
    descriptions = {
        "days": ngettext("every day", "every %(every)d days", every),
        "hours": ngettext("every hour", "every %(every)d hours", every),
        "minutes": ngettext("every minute", "every %(every)d minutes", every),
        "seconds": ngettext("every second", "every %(every)d seconds", every),
        "microseconds": ngettext("every microsecond", "every %(every)d microseconds", every),
    }
    return descriptions[interval.period] % {"every": every}


def sync_after_migrate(using: str, **kwargs: Any) -> None:
    """Synchronize the schedule, unless the tables do not exist, as after `migrate django_celery_beat zero`."""
    if PeriodicTask._meta.db_table in connections[using].introspection.table_names():
        sync_schedule()


def connect_schedule_sync() -> None:
    """Synchronize the schedule after every migration; called when the apps are loaded."""
    beat: AppConfig = apps.get_app_config("django_celery_beat")
    post_migrate.connect(sync_after_migrate, sender=beat, dispatch_uid="config.schedule")
