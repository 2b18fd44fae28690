"""The privacy policy and its versions, and the records that a controller keeps: activities, recipients, transfers, breaches."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.identity.models import Consent
from customers.segments.models import Segment

SINGLETON_ID = 1
REPORT_WITHIN = timedelta(hours=72)  # GDPR, Article 33(1)


class PolicySettings(models.Model):
    """What the shop states about itself in the privacy policy, in a single row; the rest of the policy comes from the configuration.

    extra: language code → a text of the shop's own, shown at the end.
    """

    controller = models.CharField(_("controller"), max_length=200, blank=True)
    address = models.TextField(_("address of the controller"), max_length=500, blank=True)
    contact = models.EmailField(_("email address for privacy questions"), blank=True)
    officer = models.CharField(_("data protection officer"), max_length=200, blank=True)
    representative = models.CharField(
        _("representative in the EU, the United Kingdom or China"), max_length=300, blank=True
    )
    authority = models.CharField(_("supervisory authority"), max_length=200, blank=True)
    hosting_country = models.CharField(_("country of the servers"), max_length=100, blank=True)
    extra = models.JSONField(_("text of your own"), default=dict, blank=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("privacy policy settings")
        verbose_name_plural = _("privacy policy settings")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(condition=Q(pk=SINGLETON_ID), name="policy_settings_once")]

    def __str__(self) -> str:
        return str(_("privacy policy settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = SINGLETON_ID
        super().save(*args, **kwargs)


class PolicyVersion(models.Model):
    """A published privacy policy: its text in every language is frozen.

    texts: language code → sections, each {"key", "title", "lines"}. fingerprint: SHA-256 of the texts as canonical JSON.
    """

    number = models.PositiveIntegerField(_("version"), unique=True)
    published_at = models.DateTimeField(pgettext_lazy("version", "published at"))
    published_by = models.CharField(_("published by"), max_length=150)
    is_material = models.BooleanField(_("material change"), default=False)
    asks_again = models.BooleanField(_("asks for consent again"), default=False)
    note = models.CharField(_("what has changed"), max_length=500, blank=True)
    texts = models.JSONField(_("texts"), default=dict)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)

    class Meta:
        verbose_name = _("version of the privacy policy")
        verbose_name_plural = _("versions of the privacy policy")
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.number} ({localtime(self.published_at):%Y-%m-%d})"


class DataRecipient(models.Model):
    """Someone outside of the shop who gets personal data: a processor with its sub-processors, or a third party."""

    class Role(models.TextChoices):
        PROCESSOR = "processor", _("processor: works on our behalf")
        SUB_PROCESSOR = "sub_processor", _("sub-processor: works for a processor")
        THIRD_PARTY = "third_party", _("third party: uses the data for its own purposes")

    class Safeguard(models.TextChoices):
        NONE = "none", _("none needed: within the country or region")
        ADEQUACY = "adequacy", _("adequacy decision")
        CLAUSES = "clauses", _("standard contractual clauses")
        BINDING_RULES = "binding_rules", _("binding corporate rules")
        CHINA_CONTRACT = "china_contract", _("standard contract filed in China")
        CHINA_ASSESSMENT = "china_assessment", _("security assessment in China")
        CONSENT = "consent", _("separate consent")

    key = models.CharField(max_length=100, editable=False, blank=True, default="")
    name = models.CharField(_("recipient"), max_length=200)
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.PROCESSOR)
    task = models.CharField(_("what for"), max_length=300)
    data = models.CharField(_("categories of data"), max_length=500)
    country = models.CharField(_("country"), max_length=100, blank=True)
    safeguard = models.CharField(_("safeguard"), max_length=20, choices=Safeguard, default=Safeguard.NONE)
    contract = models.CharField(
        _("contract"), max_length=300, blank=True, help_text=_("Date or link of the data processing agreement.")
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients and sub-processors")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="policy_recipient_key")]

    def __str__(self) -> str:
        return self.name


class ProcessingActivity(models.Model):
    """One entry of the records of processing activities (GDPR, Article 30), with the assessment of its impact (Article 35)."""

    class Risk(models.TextChoices):
        LOW = "low", _("low")
        MEDIUM = "medium", _("medium")
        HIGH = "high", _("high")

    key = models.CharField(max_length=100, editable=False, blank=True, default="")
    name = models.CharField(_("activity"), max_length=200)
    purpose = models.TextField(_("what for"), max_length=1000)
    lawful_basis = models.CharField(_("lawful basis"), max_length=20, choices=Consent.LawfulBasis)
    consent_purposes = ArrayField(
        models.CharField(max_length=20, choices=Consent.Purpose), verbose_name=_("consents"), default=list, blank=True
    )
    people = models.CharField(_("whose data"), max_length=300)
    data = models.TextField(_("categories of data"), max_length=1000)
    recipients = models.TextField(_("recipients"), max_length=1000, blank=True)
    transfers = models.TextField(_("transfers abroad"), max_length=500, blank=True)
    retention = models.TextField(_("kept for"), max_length=10_000, blank=True)
    security = models.TextField(_("security measures"), max_length=1000, blank=True)
    is_profiling = models.BooleanField(_("profiling or automated decisions"), default=False)
    necessity = models.TextField(_("necessity and proportionality"), max_length=2000, blank=True)
    risks = models.TextField(_("risks to the people affected"), max_length=2000, blank=True)
    measures = models.TextField(_("measures against the risks"), max_length=2000, blank=True)
    risk = models.CharField(_("remaining risk"), max_length=10, choices=Risk, blank=True)
    reviewed_at = models.DateField(_("reviewed on"), null=True, blank=True)
    reviewed_by = models.CharField(_("reviewed by"), max_length=150, blank=True)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("processing activity")
        verbose_name_plural = _("records of processing")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="policy_activity_key")]

    def __str__(self) -> str:
        return self.name


class Transfer(models.Model):
    """A transfer of personal data abroad, recorded as PIPL (Articles 38 to 40 and 55) and GDPR (Article 30) require."""

    class Mechanism(models.TextChoices):
        SECURITY_ASSESSMENT = "security_assessment", _("security assessment by the Cyberspace Administration")
        STANDARD_CONTRACT = "standard_contract", _("standard contract, filed")
        CERTIFICATION = "certification", _("certification")
        EXEMPT = "exempt", _("exempt")
        GDPR_CLAUSES = "gdpr_clauses", _("standard contractual clauses (GDPR)")
        GDPR_ADEQUACY = "gdpr_adequacy", _("adequacy decision (GDPR)")

    recipient = models.ForeignKey(DataRecipient, models.CASCADE, related_name="transfers", verbose_name=_("recipient"))
    country = models.CharField(_("destination country"), max_length=100)
    purpose = models.CharField(_("what for"), max_length=300)
    data = models.CharField(_("categories of data"), max_length=500)
    has_sensitive_data = models.BooleanField(_("with sensitive data"), default=False)
    people_per_year = models.PositiveIntegerField(_("people a year"), default=0)
    mechanism = models.CharField(_("mechanism"), max_length=30, choices=Mechanism)
    needs_consent = models.BooleanField(_("requires separate consent to a transfer abroad"), default=True)
    assessed_on = models.DateField(_("impact assessed on"), null=True, blank=True)
    filed_on = models.DateField(_("filed on"), null=True, blank=True)
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("transfer abroad")
        verbose_name_plural = _("transfers abroad")
        ordering = ["country", "id"]

    def __str__(self) -> str:
        return f"{self.recipient_id} → {self.country}"


class Breach(models.Model):
    """A breach of personal data: what happened, who is affected, and who was notified when (GDPR, Articles 33 and 34; PIPL, Article 57)."""

    title = models.CharField(_("what happened"), max_length=200)
    description = models.TextField(_("description"), max_length=4000, blank=True)
    happened_at = models.DateTimeField(_("happened at"), null=True, blank=True)
    known_at = models.DateTimeField(
        _("known since"), help_text=_("The 72-hour deadline for notifying the authority starts at this time.")
    )
    data = models.CharField(_("categories of data"), max_length=500, blank=True)
    segment = models.ForeignKey(
        Segment,
        models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("segment of the people affected"),
        help_text=_(
            "The number is counted when you save. If you have a list of customers, import it as a segment first."
        ),
    )
    people_affected = models.PositiveIntegerField(_("people affected"), null=True, blank=True)
    consequences = models.TextField(_("likely consequences"), max_length=2000, blank=True)
    measures = models.TextField(_("measures"), max_length=2000, blank=True)
    is_risky = models.BooleanField(
        _("risk to the people affected"),
        default=True,
        help_text=_("If there is no risk, the authority need not be notified; explain why below."),
    )
    is_very_risky = models.BooleanField(
        _("high risk to the people affected"),
        default=False,
        help_text=_("The people affected have to be notified too."),
    )
    reasons = models.TextField(_("reasons for the decision"), max_length=2000, blank=True)
    authority_notified_at = models.DateTimeField(_("authority notified at"), null=True, blank=True)
    authority_reference = models.CharField(_("reference of the authority"), max_length=200, blank=True)
    people_notified_at = models.DateTimeField(_("people notified at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150, blank=True, editable=False)

    class Meta:
        verbose_name = _("breach")
        verbose_name_plural = _("breaches")
        ordering = ["-known_at", "-id"]

    def __str__(self) -> str:
        return self.title

    @property
    def report_by(self) -> datetime:
        """The end of the 72 hours."""
        return self.known_at + REPORT_WITHIN

    @property
    def must_tell_authority(self) -> bool:
        return self.is_risky and self.authority_notified_at is None and self.closed_at is None

    @property
    def must_tell_people(self) -> bool:
        return self.is_very_risky and self.people_notified_at is None and self.closed_at is None
