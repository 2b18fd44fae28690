"""The part of a model artifact that serves customers without a history."""

import numpy as np

from customers.identity.models import Consent, ConsentDenial
from recommendations.engine import IdMap
from recommendations.engine.cold_start import ColdStart
from recommendations.training.data.customer_traits import KnownTraits, extract_new_customers
from recommendations.training.data.extract import TrainingData
from recommendations.training.registry.artifacts import Artifact
from recommendations.training.tuning.cold_start.cold_start_tuning import ColdStartResult
from recommendations.training.tuning.model_choice import SEED


def build_cold_start_artifact(*, data: TrainingData, known: KnownTraits, cold_start: ColdStartResult) -> Artifact:
    """Fit the model on all data and add the traits of customers without a history.

    Its parts are "cold" and "newcomers". Without weights, no arrays are added. `data` is under the tuned event weights.
    """
    if cold_start.weights is None:
        return Artifact({}, {"cold": None})
    interactions = data.interactions
    model = ColdStart(**cold_start.weights, seed=SEED)
    arrays, saved = model.fit(interactions, known.select_users(interactions.users), data.products).to_arrays()
    with_history = np.flatnonzero(np.bincount(interactions.user, minlength=interactions.n_users))
    denials = ConsentDenial.objects.filter(purpose=Consent.Purpose.PERSONALISATION)
    new_customers = extract_new_customers(
        known=known,
        with_history=IdMap.of(interactions.users.get_ids(with_history.tolist())),
        excluded={f"{kind}:{value}" for kind, value in denials.values_list("kind", "value")},
    )
    parts = {"cold": arrays, "newcomers": new_customers.to_arrays()}
    return Artifact.from_parts(parts, {"cold": saved, "newcomers": new_customers.traits.shape})
