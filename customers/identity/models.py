"""Who someone is: one customer, the identifiers by which they are known, what they consented to."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.personal_data.encrypted_field import EncryptedTextField


class Customer(models.Model):
    """One person, however many identifiers they have. Personal fields are encrypted."""

    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    first_seen_at = models.DateTimeField(_("first seen at"), null=True, blank=True)
    last_seen_at = models.DateTimeField(_("last seen at"), null=True, blank=True)
    name = EncryptedTextField(pgettext_lazy("person", "name"), blank=True, default="")
    email = EncryptedTextField(_("e-mail"), blank=True, default="")
    phone = EncryptedTextField(_("phone"), blank=True, default="")
    birthday = EncryptedTextField(_("birthday"), blank=True, default="", help_text=_("ISO date, such as 1990-05-17."))
    language = models.CharField(_("language"), max_length=20, blank=True)
    country = models.CharField(_("country"), max_length=100, blank=True)
    traits = models.JSONField(
        _("traits"), default=dict, blank=True, help_text=_("Facts given by the shop, such as household size.")
    )
    told_at = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text="Field or trait to the microsecond since 1970 at which it was last told: what is older can't replace it.",
    )
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["id"]
        permissions = [("view_personal", "Can view names, e-mail addresses, phone numbers and birthdays")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Identifier(models.Model):
    """One name by which a customer is known to some system; e-mail and phone as keyed hashes only."""

    class Kind(models.TextChoices):
        USER_ID = "user_id", _("user id")
        ANONYMOUS_ID = "anonymous_id", _("anonymous id")
        EMAIL_HASH = "email_hash", _("e-mail hash")
        PHONE_HASH = "phone_hash", _("phone hash")
        DEVICE_ID = "device_id", _("device id")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    value = models.CharField(_("value"), max_length=255)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="identifiers", verbose_name=_("customer"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    linked_by = models.CharField(
        _("linked by"),
        max_length=100,
        blank=True,
        db_default="",
        help_text=_("Message id of the event, or who did it."),
    )

    class Meta:
        verbose_name = _("identifier")
        verbose_name_plural = _("identifiers")
        constraints = [
            models.UniqueConstraint(fields=["kind", "value"], name="identity_identifier_unique"),
            models.CheckConstraint(condition=~Q(value=""), name="identity_identifier_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"  # the value may be personal


class IdentityMerge(models.Model):
    """One customer folded into another: enough to undo it."""

    kept = models.ForeignKey(Customer, models.CASCADE, related_name="merges", verbose_name=_("kept customer"))
    folded_id = models.BigIntegerField(_("folded customer"))
    at = models.DateTimeField(_("at"))
    cause = models.CharField(_("cause"), max_length=100, help_text=_("Message id of the event, or who did it."))
    moved = models.JSONField(_("what moved"), default=dict, blank=True)
    reverted_at = models.DateTimeField(_("reverted at"), null=True, blank=True)
    reverted_by = models.CharField(_("reverted by"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("identity merge")
        verbose_name_plural = _("identity merges")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["folded_id"], name="identity_merge_folded")]

    def __str__(self) -> str:
        return f"#{self.folded_id} → #{self.kept_id}"


class Consent(models.Model):
    """One line of the consent ledger; lines are added and never changed."""

    class Purpose(models.TextChoices):
        ANALYTICS = "analytics", _("analytics")
        PERSONALISATION = "personalisation", _("personalisation")
        EMAIL = "email", _("e-mail")
        SMS = "sms", _("SMS")
        PUSH = "push", _("push")
        SHARING = "sharing", _("sharing")

    class Status(models.TextChoices):
        GRANTED = "granted", _("granted")
        WITHDRAWN = "withdrawn", _("withdrawn")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="consents", verbose_name=_("customer"))
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose)
    status = models.CharField(_("status"), max_length=20, choices=Status)
    policy_version = models.CharField(_("policy version"), max_length=50, blank=True)
    source = models.CharField(_("source"), max_length=100, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        ordering = ["-recorded_at", "-id"]
        indexes = [models.Index(fields=["customer", "purpose", "-recorded_at"], name="identity_consent_latest")]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {self.get_status_display()}"


class ConsentRefusal(models.Model):
    """That the person behind an identifier refuses a purpose: what the collector looks up. Follows from the ledger."""

    kind = models.CharField(max_length=20, choices=Identifier.Kind)
    value = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20, choices=Consent.Purpose)

    class Meta:
        verbose_name = _("refused consent")
        verbose_name_plural = _("refused consents")
        constraints = [models.UniqueConstraint(fields=["kind", "value", "purpose"], name="identity_refusal_unique")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.purpose}"


class IdentityConflict(models.Model):
    """Something an event said about who is who, and that was not believed; a person decides."""

    class Reason(models.TextChoices):
        TWO_USER_IDS = "two_user_ids", _("two user ids")
        LIMIT = "limit", _("too many identifiers")
        BLOCKED = "blocked", _("placeholder instead of an id")
        UNDONE = "undone", _("merge that was undone before")

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        RESOLVED = "resolved", _("resolved")

    class Resolution(models.TextChoices):
        MERGED = "merged", _("merged")
        KEPT_APART = "kept_apart", _("kept apart")
        SETTLED = "settled", _("settled")

    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    at = models.DateTimeField(_("first time"))
    last_at = models.DateTimeField(_("last time"))
    cause = models.CharField(_("cause"), max_length=100, help_text=_("Message id of the first event."))
    identifiers = models.JSONField(_("identifiers"), default=list)
    customer_ids = ArrayField(models.BigIntegerField(), verbose_name=_("customers"), default=list)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    resolution = models.CharField(_("decision"), max_length=20, choices=Resolution, blank=True, default="")
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolved_by = models.CharField(_("resolved by"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("identity conflict")
        verbose_name_plural = _("identity conflicts")
        ordering = ["-last_at", "-id"]
        indexes = [
            models.Index(fields=["status", "-last_at"], name="identity_conflict_latest"),
            GinIndex(fields=["customer_ids"], name="identity_conflict_customers"),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} ({self.last_at:%Y-%m-%d %H:%M})"
