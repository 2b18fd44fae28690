"""The score models of the latest refresh."""

from customers.lifecycle.models import LifecycleRun, ScoreModel

type ScoreModelsByKind = dict[str, ScoreModel]


def load_latest_score_models() -> ScoreModelsByKind:
    """Return the score models of the latest refresh by kind, without their arrays."""
    # the last one, whatever its as_of: it wrote the scores that its models explain, see `get_profiles_run`
    latest_run = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-id").values("id")[:1]
    return {
        score_model.kind: score_model
        for score_model in ScoreModel.objects.filter(run_id__in=latest_run).select_related("run").defer("arrays")
    }
