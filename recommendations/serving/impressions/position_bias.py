"""Learns from impressions and clicks how far people look down in each place, and judges what was shown without that."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from config.foundation.array_types import Ints
from config.foundation.database.advisory_locks import exclusive
from recommendations.engine.evaluation.counterfactual import judge_logged
from recommendations.engine.position_bias import ClickCounts, Curve, learn_curve
from recommendations.serving.impressions.attribution import FOLLOWED, what_follows
from recommendations.serving.impressions.models import LoggedJudgement, PositionBias, PositionBiasRun
from recommendations.serving.impressions.runs import recorded

LOCK = "learn_position_bias"
DAYS = 28
MOST_ANSWERS = 500_000  # of more every second, third … is taken
MOST_POSITIONS = 100

ANSWERS = "SELECT count(*) FROM serving_impression WHERE served_at >= %(since)s AND served_at < %(until)s"
SAMPLE = """
    SELECT * FROM serving_impression
    WHERE served_at >= %(since)s AND served_at < %(until)s AND hashtextextended(recommendation_id, 0) %% %(every)s = 0
"""
PRODUCTS = f"""
WITH sample AS ({SAMPLE}), followed AS ({FOLLOWED}), counted AS (
    SELECT scenario, product.id AS product, first_rank + product.place - 1 AS position, count(*) AS shown, 0 AS clicked
    FROM sample CROSS JOIN LATERAL unnest(product_ids) WITH ORDINALITY AS product (id, place)
    WHERE first_rank <= %(most)s
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT scenario, product_id, position, 0, count(*) FROM followed GROUP BY 1, 2, 3
)
SELECT scenario, dense_rank() OVER (PARTITION BY scenario ORDER BY product) - 1, position, sum(shown)::bigint,
       sum(clicked)::bigint
FROM counted
WHERE position <= %(most)s
GROUP BY scenario, product, position
"""  # noqa: S608 — our own text
SLATES = f"""
WITH sample AS ({SAMPLE}), followed AS ({FOLLOWED}), answer AS (
    SELECT s.scenario, s.model_version, s.strategy, cardinality(s.product_ids) AS length, clicked.positions
    FROM sample s
    LEFT JOIN (
        SELECT recommendation_id, served_at, array_agg(position ORDER BY position) AS positions
        FROM followed GROUP BY 1, 2
    ) clicked USING (recommendation_id, served_at)
)
SELECT scenario, model_version, strategy, length, positions, count(*) FROM answer GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 — our own text


@dataclass(frozen=True, eq=False)
class Learnt:
    """A place's curve and the counts it comes from."""

    counts: ClickCounts
    curve: Curve


def learn_position_bias(*, at: datetime) -> PositionBiasRun:
    """Learns the curve of every place from its last 28 days, judges its models, and keeps both under a run record.

    Errors: AlreadyRunningError.
    """
    with exclusive(LOCK):
        run = PositionBiasRun(started_at=at, since=at - timedelta(days=DAYS), until=at)
        with recorded(run):
            given = parameters_of(run)
            curves = {scenario: Learnt(found, learn_curve(found)) for scenario, found in read_counts(given).items()}
            judgements = judge_slates(given, run=run, curves=curves)
            run.clicks = sum(int(learnt.counts.clicked.sum()) for learnt in curves.values())
            run.impressions = sum(judgement.impressions for judgement in judgements)
            with transaction.atomic():
                PositionBias.objects.bulk_create(
                    row for scenario, learnt in curves.items() for row in rows_of(learnt, run=run, scenario=scenario)
                )
                LoggedJudgement.objects.bulk_create(judgements)
    return run


