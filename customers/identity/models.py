"""Customers, their identifiers and consents, and the merges and conflicts of identity resolution."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q, Value
from django.utils.timezone import localtime
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


# the fields that shops and customers may change, with their labels
PERSON_FIELDS = {
    field.name: field.verbose_name
    for field in Customer._meta.local_fields
    if field.name in ("name", "email", "phone", "birthday", "language", "country")
}


class Identifier(models.Model):
    """One identifier of a customer in some system; e-mail, phone and the IDs of WeChat only as keyed hashes."""

    class Kind(models.TextChoices):
        USER_ID = "user_id", _("user ID")
        ANONYMOUS_ID = "anonymous_id", _("anonymous ID")
        EMAIL_HASH = "email_hash", _("email hash")
        PHONE_HASH = "phone_hash", _("phone hash")
        DEVICE_ID = "device_id", _("device ID")
        OPENID_HASH = "openid_hash", _("WeChat openid hash")
        UNIONID_HASH = "unionid_hash", _("WeChat unionid hash")

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
        _("verified"),
        default=True,
        db_default=True,
        help_text=_(
            "Linked by a server source, an import, the API or a user token. Identifiers linked only by browsers or apps are not verified."
        ),
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
    """An email address, phone number or ID of WeChat that a browser or app has named for a visitor, as a keyed hash.

    It has no effect by itself; an event of a server source that names the same address for the same person confirms it.
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
        indexes = [
            models.Index(fields=["merged_id"], name="identity_merge_folded"),
            # few, and counted whenever a page of analytics is opened
            models.Index(fields=["id"], name="identity_merge_reverted", condition=Q(reverted_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"#{self.merged_id} → #{self.kept_id}"


class Consent(models.Model):
    """One entry of the consent ledger; the database refuses to change or delete entries.

    Email, SMS and push name a purpose and its channel at once. The last four are the separate consents of China's PIPL.
    """

    class Purpose(models.TextChoices):
        ANALYTICS = "analytics", _("analytics")
        PERSONALISATION = "personalisation", _("personalization")
        EMAIL = "email", pgettext_lazy("channel", "email")
        SMS = "sms", _("SMS")
        PUSH = "push", _("push")
        SHARING = "sharing", _("sharing")
        AUTOMATED_MARKETING = "automated_marketing", _("automated marketing")
        CROSS_BORDER = "cross_border", _("transfer abroad")
        SENSITIVE_DATA = "sensitive_data", _("sensitive data")

    class LawfulBasis(models.TextChoices):
        CONSENT = "consent", _("consent")
        CONTRACT = "contract", _("contract")
        LEGITIMATE_INTEREST = "legitimate_interest", _("legitimate interest")
        LEGAL_OBLIGATION = "legal_obligation", _("legal obligation")
        VITAL_INTEREST = "vital_interest", _("vital interest")
        PUBLIC_TASK = "public_task", _("public task")

    class Status(models.TextChoices):
        GRANTED = "granted", _("granted")
        WITHDRAWN = "withdrawn", _("withdrawn")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="consents", verbose_name=_("customer"))
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose)
    status = models.CharField(_("status"), max_length=20, choices=Status)
    policy_version = models.CharField(_("policy version"), max_length=50, blank=True)
    source = models.CharField(_("source"), max_length=100, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"))
    lawful_basis = models.CharField(
        _("lawful basis"),
        max_length=20,
        choices=LawfulBasis,
        default=LawfulBasis.CONSENT,
        db_default=LawfulBasis.CONSENT.value,
    )
    proof = models.JSONField(
        _("proof"),
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text=_("How it was given: form, event or message, the wording shown, and a hash of the network address."),
    )

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


class ConsentSettings(models.Model):
    """The only row of consent settings: what a missing entry in the ledger means in each region, and which consents are outdated.

    opt_in: region → purposes that need a consent there. countries: region → names and codes of further countries. unknown_region: the
    region of customers without a country. renewal_since: grants for renewal_purposes before this moment no longer count.
    """

    opt_in = models.JSONField(default=dict, blank=True)
    countries = models.JSONField(default=dict, blank=True)
    unknown_region = models.CharField(max_length=20, default="other")
    renewal_since = models.DateTimeField(null=True, blank=True)
    renewal_purposes = ArrayField(models.CharField(max_length=20, choices=Consent.Purpose), default=list, blank=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("consent settings")
        verbose_name_plural = _("consent settings")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="identity_consent_settings_once")]

    def __str__(self) -> str:
        return str(_("consent settings"))


class ConsentDenial(models.Model):
    """A purpose denied by the person behind an identifier: derived from the ledger for the collector's lookup."""

    kind = models.CharField(max_length=20, choices=Identifier.Kind)
    value = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20, choices=Consent.Purpose)
    is_silent = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Nobody has refused: the customer's region needs a consent that is missing or has to be renewed.",
    )

    class Meta:
        verbose_name = _("consent denial")
        verbose_name_plural = _("consent denials")
        constraints = [models.UniqueConstraint(fields=["kind", "value", "purpose"], name="identity_refusal_unique")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.purpose}"


class RestrictionQuerySet(models.QuerySet["ProcessingRestriction"]):
    def active(self) -> "RestrictionQuerySet":
        return self.filter(lifted_at__isnull=True)


class ProcessingRestriction(models.Model):
    """A limit to what may be done with a customer's data: a restriction of all processing, or an objection.

    withdrawn: the consents that it withdrew, or took over from a lifted one, with the policy version of each, which lifting it restores.
    """

    class Scope(models.TextChoices):
        ALL = "all", _("all processing")
        PROFILING = "profiling", _("profiling")
        MARKETING = "marketing", _("marketing")

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="restrictions", verbose_name=_("customer"))
    scope = models.CharField(_("scope"), max_length=20, choices=Scope)
    since = models.DateTimeField(_("since"))
    source = models.CharField(_("source"), max_length=100)
    withdrawn = models.JSONField(_("withdrawn consents"), default=dict, blank=True)
    lifted_at = models.DateTimeField(_("lifted at"), null=True, blank=True)

    objects = RestrictionQuerySet.as_manager()

    class Meta:
        verbose_name = _("restriction of processing")
        verbose_name_plural = _("restrictions of processing")
        ordering = ["-since", "-id"]
        indexes = [
            models.Index(
                fields=["customer", "scope"], name="identity_restriction_active", condition=Q(lifted_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} ({localtime(self.since):%Y-%m-%d})"


class BlockedIdentifier(models.Model):
    """The keyed hash of an identifier of an erased person, which must not create a customer again.

    Attributes:
        digest: 64 bits as hexadecimal digits; `customers.identity.erased` computes and compares them.
        released_at: when a privacy officer let the person come back; the row stays as a record.
    """

    digest = models.CharField(_("keyed hash"), max_length=16, unique=True)
    kind = models.CharField(_("kind"), max_length=20, choices=Identifier.Kind)
    key_id = models.CharField(max_length=8, default="", db_default="", editable=False)
    blocked_at = models.DateTimeField(_("blocked at"))
    released_at = models.DateTimeField(_("released at"), null=True, blank=True, db_index=True)
    released_by = models.CharField(_("released by"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("blocked identifier")
        verbose_name_plural = _("blocked identifiers")
        ordering = ["-blocked_at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"


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
        return f"{self.get_reason_display()} ({localtime(self.last_at):%Y-%m-%d %H:%M})"
