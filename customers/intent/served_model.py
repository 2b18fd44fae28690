"""The model that this process predicts with: loaded once, and replaced within five seconds after each training."""

from functools import lru_cache

from config.foundation.ttl_cache import TtlCache
from customers.intent.models import IntentRun
from customers.intent.prediction.intent_model import IntentModel, deserialize_intent


def load_served_model() -> IntentModel | None:
    """Return the model of the latest run that has one; None before the first training."""
    pk = _latest.get("")
    return None if pk is None else load_model(pk)


@lru_cache(maxsize=2)
def load_model(pk: int) -> IntentModel:
    """Return the model of a run."""
    return deserialize_intent(bytes(IntentRun.objects.values_list("content", flat=True).get(pk=pk)))


def forget_served_model() -> None:
    """Make this process look for the latest model again."""
    _latest.forget()


def _find_latest(_key: str) -> int | None:
    runs = IntentRun.objects.filter(status=IntentRun.Status.DONE).exclude(content=b"")
    return runs.order_by("-id").values_list("pk", flat=True).first()


_latest = TtlCache(_find_latest)
