"""Message templates with their versions and languages, and coupon pools with their codes."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recommendations.messaging.channels import Channel

LANGUAGES = (("en", _("English")), ("zh-hans", _("Simplified Chinese")))


class MessageTemplate(models.Model):
    """A message that campaigns and flows send, in any number of versions and languages."""

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, max_length=1000)
    channel = models.CharField(_("channel"), max_length=20, choices=Channel, default=Channel.EMAIL)
    is_transactional = models.BooleanField(
        _("transactional"),
        default=False,
        db_default=False,
        help_text=_("Order and account messages that need no unsubscribe link. Marketing messages must have one."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("message template")
        verbose_name_plural = _("message templates")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """A version of a template. The draft has no `published_at`; published versions never change."""

    template = models.ForeignKey(
        MessageTemplate, models.CASCADE, related_name="versions", verbose_name=_("message template")
    )
    number = models.PositiveIntegerField(_("number"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    created_by = models.CharField(_("created by"), max_length=150, blank=True)
    published_at = models.DateTimeField(pgettext_lazy("version", "published at"), null=True, blank=True)

    class Meta:
        verbose_name = _("template version")
        verbose_name_plural = _("template versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="messaging_version_number"),
            models.UniqueConstraint(
                fields=["template"], condition=Q(published_at__isnull=True), name="messaging_version_one_draft"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template_id} v{self.number}"


class TemplateContent(models.Model):
    """The content of a version in one language. The source is stored as it was written.

    source: MJML for email, JSON or text for other channels. text: the plain-text part; empty: derived from the source.
    """

    version = models.ForeignKey(
        TemplateVersion, models.CASCADE, related_name="contents", verbose_name=_("template version")
    )
    language = models.CharField(_("language"), max_length=20, choices=LANGUAGES)
    subject = models.CharField(_("subject"), max_length=300, blank=True)
    preheader = models.CharField(_("preview text"), max_length=300, blank=True)
    source = models.TextField(pgettext_lazy("template", "source"), blank=True)
    text = models.TextField(_("plain text"), blank=True)

    class Meta:
        verbose_name = _("template content")
        verbose_name_plural = _("template contents")
        ordering = ["language"]
        constraints = [models.UniqueConstraint(fields=["version", "language"], name="messaging_content_language")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.language}"


class CouponPool(models.Model):
    """Unique coupon codes for one offer; each code is given to one customer.

    ``code_count`` and ``claimed_count`` change in the statements that add and claim codes, so that no page counts the codes.
    """

    key = models.SlugField(
        _("key"), max_length=100, unique=True, help_text=_("Messages show a code with {{ coupon.KEY }}.")
    )
    name = models.CharField(_("name"), max_length=200)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    per_customer = models.PositiveSmallIntegerField(
        _("maximum codes per customer"),
        null=True,
        blank=True,
        help_text=_("Empty: no limit. Beyond the limit, messages that need another code are not sent."),
    )
    low_stock = models.PositiveIntegerField(
        _("alarm if fewer codes are left than"),
        null=True,
        blank=True,
        help_text=_("An alarm is raised when fewer codes are left. Empty: no alarm."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    code_count = models.PositiveIntegerField(_("codes"), default=0, db_default=0, editable=False)
    claimed_count = models.PositiveIntegerField(_("claimed codes"), default=0, db_default=0, editable=False)
    redeemed_count = models.PositiveIntegerField(_("redeemed codes"), default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("coupon pool")
        verbose_name_plural = _("coupon pools")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class CouponCode(models.Model):
    """A code of a pool, the customer and delivery that claimed it, and the order that redeemed it.

    ``is_returnable``: the code becomes free again if its message is not sent, because no server has got the message yet.
    """

    pool = models.ForeignKey(CouponPool, models.CASCADE, related_name="codes", verbose_name=_("coupon pool"))
    code = models.CharField(pgettext_lazy("coupon", "code"), max_length=100)
    customer_id = models.BigIntegerField(_("customer"), null=True, blank=True, db_index=True)
    delivery_id = models.BigIntegerField(_("delivery"), null=True, blank=True)
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    is_returnable = models.BooleanField(_("returnable"), default=False, db_default=False, editable=False)
    redeemed_at = models.DateTimeField(_("redeemed at"), null=True, blank=True)
    order_number = models.BigIntegerField(_("order number"), null=True, blank=True)

    class Meta:
        verbose_name = _("coupon code")
        verbose_name_plural = _("coupon codes")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["pool", "code"], name="messaging_code_unique"),
            models.UniqueConstraint(fields=["delivery_id", "pool"], name="messaging_code_once_per_delivery"),
            models.CheckConstraint(
                condition=Q(claimed_at__isnull=True, delivery_id__isnull=True)
                | Q(claimed_at__isnull=False, delivery_id__isnull=False),
                name="messaging_code_claimed_by_delivery",
            ),
        ]
        indexes = [
            models.Index(fields=["pool", "id"], name="messaging_code_free", condition=Q(claimed_at__isnull=True)),
            models.Index(fields=["code"], name="messaging_code_by_text"),
            models.Index(
                fields=["order_number"], name="messaging_code_redeemed", condition=Q(order_number__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"  # the code is a voucher


class RedemptionProgress(models.Model):
    """One row: when orders were last matched with coupon codes, so that no order is missed after a pause."""

    matched_until = models.DateTimeField(_("matched until"))

    class Meta:
        verbose_name = _("progress of matching redemptions")
        verbose_name_plural = _("progress of matching redemptions")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.matched_until)
