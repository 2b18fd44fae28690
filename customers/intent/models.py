"""Training runs of the behavior predictions; the model of the latest run that has one is in use."""

from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import JobRun


class IntentRun(JobRun):
    """One training of the behavior predictions.

    Attributes:
        sessions: how many the training read. problem: why there is no model, a code of `backoffice/texts.py`. quality: figures on later
            sessions by prediction, see `prediction.intent_model.train_intent`. content: the model, see `serialize_intent`.
    """

    as_of = models.DateTimeField(_("as of"))
    events = models.PositiveBigIntegerField(_("events"), default=0)
    sessions = models.PositiveIntegerField(_("sessions"), default=0)
    since = models.DateTimeField(_("first event"), null=True)
    problem = models.CharField(_("problem"), max_length=40, blank=True)
    quality = models.JSONField(_("accuracy"), default=dict, blank=True)
    content = models.BinaryField(_("model"), default=b"", editable=False)

    class Meta(JobRun.Meta):
        verbose_name = _("training of behavior predictions")
        verbose_name_plural = _("trainings of behavior predictions")

    def __str__(self) -> str:
        return f"{localtime(self.as_of):%Y-%m-%d %H:%M}"
