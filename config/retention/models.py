"""How long each kind of data is kept, where it differs from the default."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RetentionSetting(models.Model):
    """The period of one kind of data. days: empty keeps the data without a limit."""

    kind = models.CharField(_("kind of data"), max_length=100, primary_key=True)
    days = models.PositiveIntegerField(_("days"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("retention setting")
        verbose_name_plural = _("retention settings")
        default_permissions = ("change",)

    def __str__(self) -> str:
        return f"{self.kind}: {self.days}"