def parameters_of(run: PositionBiasRun) -> dict[str, Any]:
    given: dict[str, Any] = {"since": run.since, "until": run.until, "now": run.until, "most": MOST_POSITIONS}
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS, given)
        answers = cursor.fetchone()[0]
    return given | what_follows(every=max(1, -(-answers // MOST_ANSWERS)))


def read_counts(given: dict[str, Any]) -> dict[str, ClickCounts]:
    """By scenario: how often each product was shown at each position, and clicked there."""
    with connection.cursor() as cursor:
        cursor.execute(PRODUCTS, given)
        rows = cursor.fetchall()
    by_scenario: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for scenario, *row in rows:
        by_scenario[scenario].append((row[0], row[1], row[2], row[3]))
    return {scenario: counts_of(np.array(found, np.int64)) for scenario, found in sorted(by_scenario.items())}


def counts_of(table: Ints) -> ClickCounts:
    shown = table[:, 2].astype(np.float64)
    return ClickCounts(table[:, 0], table[:, 1], shown, np.minimum(table[:, 3], shown))


def judge_slates(given: dict[str, Any], *, run: PositionBiasRun, curves: dict[str, Learnt]) -> list[LoggedJudgement]:
    """Each model of each place, by what was clicked of what it showed."""
    with connection.cursor() as cursor:
        cursor.execute(SLATES, given)
        rows = cursor.fetchall()
    groups: dict[tuple[str, str, str], list[tuple[int, list[int], int]]] = defaultdict(list)
    for scenario, version, strategy, length, positions, times in rows:
        groups[scenario, version, strategy].append((length, positions or [], times))
    found = []
    for (scenario, version, strategy), slates in sorted(groups.items()):
        curve = curves[scenario].curve if scenario in curves else learn_curve(NOTHING)
        lengths, answer, position = arrays_of(slates)
        judged = judge_logged(lengths=lengths, clicked_answer=answer, clicked_position=position, curve=curve)
        if judged.items:
            found.append(
                LoggedJudgement(
                    run=run,
                    scenario=scenario,
                    model_version=version,
                    strategy=strategy,
                    impressions=judged.answers,
                    items=judged.items,
                    clicks=judged.clicks,
                    estimate=judged.estimate.value,
                    low=judged.estimate.low,
                    high=judged.estimate.high,
                    clipped=judged.clipped,
                )
            )
    return found


def arrays_of(slates: list[tuple[int, list[int], int]]) -> tuple[Ints, Ints, Ints]:
    """The length of each answer, and the answer and position of each click.

    Answers that are alike come with how many there are; each becomes one of the arrays' answers again.
    """
    times = np.array([times for _length, _positions, times in slates], np.int64)
    clicks = np.array([len(positions) for _length, positions, _times in slates], np.int64)
    flat = np.array([place for _length, positions, _times in slates for place in positions], np.int64)
    first = np.concatenate([[0], np.cumsum(clicks)])[:-1]
    answer_clicks = np.repeat(clicks, times)
    answer_first = np.repeat(first, times)
    within = np.arange(answer_clicks.sum()) - np.repeat(np.cumsum(answer_clicks) - answer_clicks, answer_clicks)
    return (
        np.repeat(np.array([length for length, _positions, _times in slates], np.int64), times),
        np.repeat(np.arange(len(answer_clicks)), answer_clicks),
        flat[np.repeat(answer_first, answer_clicks) + within],
    )


def rows_of(learnt: Learnt, *, run: PositionBiasRun, scenario: str) -> list[PositionBias]:
    counts, curve = learnt.counts, learnt.curve
    last = len(curve.examination)
    shown = np.bincount(counts.position, counts.shown, last + 1)[1:]
    clicked = np.bincount(counts.position, counts.clicked, last + 1)[1:]
    return [
        PositionBias(
            run=run,
            scenario=scenario,
            position=place + 1,
            examination=float(curve.examination[place]),
            shown=int(shown[place]),
            clicked=int(clicked[place]),
            method=curve.method,
        )
        for place in range(last)
    ]


def latest_run() -> PositionBiasRun | None:
    """The newest that ended well."""
    return PositionBiasRun.objects.filter(status="done").first()


def curve_of(*, scenario: str) -> Curve:
    """The newest curve of a place, for whoever judges a ranking by clicks; the prior where none was learnt."""
    run = latest_run()
    rows = list(run.positions.filter(scenario=scenario).values_list("examination", "method")) if run else []
    if not rows:
        return learn_curve(NOTHING)
    return Curve(np.array([examination for examination, _method in rows]), rows[0][1])


NOTHING = ClickCounts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
