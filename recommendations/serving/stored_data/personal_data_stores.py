"""What was recommended to people, and what they searched for."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from psycopg import sql

from config.foundation.personal_data.key_stores import ValkeyKeys
from config.foundation.personal_data.locations import files, keys, table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import Condition, CustomerRows
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction


class ImpressionRows(CustomerRows):
    """Impressions, found by their customer or, without one, by the identifiers in them; each of the three conditions has an index."""

    def match_rows(self, people: Sequence[Person]) -> Condition:
        condition = (
            "(t.customer_id = ANY(%(ids)s::bigint[])"
            " OR (t.customer_id IS NULL AND t.user_id <> '' AND t.user_id = ANY(%(users)s::text[]))"
            " OR (t.customer_id IS NULL AND t.anonymous_id <> '' AND t.anonymous_id = ANY(%(visitors)s::text[])))"
        )
        return sql.SQL(condition), {
            "ids": [customer_id for person in people for customer_id in person.customer_ids],
            "users": [value for person in people for value in person.list_values("user_id")],
            "visitors": [value for person in people for value in person.list_values("anonymous_id")],
        }


register_stores(
    ImpressionRows(
        "serving.impressions",
        _("recommendations shown"),
        "serving.Impression",
        blank={"user_id": "", "anonymous_id": "", "customer_id": None},
        hidden=("id", "customer", "order_features", "propensities", "teams", "first_rank"),
        kept=_("What was shown and when, without a link to the person, because the click-through rate counts it."),
        is_repeated=True,
    ),
    MatchingTexts("serving.searches", _("searches"), "serving.ShopQuery", "text", action=TextAction.DELETE),
    MatchingTexts(
        "serving.runs", _("errors in measurement runs"), "serving.PerformanceRun", "error", action=TextAction.MASK
    ),
    MatchingTexts(
        "serving.bias_runs",
        _("errors in position bias runs"),
        "serving.PositionBiasRun",
        "error",
        action=TextAction.MASK,
    ),
    ValkeyKeys("serving.stream", _("recommendations to be stored"), "served*", is_repeated=True),
)
register_impersonal(
    table("serving.ErasedIdentifier"),
    reason="Keyed hashes that keep models trained earlier from recognizing an erased person.",
)
register_impersonal(
    table("serving.PerformanceDay"),
    table("serving.ProductPerformanceDay"),
    table("serving.PerformanceRun"),
    table("serving.PositionBiasRun"),
    table("serving.PositionBias"),
    table("serving.LoggedJudgement"),
    table("serving.Synonym"),
    table("serving.PlacementSettings"),
    table("serving.SearchOrder"),
    table("serving.Preview"),
    reason="Sums per placement, product and day; settings.",
)
register_impersonal(files("models/search/*"), reason="The search index of products.")
register_impersonal(keys("active-models", "onsite*"), reason="Versions in use.")
