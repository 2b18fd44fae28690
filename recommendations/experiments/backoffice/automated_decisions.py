"""Explains to a person which variant of a test they see."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from recommendations.experiments.models import ExperimentExposure


def list_experiment_decisions(customer_id: int, as_of: datetime, limit: int) -> Sequence[Decision]:
    """Return the variants that a customer was served, in one query."""
    exposures = (
        ExperimentExposure.objects.filter(customer_id=customer_id, exposed_at__lte=as_of)
        .select_related("experiment", "variant")
        .order_by("-exposed_at")[:limit]
    )
    return [
        Decision(
            _("Test “%(test)s”: variant “%(variant)s”")
            % {"test": exposure.experiment.name, "variant": exposure.variant.name},
            exposure.exposed_at,
            exposure.experiment.key,
            (_("Drawn at random; nothing about you was used."),),
        )
        for exposure in exposures
    ]


def register_experiment_decisions() -> None:
    """Register which variants of experiments people see."""
    register_explainer(
        DecisionExplainer(
            key="experiments",
            label=gettext_lazy("Variant tests"),
            logic=gettext_lazy("To find out what works, some visitors see a different variant of the shop."),
            data=gettext_lazy("Used: only your ID, from which a random number is computed."),
            objection=Objection.PROFILING,
            order=60,
            explain=list_experiment_decisions,
        )
    )
