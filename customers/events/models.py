"""What people did, as it arrived; the collector writes these tables with one statement a call."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.identity.personal_data.encrypted_field import EncryptedTextField


class Source(models.Model):
    """Something that sends events: a site, an app, a server, an import."""

    class Kind(models.TextChoices):
        BROWSER = "browser", _("browser")
        SERVER = "server", _("server")
        APP = "app", _("app")
        MINI_PROGRAM = "mini-program", _("mini-program")
        IMPORT = "import", _("import")

    key = models.SlugField(
        _("key"), max_length=100, unique=True, help_text=_("Short name used in files and addresses.")
    )
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    write_key_hash = models.CharField(
        _("write key hash"), max_length=64, unique=True, null=True, blank=True, editable=False
    )
    write_key_hint = models.CharField(
        _("write key"),
        max_length=20,
        blank=True,
        editable=False,
        help_text=_("The first characters; the key itself is shown once."),
    )
    previous_key_hash = models.CharField(max_length=64, blank=True, editable=False)
    previous_key_expires_at = models.DateTimeField(_("previous key expires at"), null=True, blank=True, editable=False)
    allowed_origins = ArrayField(
        models.CharField(max_length=200),
        verbose_name=_("allowed origins"),
        default=list,
        blank=True,
        help_text=_("Such as https://shop.example; empty allows every origin."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    retention_days = models.PositiveIntegerField(_("retention in days"), default=730)
    honours_opt_out = models.BooleanField(
        _("honours the browser's opt-out"),
        default=True,
        help_text=_("Do Not Track and Global Privacy Control count as no consent to analytics and personalisation."),
    )
    is_simulated = models.BooleanField(
        _("simulated"), default=False, editable=False, help_text=_("Its events were made by a program, not by people.")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """One thing that happened; partitioned by the month in which it was received."""

    class Type(models.TextChoices):
        TRACK = "track", "track"
        IDENTIFY = "identify", "identify"
        PAGE = "page", "page"
        SCREEN = "screen", "screen"
        GROUP = "group", "group"
        ALIAS = "alias", "alias"

    # a trigger and the recording statement do what the foreign key would, once a statement (decision 10)
    source = models.ForeignKey(Source, models.PROTECT, verbose_name=_("source"), db_index=False, db_constraint=False)
    message_id = models.CharField(_("message id"), max_length=100)
    type = models.CharField(_("type"), max_length=20, choices=Type)
    name = models.CharField(_("name"), max_length=200, blank=True)
    user_id = models.CharField(_("user id"), max_length=255, blank=True)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"))
    session_id = models.CharField(_("session id"), max_length=100, blank=True)
    product_ids = ArrayField(models.CharField(max_length=200), verbose_name=_("product ids"), default=list)
    value = models.DecimalField(_("value"), max_digits=14, decimal_places=2, null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    properties = models.JSONField(_("properties"), default=dict)
    context = models.JSONField(_("context"), default=dict)
    recommendation_id = models.CharField(_("recommendation id"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")

    def __str__(self) -> str:
        return f"{self.name or self.type} ({self.occurred_at:%Y-%m-%d %H:%M})"


class EventReceipt(models.Model):
    """That a message of a source has been taken: what makes a retry harmless."""

    pk = models.CompositePrimaryKey("source_id", "message_id")
    source = models.ForeignKey(Source, models.CASCADE, db_index=False, db_constraint=False)
    message_id = models.CharField(max_length=100)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = _("event receipt")
        verbose_name_plural = _("event receipts")
        indexes = [BrinIndex(fields=["received_at"], autosummarize=True, name="events_receipt_age")]

    def __str__(self) -> str:
        return self.message_id


class Outbox(models.Model):
    """An event that has not been processed yet; written in the event's own transaction."""

    event_id = models.BigIntegerField(primary_key=True)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = _("waiting event")
        verbose_name_plural = _("waiting events")

    def __str__(self) -> str:
        return str(self.event_id)


class RejectedEvent(models.Model):
    """Something that could not be taken, with the reason; it can be mended and sent again."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        REPLAYED = "replayed", _("replayed")
        DISCARDED = "discarded", _("discarded")

    source = models.ForeignKey(Source, models.CASCADE, null=True, blank=True, verbose_name=_("source"))
    payload = EncryptedTextField(_("payload"))
    call_type = models.CharField(
        _("call"), max_length=20, blank=True, help_text=_("What the address said; empty for an item of a batch.")
    )
    sent_at = models.CharField(
        _("sent at"), max_length=100, blank=True, help_text=_("What the batch said about the time it was sent.")
    )
    opted_out = models.BooleanField(_("asked not to be tracked"), default=False)
    code = models.CharField(_("code"), max_length=50, db_index=True)
    reason = models.CharField(_("reason"), max_length=500)
    received_at = models.DateTimeField(_("received at"), db_index=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN, db_index=True)
    corrected_payload = EncryptedTextField(_("corrected payload"), blank=True, default="")
    replay_message_id = models.CharField(_("message id after replay"), max_length=100, blank=True)
    replayed_at = models.DateTimeField(_("replayed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("rejected event")
        verbose_name_plural = _("rejected events")
        ordering = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"
