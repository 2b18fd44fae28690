"""Serving owns no table yet; the back office's page of recommendations needs a name to give permissions to."""

from django.utils.translation import gettext_lazy as _

from recommendations.training.models import ModelVersion


class Preview(ModelVersion):
    """What a person would be shown now, and why."""

    class Meta:
        proxy = True
        verbose_name = _("recommendation preview")
        verbose_name_plural = _("recommendation preview")
