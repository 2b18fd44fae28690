"""Flows, their versions, the people inside, the steps they passed, and the signals that flows wait for."""

import secrets
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

MAX_HOLDOUT_SHARE = Decimal("0.9")


def make_flow_salt() -> str:
    """Return a random salt, so that the random splits of different flows are independent."""
    return secrets.token_hex(8)


LEFT_STATUSES = ("goal", "exited", "removed", "merged", "erased")  # of entries that ended at a step before the last one


class Flow(models.Model):
    """Messages and other actions, started by something that a customer does or that happens to the customer."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        LIVE = "live", _("live")
        PAUSED = "paused", _("paused")
        ENDING = "ending", _("ending")
        ENDED = "ended", _("ended")

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    recipe = models.CharField(_("recipe"), max_length=50, blank=True, editable=False)
    salt = models.CharField(
        _("salt"),
        max_length=32,
        default=make_flow_salt,
        editable=False,
        help_text=_("Determines random splits and the holdout group; never changes."),
    )
    holdout_share = models.DecimalField(
        _("holdout share"),
        max_digits=5,
        decimal_places=4,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(MAX_HOLDOUT_SHARE)],
        help_text=_("0.1 keeps one customer in ten out of the flow, to measure what it earns. 0: no holdout group."),
    )
    attribution_days = models.PositiveSmallIntegerField(
        _("attribution window in days"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text=_("Orders and other goals count if they happen within this many days after the first entry."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    published_at = models.DateTimeField(pgettext_lazy("version", "published at"), null=True, blank=True)
    started_at = models.DateTimeField(
        _("started at"),
        null=True,
        editable=False,
        help_text=_("When the flow began to take customers; what happened before does not start it."),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    matched_at = models.DateTimeField(
        _("matches compared at"),
        null=True,
        editable=False,
        help_text=_("When the customers who match a date or score trigger were last compared."),
    )

    class Meta:
        verbose_name = _("flow")
        verbose_name_plural = _("flows")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lte=MAX_HOLDOUT_SHARE),
                name="flows_holdout_share_range",
            )
        ]

    def __str__(self) -> str:
        return self.name


class FlowVersion(models.Model):
    """One version of a flow's definition: the draft, or a published one, which never changes."""

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="versions", verbose_name=_("flow"), db_index=False)
    number = models.PositiveIntegerField(_("number"))
    definition = models.JSONField(_("definition"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, verbose_name=_("created by")
    )
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)
    published_at = models.DateTimeField(pgettext_lazy("version", "published at"), null=True, blank=True)
    is_current = models.BooleanField(
        _("current"),
        default=False,
        help_text=_("New customers enter this version. Customers who are already in the flow finish on their version."),
    )

    class Meta:
        verbose_name = _("version of a flow")
        verbose_name_plural = _("versions of flows")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["flow", "number"], name="flows_version_unique"),
            models.UniqueConstraint(fields=["flow"], condition=Q(published_at=None), name="flows_version_one_draft"),
            models.UniqueConstraint(fields=["flow"], condition=Q(is_current=True), name="flows_version_one_current"),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id} v{self.number}"


