"""Customers, their identifiers and consents, and the merges and conflicts of identity resolution."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.personal_data.encrypted_field import EncryptedTextField
from customers.identity.personal_data.sealed_traits import SealedTraitsField


class Customer(models.Model):
    """One person, with any number of identifiers. Personal fields are encrypted."""

    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    first_seen_at = models.DateTimeField(_("first seen at"), null=True, blank=True)
    last_seen_at = models.DateTimeField(_("last seen at"), null=True, blank=True)
    name = EncryptedTextField(pgettext_lazy("person", "name"), blank=True, default="")
    email = EncryptedTextField(_("email"), blank=True, default="")
    phone = EncryptedTextField(_("phone"), blank=True, default="")
    birthday = EncryptedTextField(_("birthday"), blank=True, default="", help_text=_("ISO date, such as 1990-05-17."))
    language = models.CharField(_("language"), max_length=20, blank=True)
    country = models.CharField(_("country"), max_length=100, blank=True)
    traits = SealedTraitsField(
        _("traits"), default=dict, blank=True, help_text=_("Attributes provided by the shop, such as household size.")
    )
    field_updated_at = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text="Field or trait to the microseconds since 1970 when it was last set; older values cannot overwrite it.",
    )
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["language"], name="identity_customer_language"),
            models.Index(fields=["country"], name="identity_customer_country"),
            models.Index(fields=["id"], name="identity_customer_erased", condition=Q(erased_at__isnull=False)),
        ]
        permissions = [("view_personal", "Can view names, email addresses, phone numbers and birthdays")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Identifier(models.Model):
    """One identifier of a customer in some system; e-mail and phone only as keyed hashes."""

    class Kind(models.TextChoices):
        USER_ID = "user_id", _("user ID")
        ANONYMOUS_ID = "anonymous_id", _("anonymous ID")
        EMAIL_HASH = "email_hash", _("email hash")
        PHONE_HASH = "phone_hash", _("phone hash")
        DEVICE_ID = "device_id", _("device ID")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    value = models.CharField(_("value"), max_length=255)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="identifiers", verbose_name=_("customer"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    linked_by = models.CharField(
        _("linked by"),
        max_length=100,
        blank=True,
        db_default="",
        help_text=_("Message ID of the event, or the user who did it."),
    )
    is_proven = models.BooleanField(
        _("proven"),
        default=True,
        db_default=True,
        help_text=_("A server source, an import or a user token has linked it. Browsers and apps alone prove nothing."),
    )

    class Meta:
        verbose_name = _("identifier")
        verbose_name_plural = _("identifiers")
        constraints = [
            models.UniqueConstraint(fields=["kind", "value"], name="identity_identifier_unique"),
            models.CheckConstraint(condition=~Q(value=""), name="identity_identifier_not_empty"),
        ]
        indexes = [
            models.Index(
                fields=["customer", "kind", "id"], name="identity_identifier_unproven", condition=Q(is_proven=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"  # the value may be personal


class ContactClaim(models.Model):
    """An email address or phone number that a browser or app has named for a visitor, as a keyed hash.

    It links nobody; an event of a server source that names the same address for the same person confirms it.
    """

    identifier = models.ForeignKey(Identifier, models.CASCADE, related_name="contact_claims")
    kind = models.CharField(max_length=20, choices=Identifier.Kind)
    value = models.CharField(max_length=255)
    claimed_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("contact claim")
        verbose_name_plural = _("contact claims")
        constraints = [
            models.UniqueConstraint(fields=["identifier", "kind", "value"], name="identity_contactclaim_unique")
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"  # the value may be personal


class IdentifierTransfer(models.Model):
    """An identifier that went from one customer to another, with everything needed to undo it."""

    class Reason(models.TextChoices):
        LIMIT = "limit", _("too many identifiers")
        PROVEN_CLAIM = "proven_claim", _("claimed by a server source")

    identifier = models.ForeignKey(Identifier, models.CASCADE, related_name="transfers", verbose_name=_("identifier"))
    from_id = models.BigIntegerField(_("previous customer"), db_index=True)
    to_id = models.BigIntegerField(_("new customer"), db_index=True)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    at = models.DateTimeField(_("at"))
    cause = models.CharField(
        _("cause"), max_length=100, help_text=_("Message ID of the event, or the user who did it.")
    )
    cleared = models.JSONField(default=dict, editable=False)
    reverted_at = models.DateTimeField(_("reverted at"), null=True, blank=True)
    reverted_by = models.CharField(_("reverted by"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("identifier transfer")
        verbose_name_plural = _("identifier transfers")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"#{self.from_id} → #{self.to_id}"


class IdentityMerge(models.Model):
    """One customer merged into another, with everything needed to undo it."""

    kept = models.ForeignKey(Customer, models.CASCADE, related_name="merges", verbose_name=_("customer to keep"))
    merged_id = models.BigIntegerField(_("merged customer"))
    at = models.DateTimeField(_("at"))
    cause = models.CharField(
        _("cause"), max_length=100, help_text=_("Message ID of the event, or the user who did it.")
    )
    moved = models.JSONField(_("moved data"), default=dict, blank=True)
    reverted_at = models.DateTimeField(_("reverted at"), null=True, blank=True)
    reverted_by = models.CharField(_("reverted by"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("identity merge")
        verbose_name_plural = _("identity merges")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["merged_id"], name="identity_merge_folded")]

    def __str__(self) -> str:
        return f"#{self.merged_id} → #{self.kept_id}"


class Consent(models.Model):
    """One entry of the consent ledger; entries are added and never changed."""

    class Purpose(models.TextChoices):
        ANALYTICS = "analytics", _("analytics")
        PERSONALISATION = "personalisation", _("personalization")
        EMAIL = "email", pgettext_lazy("channel", "email")
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
        indexes = [
            models.Index(fields=["customer", "purpose", "-recorded_at"], name="identity_consent_latest"),
            models.Index(fields=["-recorded_at", "-id"], name="identity_consent_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {self.get_status_display()}"


class ConsentDenial(models.Model):
    """A purpose denied by the person behind an identifier: derived from the ledger for the collector's lookup."""

    kind = models.CharField(max_length=20, choices=Identifier.Kind)
    value = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20, choices=Consent.Purpose)

    class Meta:
        verbose_name = _("consent denial")
        verbose_name_plural = _("consent denials")
        constraints = [models.UniqueConstraint(fields=["kind", "value", "purpose"], name="identity_refusal_unique")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.purpose}"


class IdentityConflict(models.Model):
    """A link between identities that an event suggested and the rules rejected; a user decides."""

    class Reason(models.TextChoices):
        TWO_USER_IDS = "two_user_ids", _("two user IDs")
        LIMIT = "limit", _("too many identifiers")
        BLOCKED = "blocked", _("placeholder instead of an ID")
        UNDONE = "undone", _("merge undone earlier")

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        RESOLVED = "resolved", _("resolved")

    class Resolution(models.TextChoices):
        MERGED = "merged", _("merged")
        KEPT_APART = "kept_apart", _("kept separate")
        SETTLED = "settled", _("dismissed")

    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    at = models.DateTimeField(_("first occurred at"))
    last_at = models.DateTimeField(_("last occurred at"))
    cause = models.CharField(_("cause"), max_length=100, help_text=_("The message ID of the first event."))
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
