"""Estimate the position bias of placements from clicks, and evaluate models without it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from config.foundation.array_types import Ints
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import record_run
from recommendations.engine.evaluation.counterfactual import evaluate_logged
from recommendations.engine.position_bias import ClickCounts, ExaminationCurve, learn_curve
from recommendations.serving.impressions.attribution import CLICKED_PRODUCTS, build_click_parameters
from recommendations.serving.impressions.models import LoggedJudgement, PositionBias, PositionBiasRun

POSITION_BIAS_LOCK = "learn_position_bias"
LEARNING_DAYS = 28
MAX_IMPRESSIONS = 500_000  # larger volumes are sampled: every second, third … impression
MAX_POSITIONS = 100

COUNT_IMPRESSIONS = "SELECT count(*) FROM serving_impression WHERE served_at >= %(since)s AND served_at < %(until)s"
SAMPLED_IMPRESSIONS = """
    SELECT * FROM serving_impression
    WHERE served_at >= %(since)s AND served_at < %(until)s AND hashtextextended(recommendation_id, 0) %% %(every)s = 0
"""
PRODUCT_CLICKS = f"""
WITH sample AS ({SAMPLED_IMPRESSIONS}), clicked AS ({CLICKED_PRODUCTS}), figures AS (
    SELECT scenario, product.id AS product, first_rank + product.number - 1 AS position, count(*) AS shown, 0 AS clicked
    FROM sample CROSS JOIN LATERAL unnest(product_ids) WITH ORDINALITY AS product (id, number)
    WHERE first_rank <= %(max_position)s
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT scenario, product_id, position, 0, count(*) FROM clicked GROUP BY 1, 2, 3
)
SELECT scenario, dense_rank() OVER (PARTITION BY scenario ORDER BY product) - 1, position, sum(shown)::bigint,
       sum(clicked)::bigint
FROM figures
WHERE position <= %(max_position)s
GROUP BY scenario, product, position
"""  # noqa: S608 — our own text
SLATE_CLICKS = f"""
WITH sample AS ({SAMPLED_IMPRESSIONS}), clicked AS ({CLICKED_PRODUCTS}), slate AS (
    SELECT s.scenario, s.model_version, s.strategy, cardinality(s.product_ids) AS length, clicks.positions
    FROM sample s
    LEFT JOIN (
        SELECT recommendation_id, served_at, array_agg(position ORDER BY position) AS positions
        FROM clicked GROUP BY 1, 2
    ) clicks USING (recommendation_id, served_at)
)
SELECT scenario, model_version, strategy, length, positions, count(*) FROM slate GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 — our own text


@dataclass(frozen=True, eq=False)
class LearnedCurve:
    """The curve of a placement and the counts behind it."""

    counts: ClickCounts
    curve: ExaminationCurve


def learn_position_bias(*, at: datetime) -> PositionBiasRun:
    """Estimate the curve of every placement from its last 28 days and evaluate its models.

    Raises AlreadyRunningError.
    """
    with exclusive_lock(POSITION_BIAS_LOCK):
        run = PositionBiasRun(started_at=at, since=at - timedelta(days=LEARNING_DAYS), until=at)
        with record_run(run):
            parameters = build_parameters(run)
            curves = {
                scenario: LearnedCurve(counts, learn_curve(counts))
                for scenario, counts in read_counts(parameters).items()
            }
            evaluations = evaluate_models(parameters, run=run, curves=curves)
            run.clicks = sum(int(learned.counts.clicks.sum()) for learned in curves.values())
            run.impressions = sum(evaluation.impressions for evaluation in evaluations)
            with transaction.atomic():
                PositionBias.objects.bulk_create(
                    row
                    for scenario, learned in curves.items()
                    for row in build_rows(learned, run=run, scenario=scenario)
                )
                LoggedJudgement.objects.bulk_create(evaluations)
    return run


