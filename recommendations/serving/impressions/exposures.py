"""Exposures to experiments travel with the impressions: no request writes to the database, and none is counted twice.

They are inserted in the transaction of their impressions. The earliest of several exposures of a unit is kept, in whatever order and
however often the entries arrive.
"""

from collections.abc import Sequence
from contextlib import suppress

import psycopg

from config.foundation.database.array_parameters import encode_bigints, encode_texts, encode_times
from config.foundation.valkey import ValkeyDownError
from recommendations.experiments import kept_variants
from recommendations.serving.impressions.served_entry import ServedEntry

# The impression names the customer; nobody after a refusal of personalization, see `store`.
INSERT_EXPOSURES = """
INSERT INTO experiments_experimentexposure AS known (experiment_id, variant_id, unit_key, customer_id, exposed_at, propensity)
SELECT DISTINCT ON (variant.experiment_id, unit_key)
    variant.experiment_id, variant.id, unit_key, i.customer_id, i.served_at, served.propensity::float8
FROM unnest(
    %(recommendation_id)s, %(served_at)s, %(experiment)s, %(variant)s, %(unit_kind)s, %(propensity)s
) AS served (recommendation_id, served_at, experiment_id, variant_id, unit_kind, propensity)
JOIN serving_impression i ON i.recommendation_id = served.recommendation_id AND i.served_at = served.served_at
JOIN experiments_variant variant ON variant.id = served.variant_id AND variant.experiment_id = served.experiment_id
CROSS JOIN LATERAL (
    SELECT served.unit_kind || ':' || CASE served.unit_kind WHEN 'user_id' THEN i.user_id ELSE i.anonymous_id END AS unit_key
) unit
WHERE unit_key NOT IN ('user_id:', 'anonymous_id:')
ORDER BY variant.experiment_id, unit_key, i.served_at
ON CONFLICT (experiment_id, unit_key) DO UPDATE SET
    variant_id = excluded.variant_id, exposed_at = excluded.exposed_at, propensity = excluded.propensity,
    customer_id = COALESCE(known.customer_id, excluded.customer_id)
WHERE excluded.exposed_at < known.exposed_at
"""


def insert_exposures(cursor: psycopg.Cursor, entries: Sequence[ServedEntry]) -> None:
    """Insert the first exposures of the stored entries that experiments decided about."""
    rows = [(entry, variant) for entry in entries if entry.variants for variant in entry.variants]
    if not rows:
        return
    columns = {
        "recommendation_id": encode_texts([entry.recommendation_id for entry, _variant in rows]),
        "served_at": encode_times([entry.served_at for entry, _variant in rows]),
        "experiment": encode_bigints([variant.experiment_id for _entry, variant in rows]),
        "variant": encode_bigints([variant.variant_id for _entry, variant in rows]),
        "unit_kind": encode_texts([variant.unit_kind for _entry, variant in rows]),
        "propensity": encode_texts([repr(variant.propensity) for _entry, variant in rows]),
    }
    cursor.execute(INSERT_EXPOSURES, columns, prepare=True)


def keep_served_variants(entries: Sequence[ServedEntry]) -> None:
    """Keep the variants of served entries, so that visitors keep them when they log in. Do nothing if Valkey is down."""
    served = [
        kept_variants.VariantToKeep(
            variant.experiment_id,
            variant.variant_id,
            variant.propensity,
            [
                f"{kind}:{value}"
                for kind, value in (("user_id", entry.user_id), ("anonymous_id", entry.anonymous_id))
                if value
            ],
            entry.served_at,
        )
        for entry in entries
        if entry.variants
        for variant in entry.variants
    ]
    if served:
        with suppress(ValkeyDownError):
            kept_variants.keep_variants(served)
