"""Rotations of keys: their progress, and how many values each key is used for. Nothing here holds a key."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class KeyRotation(models.Model):
    """One rotation: all values are moved from older keys to the first one."""

    field_key_id = models.CharField(_("encryption key"), max_length=8)
    hash_key_id = models.CharField(_("hash key"), max_length=8)
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("key rotation")
        verbose_name_plural = _("key rotations")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.field_key_id} · {self.hash_key_id}"


class RotationPart(models.Model):
    """A range of rows that is rotated in one transaction, which also marks the range as done.

    Attributes:
        step: the columns of a model that are encrypted, or one column of hashes.
    """

    class Step(models.TextChoices):
        ENCRYPT = "encrypt", _("encrypt")
        HASH = "hash", _("hash")

    rotation = models.ForeignKey(KeyRotation, models.CASCADE, related_name="parts")
    step = models.CharField(max_length=10, choices=Step)
    model = models.CharField(max_length=100)
    column = models.CharField(max_length=63, blank=True)
    low = models.BigIntegerField()
    high = models.BigIntegerField()
    rows = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["rotation", "id"], name="encryption_keys_part_open", condition=models.Q(done_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.low}–{self.high}"


class HashTranslation(models.Model):
    """Maps the hash of an address under an older key to its hash under the first key; deleted when the rotation ends."""

    old_hash = models.CharField(max_length=64, primary_key=True)
    new_hash = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.old_hash[:8]


class KeyUse(models.Model):
    """How many values of a column are under a key, as of the last count."""

    class Purpose(models.TextChoices):
        FIELD = "field", _("encryption")
        HASH = "hash", _("hashes")

    purpose = models.CharField(_("purpose"), max_length=5, choices=Purpose)
    key_id = models.CharField(_("key"), max_length=8)
    model = models.CharField(max_length=100)
    column = models.CharField(max_length=63)
    values_count = models.PositiveBigIntegerField(_("values"))
    counted_at = models.DateTimeField(_("counted at"))

    class Meta:
        verbose_name = _("use of a key")
        verbose_name_plural = _("uses of keys")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.purpose} {self.key_id}: {self.values_count}"
