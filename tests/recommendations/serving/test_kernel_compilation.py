"""`compile_kernels` compiles what a refresh, training, serving and searching need, without a database."""

from django.core.management import call_command

from customers.lifecycle.scoring.clusters.kernels import _find_nearest_block
from customers.lifecycle.scoring.clv.models.kernels import (
    expect_purchases_until_dropout,
    sum_dropout_terms,
    sum_lifetime_terms,
)
from customers.lifecycle.scoring.clv.prediction.interval_kernels import compute_spend_intervals
from customers.lifecycle.scoring.clv.prediction.tail_kernels import (
    compute_tails_in_lifetime,
    compute_tails_until_dropout,
)
from customers.lifecycle.scoring.interests.favorite_kernels import find_top_codes, merge_ranked_codes, rank_codes
from customers.lifecycle.scoring.interests.favorites import _write_rows
from customers.lifecycle.scoring.propensity.category_kernels import write_last_order_shares, write_next_order_shares
from customers.lifecycle.scoring.propensity.features.kernels import measure_details, measure_orders
from customers.lifecycle.scoring.propensity.models.kernels import compute_linear_margin, compute_tree_margin
from customers.lifecycle.scoring.rfm.kernels import advance_totals, count_borders_below
from customers.lifecycle.scoring.stages.history_diff import diff_stage_changes
from customers.lifecycle.scoring.stages.kernels import derive_stage_histories
from recommendations.engine.online.component_kernels import score_components
from recommendations.engine.online.selection_kernels import select_limited
from recommendations.engine.text_search.kernels import find_near_terms
from recommendations.engine.variety.kernels import collect_members, count_groups

OF_REFRESHES = (
    *(_find_nearest_block, expect_purchases_until_dropout, sum_dropout_terms, sum_lifetime_terms),
    *(compute_spend_intervals, compute_tails_in_lifetime, compute_tails_until_dropout),
    *(find_top_codes, merge_ranked_codes, rank_codes, _write_rows, write_last_order_shares, write_next_order_shares),
    *(measure_details, measure_orders, compute_linear_margin, compute_tree_margin),
    *(advance_totals, count_borders_below, diff_stage_changes, derive_stage_histories),
)
OF_RECOMMENDATIONS = (score_components, select_limited, find_near_terms, collect_members, count_groups)


def test_the_kernels_are_compiled_without_a_database() -> None:
    call_command("compile_kernels")
    assert [kernel.__name__ for kernel in (*OF_REFRESHES, *OF_RECOMMENDATIONS) if not kernel.signatures] == []
