"""Chooses the variant of a visitor in an experiment on an offer.

The choice is a salted hash in memory; a query is needed only if the visitor may already have a variant.

Conflicts are resolved as in all experiments: the earliest exposure of a person wins. A device that turns out to belong to a customer keeps
its variant; in a bandit, whose shares change, every visitor keeps theirs.
"""

from collections.abc import Sequence

from django.db import connection

from config.foundation.ttl_cache import TtlCache
from recommendations.experiments.assignment import RunningExperiment, RunningExperiments
from recommendations.experiments.models import Experiment
from recommendations.experiments.running import read_running_experiments
from recommendations.offers.models import Offer
from recommendations.offers.visitor_state import ChosenVariant, OfferVisitor

KIND = "offer"

READ_EARLIEST = """
SELECT variant_id, propensity FROM experiments_experimentexposure
WHERE experiment_id = %s AND (unit_key = ANY(%s::text[]) OR customer_id = %s::bigint)
ORDER BY exposed_at, id LIMIT 1
"""


def choose_variant(offer: Offer, visitor: OfferVisitor, *, user_id: str) -> ChosenVariant | None:
    """Return the visitor's variant of an offer; None without a running experiment, an identifier or consent.

    user_id: the user ID of the request, by which the visitor was found.
    """
    experiment = list_offer_experiments().by_subject.get((KIND, offer.key))
    unit_keys = list_unit_keys(experiment, visitor, user_id=user_id) if experiment is not None else []
    if experiment is None or not unit_keys:
        return None
    is_customer = experiment.unit == Experiment.Unit.CUSTOMER and visitor.customer_id is not None
    if is_customer or experiment.method == Experiment.Method.BANDIT:
        kept = read_earliest(experiment, unit_keys, visitor.customer_id if is_customer else None)
        for variant in experiment.variants:
            if kept is not None and variant.id == kept[0]:
                return ChosenVariant(variant.id, unit_keys[0], kept[1], variant.config)
    variant = experiment.find_variant(unit_keys[0])
    return ChosenVariant(variant.id, unit_keys[0], variant.propensity, variant.config)


def list_unit_keys(experiment: RunningExperiment, visitor: OfferVisitor, *, user_id: str) -> list[str]:
    """Return the visitor's identifiers as "kind:value", the deciding one first; if the unit is the visitor, only that one."""
    customer = f"user_id:{user_id}" if user_id and visitor.customer_id is not None else ""
    device = f"anonymous_id:{visitor.anonymous_id}" if visitor.anonymous_id else ""
    if experiment.unit == Experiment.Unit.CUSTOMER:
        return [key for key in (customer, device) if key]
    return [key for key in (device, customer) if key][:1]


def read_earliest(
    experiment: RunningExperiment, unit_keys: Sequence[str], customer_id: int | None
) -> tuple[int, float] | None:
    """Return variant and propensity of the earliest exposure of a person."""
    with connection.cursor() as cursor:
        cursor.execute(READ_EARLIEST, [experiment.id, list(unit_keys), customer_id])
        row = cursor.fetchone()
    return (row[0], row[1]) if row is not None else None


def list_offer_experiments() -> RunningExperiments:
    """Return the running experiments; at most five seconds old."""
    return _running.get("") or RunningExperiments()


def find_offer_name(key: str) -> str | None:
    """Return the name of an offer, for lists of experiments; at most five seconds old."""
    return (_names.get("") or {}).get(key) or Offer.objects.filter(key=key).values_list("name", flat=True).first()


def clear_experiment_cache() -> None:
    """Make this process read the experiments, and the names of offers, from the database again."""
    _running.forget()
    _names.forget()


def _load_running(_key: str) -> RunningExperiments:
    return read_running_experiments()


def _load_names(_key: str) -> dict[str, str]:
    return dict(Offer.objects.order_by().values_list("key", "name"))


_running = TtlCache(_load_running)
_names = TtlCache(_load_names)
