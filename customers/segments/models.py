"""Segments of customers, their history, the saved views of the customers list, and the daily counts of events that conditions compare."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer


class Segment(models.Model):
    """A named set of customers.

    The members of a dynamic segment are queried whenever they are needed.
    """

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("dynamic")
        STATIC = "static", _("static")

    key = models.SlugField(_("key"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    kind = models.CharField(_("type"), max_length=10, choices=Kind, default=Kind.DYNAMIC)
    condition = models.JSONField(
        _("condition"), default=dict, blank=True, help_text=_("A tree of all, any, not and comparisons.")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    size = models.PositiveBigIntegerField(_("size"), null=True, blank=True, editable=False)
    last_evaluated_at = models.DateTimeField(_("last evaluated at"), null=True, blank=True, editable=False)
    duration_ms = models.FloatField(_("duration in ms"), null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    tracked_condition = models.JSONField(
        _("condition of the history"),
        null=True,
        editable=False,
        help_text=_(
            "The condition at the last evaluation, to distinguish changes in customers from edits of the condition."
        ),
    )

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class SegmentMember(models.Model):
    """A customer in a static segment."""

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="members", verbose_name=_("segment"), db_index=False
    )
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="static_segments", verbose_name=_("customer"))
    added_at = models.DateTimeField(_("added at"), auto_now_add=True)

    class Meta:
        verbose_name = _("segment member")
        verbose_name_plural = _("segment members")
        constraints = [models.UniqueConstraint(fields=["segment", "customer"], name="segments_member_unique")]

    def __str__(self) -> str:
        return f"{self.segment_id}: #{self.customer_id}"


class EventSeries(models.Model):
    """One kind of event about one product, category or brand, or about anything; it numbers the daily counts."""

    class About(models.TextChoices):
        ANY = "any", _("anything")
        PRODUCT = "product", _("product")
        CATEGORY = "category", _("category")
        BRAND = "brand", _("brand")

    id = models.AutoField(primary_key=True)
    meaning = models.CharField(_("event"), max_length=30)
    about = models.CharField(_("about"), max_length=10, choices=About)
    name = models.CharField(_("name"), max_length=1000, blank=True)
    counted_as = models.TextField(
        _("counted as"),
        blank=True,
        help_text=_("For a product: the category and brand to which its events were counted."),
    )

    class Meta:
        verbose_name = _("event series")
        verbose_name_plural = _("event series")
        constraints = [models.UniqueConstraint(fields=["meaning", "about", "name"], name="segments_series_unique")]

    def __str__(self) -> str:
        return f"{self.meaning}.{self.about} {self.name}".strip()


class EventCount(models.Model):
    """The events of one customer in one series, by day; the table is partitioned by a hash of the series.

    Attributes:
        days: the days with events, in days since 1970, ascending.
        counts: for each of them, the events up to and including that day, and the seconds of the day of its first and last event.
    """

    pk = models.CompositePrimaryKey("customer_id", "series_id")
    customer_id = models.BigIntegerField()
    series_id = models.IntegerField()
    days = ArrayField(models.SmallIntegerField())
    counts = ArrayField(ArrayField(models.IntegerField(), size=3))

    class Meta:
        verbose_name = _("event count")
        verbose_name_plural = _("event counts")

    def __str__(self) -> str:
        return f"#{self.customer_id}, {self.series_id}"


class PendingOrderCount(models.Model):
    """A customer whose orders have changed since they were counted; triggers of the orders write the rows."""

    customer_id = models.BigIntegerField(primary_key=True)

    class Meta:
        verbose_name = _("customer with uncounted orders")
        verbose_name_plural = _("customers with uncounted orders")

    def __str__(self) -> str:
        return f"#{self.customer_id}"


class PendingEventCount(models.Model):
    """A customer whose events have to be counted again, after a change of the shop's time zone."""

    customer_id = models.BigIntegerField(primary_key=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("customer with events to count again")
        verbose_name_plural = _("customers with events to count again")

    def __str__(self) -> str:
        return f"#{self.customer_id}"


class ChangedCustomer(models.Model):
    """A note that a customer has changed and is to be compared with the segments; there can be several for one customer."""

    customer_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        verbose_name = _("customer to compare with segments")
        verbose_name_plural = _("customers to compare with segments")

    def __str__(self) -> str:
        return f"#{self.customer_id}"


class SegmentStay(models.Model):
    """The time that a customer was in a segment, as seen by its evaluations; deleted with the customer, and when it is merged.

    Attributes:
        is_entry_observed: whether the customer entered while the segment was evaluated; otherwise the customer was in it at the first
            evaluation, or entered because its condition was edited.
        is_exit_observed: whether the customer left because something changed about the customer, not about the segment.
    """

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="stays", verbose_name=_("segment"), db_index=False
    )
    customer_id = models.BigIntegerField(_("customer number"), db_index=True)
    entered_at = models.DateTimeField(_("entered at"))
    left_at = models.DateTimeField(_("left at"), null=True, blank=True)
    is_entry_observed = models.BooleanField(_("entry observed"))
    is_exit_observed = models.BooleanField(_("exit observed"), default=False)

    class Meta:
        verbose_name = _("segment membership period")
        verbose_name_plural = _("segment membership periods")
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "customer_id"], condition=models.Q(left_at=None), name="segments_stay_current"
            )
        ]
        indexes = [
            models.Index(
                fields=["segment", "-entered_at", "-id"],
                name="segments_stay_entered",
                condition=models.Q(is_entry_observed=True),
            ),
            models.Index(
                fields=["segment", "-left_at", "-id"],
                name="segments_stay_left",
                condition=models.Q(is_exit_observed=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id}: #{self.customer_id}"


class SegmentDay(models.Model):
    """The size of a segment on one day, at its last evaluation, and how many customers were seen to enter and leave."""

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="history", verbose_name=_("segment"), db_index=False
    )
    day = models.DateField(_("day"))
    size = models.PositiveBigIntegerField(_("size"))
    entered = models.PositiveBigIntegerField(_("entered"), default=0)
    left = models.PositiveBigIntegerField(_("left"), default=0)

    class Meta:
        verbose_name = _("daily segment size")
        verbose_name_plural = _("daily segment sizes")
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["segment", "day"], name="segments_day_unique")]

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.day:%Y-%m-%d}"


class CustomerListView(models.Model):
    """A saved view of the customers list: a filter and an order, for its owner or for everyone who may open the list.

    Attributes:
        parameters: of the URL, without the search text, which can be personal.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="customer_list_views", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=100)
    parameters = models.JSONField(_("filter and order"), default=dict, blank=True)
    is_shared = models.BooleanField(_("shared with the team"), default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("view of the customers list")
        verbose_name_plural = _("views of the customers list")
        ordering = ["name", "pk"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="segments_listview_unique")]
        permissions = [("export_customers", "Can export the customers list")]

    def __str__(self) -> str:
        return self.name


class SegmentAddition(models.Model):
    """Customers who were added to a static segment from the customers list at once; their members have the same time, so it can be undone."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="additions", verbose_name=_("segment"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name=_("user"))
    added_at = models.DateTimeField(_("added at"))
    count = models.PositiveBigIntegerField(_("customers"))
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)

    class Meta:
        verbose_name = _("addition to a segment")
        verbose_name_plural = _("additions to segments")

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.count}"
