"""The cards of the newest refresh."""

from customers.lifecycle.models import LifecycleRun, ScoreModel

type Cards = dict[str, ScoreModel]


def latest_cards() -> Cards:
    """What the newest refresh computed scores with, by kind; without arrays."""
    newest = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-as_of", "-id").values("id")[:1]
    return {
        card.kind: card for card in ScoreModel.objects.filter(run_id__in=newest).select_related("run").defer("arrays")
    }
