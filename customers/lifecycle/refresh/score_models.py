"""The score models of the latest refresh."""

from customers.lifecycle.models import LifecycleRun, ScoreModel

type ScoreModelsByKind = dict[str, ScoreModel]


def load_latest_score_models() -> ScoreModelsByKind:
    """Return the score models of the latest refresh by kind, without their arrays."""
    latest_run = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-as_of", "-id").values("id")[:1]
    return {
        score_model.kind: score_model
        for score_model in ScoreModel.objects.filter(run_id__in=latest_run).select_related("run").defer("arrays")
    }
