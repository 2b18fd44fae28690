"""Privacy requests, their history and the files made for them. What remains after a request has ended contains no personal data."""

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.shop.profile import get_shop_country
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import EncryptedTextField
from customers.privacy.regulations import Regulation, choose_regulation

SETTINGS_ID = 1


class RequestKind(models.TextChoices):
    ACCESS = "access", _("access to the data")
    PORTABILITY = "portability", _("data portability")
    ERASURE = "erasure", _("erasure")
    RECTIFICATION = "rectification", _("rectification")
    RESTRICTION = "restriction", _("restriction of processing")
    OBJECT_PROFILING = "object_profiling", _("objection to profiling")
    OBJECT_MARKETING = "object_marketing", _("objection to marketing")


class RequestState(models.TextChoices):
    RECEIVED = "received", _("received")
    WAITING = "waiting", _("waiting for email confirmation")
    IN_PROGRESS = "in_progress", _("in progress")
    EXTENDED = "extended", _("extended")
    DONE = "done", _("done")
    REJECTED = "rejected", _("rejected")
    CANCELED = "canceled", _("withdrawn by the customer")


class RequestChannel(models.TextChoices):
    PAGE = "page", _("self-service page")
    REST = "rest", _("REST API")
    OFFICER = "officer", _("back office")
    COMMAND = "command", _("command")
    SHOPIFY = "shopify", _("Shopify webhook")


class IdentityProof(models.TextChoices):
    NONE = "none", _("not verified")
    EMAIL_LINK = "email_link", _("confirmed by email link")
    SHOP_ACCOUNT = "shop_account", _("logged in to the shop")
    DOCUMENT = "document", _("checked by a privacy officer")
    PLATFORM = "platform", _("signed by the shop platform")


class RejectionReason(models.TextChoices):
    IDENTITY = "identity", _("the identity could not be verified")
    EXCESSIVE = "excessive", _("manifestly unfounded or excessive")
    LEGAL_DUTY = "legal_duty", _("the data must be kept by law")
    NO_DATA = "no_data", _("there is no data about this person")
    DUPLICATE = "duplicate", _("another request covers it")


OPEN_STATES = (RequestState.RECEIVED, RequestState.WAITING, RequestState.IN_PROGRESS, RequestState.EXTENDED)
FINAL_STATES = (RequestState.DONE, RequestState.REJECTED, RequestState.CANCELED)


class RequestQuerySet(models.QuerySet["PrivacyRequest"]):
    def open(self) -> "RequestQuerySet":
        return self.filter(state__in=OPEN_STATES)

    def overdue(self, now: datetime) -> "RequestQuerySet":
        return self.open().filter(due_at__lt=now, paused_at__isnull=True)


