"""The hold of sending after a restore."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SendingHold(models.Model):
    """Exists from a restore of a backup until a user resumes sending: what was due in between may have been sent already.

    ``cancels_due``: a user has resumed sending without the messages that were due before the restore; the sender cancels them first.
    """

    backup_at = models.DateTimeField(_("backup of"))
    restored_at = models.DateTimeField(_("restored at"))
    cancels_due = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        verbose_name = _("hold of sending")
        verbose_name_plural = _("holds of sending")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="sending_hold_once")]

    def __str__(self) -> str:
        return self.restored_at.isoformat()
