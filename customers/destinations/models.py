"""Destinations that receive data of customers who allow sharing, and what was sent to them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.identity.personal_data.encrypted_field import EncryptedTextField
from customers.segments.models import Segment

MAX_LIST_ID = 100


class DataStream(models.TextChoices):
    """The kinds of data that a destination can receive."""

    ORDERS = "orders", _("orders")
    ORDER_CHANGES = "order_changes", _("cancellations, refunds and other changes of orders")
    EVENTS = "events", _("events")
    STAGE_CHANGES = "stage_changes", _("stage changes")
    SEGMENT_ENTRIES = "segment_entries", _("segment entries")
    CONSENTS = "consents", _("consents")


class Destination(models.Model):
    """A system outside of the shop that receives data: its address, its keys and what is sent to it.

    Attributes:
        kind: key of the registry in ``kinds``.
        options: the fields of the kind that are not secret. credentials: JSON of those that are.
        cursors: stream to the ID up to which rows are collected.
        problem: what prevents sending now, and how to fix it; empty if nothing does.
        segments: for segment entries, and for audiences of advertising accounts.
    """

    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("type"), max_length=30)
    options = models.JSONField(_("options"), default=dict, blank=True)
    credentials = EncryptedTextField(_("keys"), blank=True, editable=False)
    streams = ArrayField(
        models.CharField(max_length=20, choices=DataStream), verbose_name=_("data"), default=list, blank=True
    )
    segments = models.ManyToManyField(Segment, verbose_name=_("segments"), blank=True, related_name="destinations")
    cursors = models.JSONField(default=dict, blank=True, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    problem = models.TextField(_("problem"), blank=True, editable=False)
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    last_sent_at = models.DateTimeField(_("last delivery"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("destination")
        verbose_name_plural = _("destinations")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class DestinationBatch(models.Model):
    """Records that are sent in one request. It is stored before it is sent, so a repetition has the same ID and the same records.

    Attributes:
        key: the ID by which the receiver recognizes a repetition.
        reference: the receiver's ID of the request. notice: what the receiver reported about it later.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        SPLIT = "split", _("split after an error")
        DEAD = "dead", _("not delivered")

    destination = models.ForeignKey(
        Destination, models.CASCADE, related_name="batches", db_index=False, verbose_name=_("destination")
    )
    stream = models.CharField(_("data"), max_length=20, choices=DataStream)
    key = models.CharField(_("ID"), max_length=60, unique=True)
    created_at = models.DateTimeField(_("created at"))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    sent = models.PositiveIntegerField(_("sent records"), default=0)
    not_consented = models.PositiveIntegerField(_("not consented"), default=0)
    skipped = models.PositiveIntegerField(_("left out"), default=0)
    refused = models.PositiveIntegerField(_("refused"), default=0)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")
    reference = models.CharField(_("receiver's reference"), max_length=200, blank=True, default="")
    notice = models.CharField(_("receiver's notice"), max_length=500, blank=True, default="")
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        default_permissions = ()
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["destination", "next_attempt_at"], name="destinations_due", condition=Q(status="waiting")
            ),
            models.Index(fields=["destination", "-id"], name="destinations_batch_latest"),
        ]

    def __str__(self) -> str:
        return self.key


class OutgoingRecord(models.Model):
    """A row that a destination is to receive: a reference to it, without its content, which is read when it is sent."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        NOT_CONSENTED = "not_consented", _("not consented")
        SKIPPED = "skipped", _("left out")
        DEAD = "dead", _("not delivered")

    destination = models.ForeignKey(
        Destination, models.CASCADE, related_name="records", db_index=False, verbose_name=_("destination")
    )
    stream = models.CharField(_("data"), max_length=20, choices=DataStream)
    source_id = models.BigIntegerField(_("row number"))
    customer_id = models.BigIntegerField(_("customer number"), null=True, blank=True, db_index=True)
    occurred_at = models.DateTimeField(_("occurred at"))
    status = models.CharField(
        _("status"), max_length=15, choices=Status, default=Status.WAITING, db_default=Status.WAITING.value
    )
    batch = models.ForeignKey(
        DestinationBatch,
        models.DO_NOTHING,  # old deliveries are deleted before the records
        null=True,
        blank=True,
        related_name="records",
        db_constraint=False,
        verbose_name=_("delivery"),
    )
    error = models.CharField(_("error"), max_length=500, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("outgoing record")
        verbose_name_plural = _("outgoing records")
        default_permissions = ()
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["destination", "stream", "source_id"], name="destinations_record_once")
        ]
        indexes = [
            models.Index(
                fields=["destination", "stream", "id"],
                name="destinations_record_open",
                condition=Q(status="waiting"),
            ),
            models.Index(fields=["destination", "-id"], name="destinations_record_dead", condition=Q(status="dead")),
            models.Index(fields=["created_at"], name="destinations_record_age"),
            # an erasure searches the errors, which hardly any record has
            models.Index(fields=["id"], name="destinations_record_error", condition=~Q(error="")),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.source_id}"


class AdAudienceMember(models.Model):
    """A customer whom an advertising account has in a customer list.

    Attributes:
        segment: the one that brought the customer into the list; empty if it was deleted.
        list_id: the list, as the account names it, so that the customer can be removed after the settings have changed; empty in rows from
            before it was stored, if the settings did not have it any more.
        identifiers: JSON of the hashed identifiers that were sent, needed to remove them again.
        is_confirmed: whether the account has confirmed the customer; the row is stored before the request is sent.
    """

    destination = models.ForeignKey(
        Destination, models.CASCADE, related_name="audience", db_index=False, verbose_name=_("destination")
    )
    segment = models.ForeignKey(
        Segment, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("segment")
    )
    list_id = models.CharField(_("customer list ID"), max_length=MAX_LIST_ID, blank=True, default="", db_default="")
    customer_id = models.BigIntegerField(_("customer number"), db_index=True)
    identifiers = EncryptedTextField(_("hashed identifiers"), editable=False)
    is_confirmed = models.BooleanField(_("confirmed"), default=False)
    added_at = models.DateTimeField(_("added at"))

    class Meta:
        verbose_name = _("audience member")
        verbose_name_plural = _("audience members")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["destination", "list_id", "customer_id"], name="destinations_list_member_once"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class RemovalRequest(models.Model):
    """The erasure of a customer, passed on to a destination. It contains no personal data once it is done.

    Attributes:
        content: JSON of what the destination needs to find the person, encrypted; empty when done.
        outcome: what the destination has removed, or why it cannot.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("removed")
        UNSUPPORTED = "unsupported", _("cannot be removed by us")

    destination = models.ForeignKey(Destination, models.CASCADE, related_name="removals", verbose_name=_("destination"))
    content = EncryptedTextField(_("person"), blank=True, default="", editable=False)
    requested_at = models.DateTimeField(_("requested at"))
    status = models.CharField(_("status"), max_length=15, choices=Status, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"))
    outcome = models.CharField(_("outcome"), max_length=300, blank=True, default="")
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("erasure at a destination")
        verbose_name_plural = _("erasures at destinations")
        default_permissions = ()
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"#{self.pk}"