class PrivacyRequest(models.Model):
    """What a person asked about their data, when it must be answered, and how it ended.

    reference: identifies the request in receipts and mails. email, note, proposal: removed when an erasure is done. paused_at: when the
    clock was paused because the identity is not proven. runs_at: when a confirmed erasure begins; until then it can be withdrawn.
    result: counts only. external_id: the ID of the webhook that opened it, so that a repeated webhook opens no second request.
    """

    Kind = RequestKind
    State = RequestState
    Channel = RequestChannel
    Proof = IdentityProof
    Rejection = RejectionReason

    reference = models.UUIDField(_("reference"), default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("request"), max_length=20, choices=RequestKind)
    state = models.CharField(_("state"), max_length=20, choices=RequestState, default=RequestState.RECEIVED)
    channel = models.CharField(_("channel"), max_length=20, choices=RequestChannel)
    regulation = models.CharField(_("regulation"), max_length=10, choices=Regulation)
    customer = models.ForeignKey(
        Customer,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="privacy_requests",
        verbose_name=_("customer"),
    )
    email = EncryptedTextField(_("email"), blank=True, default="")
    language = models.CharField(_("language"), max_length=20, blank=True)
    country = models.CharField(_("country for public holidays"), max_length=100, blank=True)
    proof = models.CharField(_("proof of identity"), max_length=20, choices=IdentityProof, default=IdentityProof.NONE)
    received_at = models.DateTimeField(_("received at"))
    due_at = models.DateTimeField(_("due at"))
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    paused_seconds = models.PositiveIntegerField(_("seconds paused"), default=0)
    extension_reason = models.CharField(_("reason for the extension"), max_length=500, blank=True)
    runs_at = models.DateTimeField(_("erasure begins at"), null=True, blank=True)
    erasure_run_id = models.BigIntegerField(_("erasure run"), null=True, blank=True)
    rejection = models.CharField(_("reason for the rejection"), max_length=20, choices=RejectionReason, blank=True)
    note = EncryptedTextField(_("note"), blank=True, default="")
    proposal = EncryptedTextField(_("proposed changes"), blank=True, default="")
    result = models.JSONField(_("result"), default=dict, blank=True)
    external_id = models.CharField(_("external ID"), max_length=200, null=True, blank=True, unique=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    objects = RequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("privacy request")
        verbose_name_plural = _("privacy requests")
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(fields=["due_at", "id"], name="privacy_request_due", condition=Q(finished_at__isnull=True)),
            models.Index(fields=["-received_at", "-id"], name="privacy_request_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"

    @property
    def number(self) -> str:
        """The short name of the request in pages and mails."""
        return f"P-{self.pk}" if self.pk else ""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


class PrivacyRequestEntry(models.Model):
    """One step of a request: what was done, when and by whom, without personal data. Entries are only added."""

    class Step(models.TextChoices):
        RECEIVED = "received", _("received")
        CONFIRMED = "confirmed", _("identity verified")
        PAUSED = "paused", _("clock paused until the identity is verified")
        STARTED = "started", _("started")
        EXTENDED = "extended", _("deadline extended")
        EXPORTED = "exported", _("data file created")
        DOWNLOADED = "downloaded", _("file downloaded")
        SCHEDULED = "scheduled", _("erasure confirmed")
        APPLIED = "applied", _("changes applied")
        LIFTED = "lifted", _("restriction lifted")
        ERASED = "erased", _("data erased")
        NOTIFIED = "notified", _("customer notified by email")
        DONE = "done", _("done")
        REJECTED = "rejected", _("rejected")
        CANCELED = "canceled", _("withdrawn by the customer")
        REOPENED = "reopened", _("opened again")
        FAILED = "failed", _("failed")

    request = models.ForeignKey(PrivacyRequest, models.CASCADE, related_name="entries", verbose_name=_("request"))
    step = models.CharField(_("step"), max_length=20, choices=Step)
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("by"), max_length=200, blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)

    class Meta:
        verbose_name = _("step of a privacy request")
        verbose_name_plural = _("steps of privacy requests")
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.get_step_display()} ({localtime(self.at):%Y-%m-%d %H:%M})"


class PrivacyExport(models.Model):
    """The file with the data of a person, encrypted on disk; until it expires, an officer or anyone with the link can get it."""

    request = models.ForeignKey(PrivacyRequest, models.CASCADE, related_name="exports", verbose_name=_("request"))
    file_name = models.CharField(_("file"), max_length=200, unique=True)
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))
    bytes = models.PositiveBigIntegerField(_("bytes"), default=0)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    downloads_left = models.PositiveSmallIntegerField(_("downloads left"))
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)

    class Meta:
        verbose_name = _("file of a privacy request")
        verbose_name_plural = _("files of privacy requests")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.file_name


class UsedLink(models.Model):
    """The hash of a link that works once and was used."""

    digest = models.CharField(max_length=64, unique=True)
    used_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest[:8]


class PrivacySettings(models.Model):
    """How requests are answered; one row."""

    regulation = models.CharField(
        _("regulation for other countries"), max_length=10, choices=Regulation, default=Regulation.GDPR
    )
    erasure_grace_days = models.PositiveSmallIntegerField(
        _("days until an erasure begins"),
        default=3,
        help_text=_("The customer can withdraw the request until then. 0: the erasure begins immediately."),
    )
    erases_automatically = models.BooleanField(
        _("erase without a privacy officer"),
        default=True,
        help_text=_(
            "For requests that the customer has confirmed by email. Otherwise, a privacy officer starts each erasure."
        ),
    )
    export_days = models.PositiveSmallIntegerField(_("days a file can be downloaded"), default=7)
    export_downloads = models.PositiveSmallIntegerField(_("downloads per file"), default=5)
    shopify_secret = EncryptedTextField(
        _("Shopify secret"),
        blank=True,
        default="",
        help_text=_(
            "The app's client secret, which Shopify uses to sign its webhooks. If empty, the webhooks are refused."
        ),
    )

    class Meta:
        verbose_name = _("privacy settings")
        verbose_name_plural = _("privacy settings")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=SETTINGS_ID), name="privacy_settings_once")]

    def __str__(self) -> str:
        return str(_("privacy settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = SETTINGS_ID
        super().save(*args, **kwargs)


def load_privacy_settings() -> PrivacySettings:
    """Return the stored settings, or the defaults that are not saved yet: the regulation is then that of the shop's country."""
    stored = PrivacySettings.objects.filter(pk=SETTINGS_ID).first()
    if stored is not None:
        return stored
    return PrivacySettings(pk=SETTINGS_ID, regulation=choose_regulation(get_shop_country(), default=Regulation.GDPR))