def build_parameters(run: PositionBiasRun) -> dict[str, Any]:
    """Return the parameters of the queries; large volumes are sampled to about MAX_IMPRESSIONS."""
    parameters: dict[str, Any] = {
        "since": run.since,
        "until": run.until,
        "now": run.until,
        "max_position": MAX_POSITIONS,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_IMPRESSIONS, parameters)
        impressions = cursor.fetchone()[0]
    every = -(-impressions // MAX_IMPRESSIONS)  # rounded up
    return parameters | build_click_parameters(every=max(1, every))


def read_counts(parameters: dict[str, Any]) -> dict[str, ClickCounts]:
    """Return per placement how often each product was shown and clicked at each position."""
    with connection.cursor() as cursor:
        cursor.execute(PRODUCT_CLICKS, parameters)
        rows = cursor.fetchall()
    by_scenario: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for scenario, *row in rows:
        by_scenario[scenario].append((row[0], row[1], row[2], row[3]))
    return {
        scenario: build_click_counts(np.array(count_rows, np.int64))
        for scenario, count_rows in sorted(by_scenario.items())
    }


def build_click_counts(table: Ints) -> ClickCounts:
    """Return rows of (product, position, shown, clicked) as counts, with clicks ≤ impressions."""
    shown = table[:, 2].astype(np.float64)
    return ClickCounts(table[:, 0], table[:, 1], shown, np.minimum(table[:, 3], shown))


def evaluate_models(
    parameters: dict[str, Any], *, run: PositionBiasRun, curves: dict[str, LearnedCurve]
) -> list[LoggedJudgement]:
    """Evaluate each model of each placement by the clicks on what it showed."""
    with connection.cursor() as cursor:
        cursor.execute(SLATE_CLICKS, parameters)
        rows = cursor.fetchall()
    groups: dict[tuple[str, str, str], list[tuple[int, list[int], int]]] = defaultdict(list)
    for scenario, version, strategy, length, positions, times in rows:
        groups[scenario, version, strategy].append((length, positions or [], times))
    evaluations = []
    for (scenario, version, strategy), slates in sorted(groups.items()):
        curve = curves[scenario].curve if scenario in curves else learn_curve(NO_CLICKS)
        lengths, response, position = expand_slates(slates)
        evaluation = evaluate_logged(lengths=lengths, clicked_response=response, clicked_position=position, curve=curve)
        if evaluation.items:
            evaluations.append(
                LoggedJudgement(
                    run=run,
                    scenario=scenario,
                    model_version=version,
                    strategy=strategy,
                    impressions=evaluation.responses,
                    items=evaluation.items,
                    clicks=evaluation.clicks,
                    estimate=evaluation.estimate.value,
                    low=evaluation.estimate.low,
                    high=evaluation.estimate.high,
                    clipped=evaluation.clipped,
                )
            )
    return evaluations


def expand_slates(slates: list[tuple[int, list[int], int]]) -> tuple[Ints, Ints, Ints]:
    """Return the length of each response, and the response and position of each click.

    The query returns equal responses as one row with a count; the arrays have one entry for each.
    """
    times = np.array([times for _length, _positions, times in slates], np.int64)
    clicks = np.array([len(positions) for _length, positions, _times in slates], np.int64)
    flat = np.array([position for _length, positions, _times in slates for position in positions], np.int64)
    first = np.concatenate([[0], np.cumsum(clicks)])[:-1]
    # per response: number of its clicks, and where they begin in the flat array; equal responses share the same stretch of it
    response_clicks = np.repeat(clicks, times)
    response_first = np.repeat(first, times)
    within = np.arange(response_clicks.sum()) - np.repeat(np.cumsum(response_clicks) - response_clicks, response_clicks)
    return (
        np.repeat(np.array([length for length, _positions, _times in slates], np.int64), times),
        np.repeat(np.arange(len(response_clicks)), response_clicks),
        flat[np.repeat(response_first, response_clicks) + within],
    )


def build_rows(learned: LearnedCurve, *, run: PositionBiasRun, scenario: str) -> list[PositionBias]:
    """Return one row per position of a placement."""
    counts, curve = learned.counts, learned.curve
    last = len(curve.examination)
    shown = np.bincount(counts.position, counts.impressions, last + 1)[1:]
    clicked = np.bincount(counts.position, counts.clicks, last + 1)[1:]
    return [
        PositionBias(
            run=run,
            scenario=scenario,
            position=index + 1,
            examination=float(curve.examination[index]),
            shown=int(shown[index]),
            clicked=int(clicked[index]),
            method=curve.method,
        )
        for index in range(last)
    ]


def get_latest_run() -> PositionBiasRun | None:
    """Return the latest successful run."""
    return PositionBiasRun.objects.filter(status="done").first()


def get_curve(*, scenario: str) -> ExaminationCurve:
    """Return the latest curve of a placement; the prior without one."""
    run = get_latest_run()
    rows = list(run.positions.filter(scenario=scenario).values_list("examination", "method")) if run else []
    if not rows:
        return learn_curve(NO_CLICKS)
    return ExaminationCurve(np.array([examination for examination, _method in rows]), rows[0][1])


NO_CLICKS = ClickCounts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
