"""Who has seen which variant of an experiment."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from psycopg import sql

from config.foundation.personal_data.key_stores import ValkeyKeys
from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import Condition, CustomerRows
from recommendations.experiments.kept_variants import make_keys
from recommendations.experiments.models import Experiment


class ExposureRows(CustomerRows):
    """Exposures are found by the customer, or by the identifier with which the variant was chosen."""

    def match_rows(self, people: Sequence[Person]) -> Condition:
        names = sorted({f"{kind}:{value}" for person in people for kind, value in person.identifiers})
        ids = [customer_id for person in people for customer_id in person.customer_ids]
        condition = sql.SQL("(t.customer_id = ANY(%(ids)s::bigint[]) OR t.unit_key = ANY(%(names)s::text[]))")
        return condition, {"ids": ids, "names": names}

    def list_changes(self, people: Sequence[Person]) -> Condition:
        changes = sql.SQL(
            "customer_id = COALESCE((%(new)s::bigint[])[array_position(%(old)s::bigint[], t.customer_id::bigint)],"
            " (%(new)s::bigint[])[(%(owner)s::integer[])[array_position(%(unit)s::text[], t.unit_key::text)]]),"
            " unit_key = 'erased:' || t.id"
        )
        pairs = [(old, person.replacement_id) for person in people for old in person.customer_ids]
        position = {old: index for index, (old, _new) in enumerate(pairs, start=1)}
        owners = {
            f"{kind}:{value}": position[person.customer_id] for person in people for kind, value in person.identifiers
        }
        return changes, {
            "old": [old for old, _new in pairs],
            "new": [new for _old, new in pairs],
            "unit": list(owners),
            "owner": list(owners.values()),
        }


def list_variant_keys(people: Sequence[Person]) -> list[str]:
    """Return the keys of the variants that are kept for people, under every hash key: all of them are looked up."""
    names = {f"{kind}:{value}" for person in people for kind, value in person.identifiers}
    experiments = Experiment.objects.values_list("pk", flat=True)
    return [key for experiment_id in experiments for name in names for key in make_keys(experiment_id, name)]


register_stores(
    ExposureRows(
        "experiments.exposures",
        _("variants of experiments"),
        "experiments.ExperimentExposure",
        is_renumbered=True,
        hidden=("id", "customer", "propensity"),
        kept=_(
            "The fact that someone saw a variant, under an anonymous number, because results count everyone who did."
        ),
    ),
    ValkeyKeys(
        "experiments.kept",
        _("variants kept for a visitor"),
        "variant:*",
        list_names=list_variant_keys,
        is_repeated=True,
    ),
)
register_impersonal(
    table("experiments.Experiment"),
    table("experiments.Variant"),
    table("experiments.BanditAllocation"),
    reason="Settings of experiments and shares of traffic.",
)