class FlowEntry(models.Model):
    """One stay of a customer in a flow.

    Attributes:
        customer_id: without a foreign key, as in all large tables; merges, deletions and erasure are followed by receivers.
        occurrence: what started the stay, such as an event; the same one never starts a second stay.
        event: what templates get as ``event``, such as the product of a price drop.
        step_key: the step at which the customer is, or was at the end.
        is_waiting: whether the wait at this step has started; otherwise the step is still to be executed.
        outcome: how a wait ended before its time; empty if it has not.
        due_at: when the flow goes on.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", _("inside")
        COMPLETED = "completed", pgettext_lazy("flow entry", "completed")  # an order is also "completed"
        GOAL = "goal", _("reached the goal")
        EXITED = "exited", _("exited")
        REMOVED = "removed", _("removed")
        MERGED = "merged", _("merged with another entry")
        ERASED = "erased", _("erased")
        HELD_OUT = "held_out", _("held out")

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="entries", verbose_name=_("flow"), db_index=False)
    version = models.ForeignKey(
        FlowVersion, models.CASCADE, related_name="entries", verbose_name=_("version"), db_index=False
    )
    customer_id = models.BigIntegerField(_("customer number"))
    occurrence = models.CharField(_("occurrence"), max_length=300, blank=True, default="")
    event = models.JSONField(_("event"), default=dict)
    triggered_at = models.DateTimeField(_("triggered at"))
    entered_at = models.DateTimeField(_("entered at"))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.ACTIVE)
    step_key = models.CharField(_("step"), max_length=40)
    is_waiting = models.BooleanField(_("waiting"), default=False)
    outcome = models.CharField(_("outcome"), max_length=40, blank=True, default="")
    due_at = models.DateTimeField(_("due at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("entry of a flow")
        verbose_name_plural = _("entries of flows")
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "customer_id"], condition=Q(status="active"), name="flows_entry_one_active"
            )
        ]
        indexes = [
            models.Index(
                fields=["version", "step_key", "due_at"], condition=Q(status="active"), name="flows_entry_due"
            ),
            models.Index(fields=["customer_id", "flow"], name="flows_entry_of_customer"),
            models.Index(fields=["flow", "id"], name="flows_entry_of_flow"),
            models.Index(
                fields=["version", "step_key", "-id"], condition=Q(status__in=LEFT_STATUSES), name="flows_entry_left"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id}: #{self.customer_id}"


class FlowStepRun(models.Model):
    """A step that an entry has passed, with the outcome; there is one per entry and step, so nothing is done twice.

    The ID of a message step is the ``origin_id`` of its delivery.
    """

    entry = models.ForeignKey(
        FlowEntry, models.CASCADE, related_name="step_runs", verbose_name=_("entry"), db_index=False
    )
    version = models.ForeignKey(
        FlowVersion, models.CASCADE, related_name="+", verbose_name=_("version"), db_index=False
    )
    step_key = models.CharField(_("step"), max_length=40)
    outcome = models.CharField(_("outcome"), max_length=40)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("passed step")
        verbose_name_plural = _("passed steps")
        constraints = [models.UniqueConstraint(fields=["entry", "step_key"], name="flows_steprun_once")]
        indexes = [
            models.Index(fields=["version", "step_key", "-id"], name="flows_steprun_of_step"),
            models.Index(
                fields=["version", "step_key", "-id"], condition=Q(outcome="failed"), name="flows_steprun_failed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.step_key}"


class FlowStepCount(models.Model):
    """How many entries had an outcome at a step, counted with every change.

    ``arrived`` counts those who came to the step; the others are its outcomes, or how the stay ended there. With an empty ``step_key``
    the outcomes are those of whole stays: ``entered`` and the statuses of entries.
    """

    version = models.ForeignKey(
        FlowVersion, models.CASCADE, related_name="counts", verbose_name=_("version"), db_index=False
    )
    step_key = models.CharField(_("step"), max_length=40, blank=True)
    outcome = models.CharField(_("outcome"), max_length=40)
    count = models.BigIntegerField(_("count"), default=0)

    class Meta:
        verbose_name = _("count of a step")
        verbose_name_plural = _("counts of steps")
        constraints = [models.UniqueConstraint(fields=["version", "step_key", "outcome"], name="flows_count_unique")]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.step_key} {self.outcome}"


class FlowListener(models.Model):
    """What a version waits for; without a listener, nothing is written to the signals.

    Attributes:
        kind: of the signals: event, stage, segment, catalog, level or points.
        name: the normalized name of the event, the stage, the key of the segment, the change of the catalog, or what
            happened to a loyalty level or to points.
        is_trigger: whether the signals start stays; others end waits and stays.
    """

    version = models.ForeignKey(
        FlowVersion, models.CASCADE, related_name="listeners", verbose_name=_("version"), db_index=False
    )
    kind = models.CharField(_("type"), max_length=10)
    name = models.CharField(_("name"), max_length=200)
    is_trigger = models.BooleanField(_("trigger"), default=False)

    class Meta:
        verbose_name = _("listener of a flow")
        verbose_name_plural = _("listeners of flows")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["version", "kind", "name", "is_trigger"], name="flows_listener_unique")
        ]
        indexes = [models.Index(fields=["kind", "name"], name="flows_listener_name")]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.kind} {self.name}"


class FlowSignal(models.Model):
    """Something that happened and that a flow waits for, written in the transaction in which it happened.

    A signal is deleted in the transaction that reacts to it, so it is never lost and never counts twice.

    Attributes:
        customer_id: null for changes of the catalog, which concern everyone who is interested in the product.
    """

    kind = models.CharField(_("type"), max_length=10)
    name = models.CharField(_("name"), max_length=200)
    customer_id = models.BigIntegerField(_("customer number"), null=True)
    product_id = models.CharField(_("product ID"), max_length=200, blank=True, default="")
    occurrence = models.CharField(_("occurrence"), max_length=300, blank=True, default="")
    at = models.DateTimeField(_("at"))
    data = models.JSONField(_("data"), default=dict)

    class Meta:
        verbose_name = _("signal for flows")
        verbose_name_plural = _("signals for flows")
        default_permissions = ()
        indexes = [models.Index(fields=["customer_id"], name="flows_signal_of_customer")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} #{self.customer_id}"


class UpcomingProduct(models.Model):
    """A product of the catalog that customers have not seen yet: since its creation, it was inactive or before its publication date.

    A trigger of the catalog writes these rows. Without a foreign key, because a product is deleted rarely and its row then does nothing.
    """

    product_id = models.CharField(_("product ID"), max_length=200, primary_key=True)

    class Meta:
        verbose_name = _("upcoming product")
        verbose_name_plural = _("upcoming products")
        default_permissions = ()

    def __str__(self) -> str:
        return self.product_id


class FlowMatch(models.Model):
    """A customer who matched the date or score trigger of a flow at the last comparison; only new matches trigger the flow."""

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="+", verbose_name=_("flow"), db_index=False)
    customer_id = models.BigIntegerField(_("customer number"))

    class Meta:
        verbose_name = _("match of a flow")
        verbose_name_plural = _("matches of flows")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["flow", "customer_id"], name="flows_match_unique")]

    def __str__(self) -> str:
        return f"{self.flow_id}: #{self.customer_id}"


class FlowDay(models.Model):
    """The search for customers whose date is on one day, which can be continued after an interruption.

    Attributes:
        cursor: the number of the last customer that was searched.
    """

    flow = models.ForeignKey(Flow, models.CASCADE, related_name="days", verbose_name=_("flow"), db_index=False)
    day = models.DateField(_("day"))
    cursor = models.BigIntegerField(_("last customer number"), default=0)
    is_finished = models.BooleanField(_("finished"), default=False)

    class Meta:
        verbose_name = _("day of a flow")
        verbose_name_plural = _("days of flows")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["flow", "day"], name="flows_day_unique")]

    def __str__(self) -> str:
        return f"{self.flow_id}: {self.day:%Y-%m-%d}"
