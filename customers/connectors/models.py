"""Connected shops, the runs that bring their data, and the webhooks that they send."""

import secrets

from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import JobRun
from customers.events.models import Source
from customers.identity.personal_data.encrypted_field import EncryptedTextField


def make_webhook_token() -> str:
    return secrets.token_urlsafe(24)


class ShopRecordKind(models.TextChoices):
    """The kinds of records that a shop has, in the order in which they are imported."""

    PRODUCTS = "products", _("products")
    CUSTOMERS = "customers", _("customers")
    ORDERS = "orders", _("orders")


class ShopConnection(models.Model):
    """A shop on a platform, with the keys of its API.

    Attributes:
        credentials: JSON of the platform's fields, see ``platforms``.
        webhook_token: the part of the webhook URL that nobody can guess.
        webhooks: the webhooks that we registered at the platform, topic to ID.
        problem: what prevents the import now, and how to fix it; empty if nothing does.
        watermarks: kind to the latest change that was imported, by the platform's clock.
    """

    name = models.CharField(_("name"), max_length=200)
    platform = models.CharField(_("platform"), max_length=30)
    address = models.CharField(_("address"), max_length=300)
    credentials = EncryptedTextField(_("keys"), blank=True, editable=False)
    source = models.OneToOneField(Source, models.PROTECT, related_name="connection", verbose_name=_("source"))
    currency = models.CharField(_("currency"), max_length=3, blank=True, editable=False)
    webhook_token = models.CharField(max_length=64, unique=True, default=make_webhook_token, editable=False)
    webhooks = models.JSONField(_("webhooks"), default=dict, blank=True, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    problem = models.TextField(_("problem"), blank=True, editable=False)
    watermarks = models.JSONField(default=dict, blank=True, editable=False)
    checked_at = models.DateTimeField(_("keys checked at"), null=True, blank=True, editable=False)
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_delivery_at = models.DateTimeField(_("last webhook at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["platform", "address"], name="connectors_shop_once")]

    def __str__(self) -> str:
        return self.name


class SyncRun(JobRun):
    """One run that reads records of a shop: all of them, or those that have changed.

    Attributes:
        cursor: where to continue: the kind, and the platform's own position in it. It is saved in the transaction that writes the records
            before it, so a killed run loses and doubles nothing.
        since: kind to the time from which changes are read; empty for all records.
        counts: kind to the numbers of seen, created, updated, unchanged, rejected and deleted records, and their total if known.
        retry_at: not before this time; set after a temporary error.
        follow_ups: step after the import of a history to when and how often it was requested.
        prepared_at: when all these steps were done.
    """

    class Kind(models.TextChoices):
        BACKFILL = "backfill", _("import of the history")
        UPDATE = "update", _("import of changes")
        RECONCILIATION = "reconciliation", _("reconciliation")

    connection = models.ForeignKey(
        ShopConnection, models.CASCADE, related_name="runs", verbose_name=_("connector"), db_index=False
    )
    kind = models.CharField(_("type"), max_length=20, choices=Kind)
    cursor = models.JSONField(default=dict, blank=True, editable=False)
    since = models.JSONField(default=dict, blank=True, editable=False)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    problems = models.JSONField(_("problems"), default=dict, blank=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    is_cancelled = models.BooleanField(_("canceled"), default=False)
    follow_ups = models.JSONField(default=dict, blank=True, editable=False)
    prepared_at = models.DateTimeField(_("recommendations ready at"), null=True, blank=True, editable=False)

    class Meta(JobRun.Meta):
        verbose_name = _("synchronization")
        verbose_name_plural = _("synchronizations")
        indexes = [models.Index(fields=["connection", "-started_at"], name="connectors_run_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=Q(status="running"), name="connectors_one_run_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({localtime(self.started_at):%Y-%m-%d %H:%M})"


class SyncDifference(models.Model):
    """A record that differed from the shop when a run compared it, or that could not be imported.

    Attributes:
        detail: the fields that differed, with both values unless these are long or personal, or the reasons of a rejection as JSON
            (field, code, message).
    """

    class Code(models.TextChoices):
        MISSING = "missing", _("missing here")
        DIFFERENT = "different", _("different here")
        EXTRA = "extra", _("no longer in the shop")
        REJECTED = "rejected", _("could not be imported")

    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="differences", verbose_name=_("synchronization"))
    kind = models.CharField(_("record"), max_length=20, choices=ShopRecordKind)
    external_id = models.CharField(_("ID in the shop"), max_length=200)
    code = models.CharField(_("difference"), max_length=20, choices=Code)
    detail = models.TextField(_("details"), blank=True)
    is_repaired = models.BooleanField(_("repaired"), default=False)

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.external_id}: {self.get_code_display()}"


class SyncedRecord(models.Model):
    """What we know about a record of a shop: when the platform last changed it, and which run saw it last."""

    connection = models.ForeignKey(ShopConnection, models.CASCADE, db_index=False, verbose_name=_("connector"))
    kind = models.CharField(_("record"), max_length=20, choices=ShopRecordKind)
    external_id = models.CharField(_("ID in the shop"), max_length=200)
    updated_at = models.DateTimeField(_("changed at"), null=True, blank=True)
    local_ids = models.JSONField(default=list, blank=True)
    seen_run = models.BigIntegerField(default=0)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("synchronized record")
        verbose_name_plural = _("synchronized records")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["connection", "kind", "external_id"], name="connectors_record_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id}"


class ReceivedWebhook(models.Model):
    """A webhook of a platform. Its content is kept encrypted until it is processed, then removed.

    Attributes:
        delivery_id: the ID that repeated deliveries of a webhook have in common.
        changed_at: the platform's time of the change, which decides between webhooks that arrive out of order.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("processed")
        OUTDATED = "outdated", _("outdated")
        FAILED = "failed", _("failed")

    connection = models.ForeignKey(
        ShopConnection, models.CASCADE, related_name="deliveries", db_index=False, verbose_name=_("connector")
    )
    delivery_id = models.CharField(_("delivery ID"), max_length=300)
    topic = models.CharField(_("event"), max_length=100)
    kind = models.CharField(_("record"), max_length=20, choices=ShopRecordKind, blank=True)
    external_id = models.CharField(_("ID in the shop"), max_length=200, blank=True)
    is_deletion = models.BooleanField(default=False)
    changed_at = models.DateTimeField(_("changed at"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"))
    content = EncryptedTextField(_("content"), blank=True, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING, db_default="waiting")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    error = models.CharField(_("error"), max_length=500, blank=True, db_default="")

    class Meta:
        verbose_name = _("received webhook")
        verbose_name_plural = _("received webhooks")
        default_permissions = ("view",)
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["connection", "delivery_id"], name="connectors_delivery_once")]
        indexes = [
            models.Index(
                fields=["connection", "next_attempt_at"], name="connectors_delivery_due", condition=Q(status="waiting")
            ),
            models.Index(fields=["connection", "-received_at"], name="connectors_delivery_latest"),
            models.Index(fields=["received_at"], name="connectors_webhook_age"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"
