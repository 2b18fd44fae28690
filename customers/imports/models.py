"""Imports of the wizard, and the rows that they changed."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.foundation.job_runs import FileImport


class ImportState(models.TextChoices):
    """The steps of an import."""

    UPLOADED = "uploaded", _("columns to match")
    CHECKING = "checking", _("being checked")
    CHECKED = "checked", _("checked")
    IMPORTING = "importing", _("importing")
    IMPORTED = "imported", _("imported")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("canceled")
    UNDOING = "undoing", _("being undone")
    UNDONE = "undone", _("undone")


RUNNING_STATES = (ImportState.CHECKING, ImportState.IMPORTING, ImportState.UNDOING)
FEED_STATES = (ImportState.CHECKING, ImportState.IMPORTING)  # in which the fetch of a feed works on its run


class ImportRun(FileImport):
    """A file that is imported with the wizard, from the upload to the undo.

    Its counts are those of the check until the import has finished.
    """

    State = ImportState

    kind = models.CharField(_("data"), max_length=20)
    source = models.CharField(
        _("source"), max_length=100, help_text=_("Short name of the system that the file is from.")
    )
    preset = models.CharField(_("column names"), max_length=50, blank=True)
    columns = models.JSONField(_("columns"), default=list, blank=True, editable=False)
    mapping = models.JSONField(_("mapping"), default=dict, blank=True, help_text=_("Columns per field."))
    state = models.CharField(_("state"), max_length=20, choices=ImportState, default=ImportState.UPLOADED)
    created = models.PositiveBigIntegerField(pgettext_lazy("rows", "new"), default=0)
    updated = models.PositiveBigIntegerField(_("updated"), default=0)
    unchanged = models.PositiveBigIntegerField(_("unchanged"), default=0)
    rejected = models.PositiveBigIntegerField(_("rejected rows"), default=0)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    record_id = models.BigIntegerField(null=True, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("started by")
    )
    created_at = models.DateTimeField(_("uploaded at"))
    undo_until = models.DateTimeField(_("can be undone until"), null=True, blank=True)
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)

    class Meta(FileImport.Meta):
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["kind", "source", "-created_at"], name="imports_run_latest")]

    @property
    def has_valid_rows(self) -> bool:
        """Whether the check has found anything to import, even if it is stored already."""
        return self.created + self.updated + self.unchanged > 0

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING_STATES


class FeedInterval(models.IntegerChoices):
    """How often a feed is fetched, in hours."""

    HOURLY = 1, _("Every hour")
    SIX_HOURS = 6, _("Every 6 hours")
    TWELVE_HOURS = 12, _("Every 12 hours")
    DAILY = 24, _("Every day")
    WEEKLY = 168, _("Every week")


class ScheduledFeed(models.Model):
    """The URL of a product file that is fetched and imported on a schedule, with the columns of the source's last import."""

    Interval = FeedInterval

    url = models.URLField(_("URL"), max_length=2000, help_text=_("Must begin with https://."))
    source = models.CharField(
        _("source"),
        max_length=100,
        unique=True,
        help_text=_("Short name of the system. The columns are matched as in its last import."),
    )
    interval_hours = models.PositiveIntegerField(_("fetch"), choices=FeedInterval, default=FeedInterval.DAILY)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    etag = models.CharField(max_length=200, blank=True, editable=False)
    last_modified = models.CharField(max_length=100, blank=True, editable=False)
    content_hash = models.CharField(max_length=64, blank=True, editable=False)
    checked_at = models.DateTimeField(_("last fetched at"), null=True, blank=True, editable=False)
    due_at = models.DateTimeField(_("next fetch at"), null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    last_run = models.ForeignKey(
        ImportRun,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("last import"),
    )

    class Meta:
        verbose_name = _("scheduled feed")
        verbose_name_plural = _("scheduled feeds")
        ordering = ["source"]

    def __str__(self) -> str:
        return self.source


class ImportChange(models.Model):
    """A row that an import created, updated or deleted; written by triggers, see the migration.

    ``before`` has the columns of an updated row that changed, or all columns of a deleted one. ``after`` has the new values of the columns
    that changed, or a fingerprint of a created row.
    """

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="changes", db_index=False)
    table_name = models.CharField(max_length=63)
    row_id = models.BigIntegerField()
    operation = models.CharField(max_length=1)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        verbose_name = _("changed row")
        verbose_name_plural = _("changed rows")
        default_permissions = ()
        indexes = [
            models.Index(fields=["run", "table_name", "row_id"], name="imports_change_of_run"),
            models.Index(fields=["table_name", "row_id"], name="imports_change_of_row"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name} {self.row_id}"


class ImportedEvents(models.Model):
    """A batch of events that an import added, written in their transaction, so that the import can be undone.

    Attributes:
        known_reviews: reviews in the events of this batch that existed before it.
        customer_ids: the customers whose events the undo has removed; they are counted again after all batches.
    """

    run = models.ForeignKey(ImportRun, models.CASCADE, related_name="event_batches")
    received_at = models.DateTimeField()
    event_ids = ArrayField(models.BigIntegerField())
    known_reviews = ArrayField(models.TextField(), default=list)
    customer_ids = ArrayField(models.BigIntegerField(), default=list)
    is_removed = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("imported events")
        verbose_name_plural = _("imported events")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.run_id}: {len(self.event_ids)}"
