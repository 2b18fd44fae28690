"""Tuning of the parameters of one algorithm on the sample of the validation part."""

import copy
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommendations.engine import Algorithm, Interactions, recommend
from recommendations.engine.algorithms.base import NothingToLearnError
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.tuning.parameter_search import EmptySearchError, search_parameters
from recommendations.training.figures import compute_finite_mean
from recommendations.training.tuning.model_choice import SEED, TOP_N, fit_component
from recommendations.training.tuning.search_space import Candidate
from recommendations.training.tuning.tuning_session import TuningSession

PROBE_DIVISOR = 16  # one user in this many is enough to estimate the time of a trial
MIN_PROBED_INTERACTIONS = 50_000  # a trial on fewer takes about a second at most
MAX_TRIAL_SHARES, MIN_TRIAL_SECONDS = (
    3.0,
    1.0,
)  # the first trial may take this many times a candidate's share of the time


@dataclass(frozen=True, eq=False)
class TunedAlgorithm:
    """The best trial of a candidate, fitted on the sample; seconds to fit it and to score one user."""

    parameters: dict[str, Any]
    value: float
    fitted: Algorithm
    fit_seconds: float
    score_seconds: float


def tune_parameters(
    session: TuningSession, name: str, candidate: Candidate, past: Interactions
) -> TunedAlgorithm | None:
    """Return the best trial within the candidate's share of the time budget.

    Return None if the data contain nothing to learn, if a single trial would take several times the share, or if the later steps need
    the time that is left.

    past: the past of the sample under the event weights.
    """
    budget_s = session.get_parameter_seconds(name)
    try:
        if not candidate.is_required and len(past) >= MIN_PROBED_INTERACTIONS:
            limit = max(MAX_TRIAL_SHARES * budget_s, MIN_TRIAL_SECONDS)
            if not budget_s:
                session.exclude(name, "no_time", needed=limit, left=0.0)
                return None
            if (needed := estimate_trial_seconds(session, candidate, past, limit=limit)) > limit:
                session.exclude(name, "no_time", needed=needed, left=budget_s)
                return None
        trials = _ParameterTrials(session, name, candidate, past)
        result = search_parameters(
            space=candidate.values,
            evaluate=trials.evaluate,
            budget_s=budget_s,
            seed=SEED,
            start=candidate.start,
            clock=session.budget.clock,
        )
    except (NothingToLearnError, EmptySearchError):
        session.exclude(name, "nothing_to_learn")
        return None
    session.record_trials(name, result.trials, result.best)
    if candidate.is_required and trials.best is not None:
        session.required_fit_seconds += trials.best.fit_seconds
    return trials.best


def estimate_trial_seconds(session: TuningSession, candidate: Candidate, past: Interactions, *, limit: float) -> float:
    """Return the seconds that the first trial of a candidate would take, from trials on small samples of the users.

    A trial that has started cannot be stopped, and the first one always runs. The time is a fixed
    part, such as the texts of all products, plus a part that grows linearly with the number of users. limit: the rough estimate, which may
    be too large but never too small, is refined only if it is above the limit.
    """
    clock = session.budget.clock

    def run_trial(divisor: int) -> float:
        is_sampled = past.user % PROBE_DIVISOR < PROBE_DIVISOR // divisor
        part, users = past.select(is_sampled), session.evaluated_users
        users = users[users % PROBE_DIVISOR < PROBE_DIVISOR // divisor]
        if not len(part) or not len(users):
            return 0.0
        started_at = clock()
        try:
            algorithm = fit_component(candidate.describe(candidate.start), part, session.products)
            recommend(algorithm, part.build_histories(users), TOP_N, exclude_seen=False, tie_seed=SEED)
        except NothingToLearnError:
            pass  # a part of the users may be too little to learn from; the trial on all of them decides
        return clock() - started_at

    seconds = run_trial(PROBE_DIVISOR)
    if seconds * PROBE_DIVISOR <= limit:
        return seconds * PROBE_DIVISOR
    small = run_trial(PROBE_DIVISOR)  # again, because the first one may have compiled code
    if small > limit:
        return small
    return small + (PROBE_DIVISOR - 1) * max(run_trial(PROBE_DIVISOR // 2) - small, 0.0)


class _ParameterTrials:
    """Evaluates parameters of one candidate and keeps the best trial."""

    def __init__(self, session: TuningSession, name: str, candidate: Candidate, past: Interactions) -> None:
        self.session, self.name, self.candidate, self.past = session, name, candidate, past
        self.histories = past.build_histories(session.evaluated_users)
        self.relevant = session.find_relevant(past)
        self.fitted: dict[str, Algorithm] = {}
        self.fit_seconds = 0.0
        self.best: TunedAlgorithm | None = None

    def evaluate(self, parameters: dict[str, Any]) -> float:
        """Return the mean NDCG of the evaluated users; NaN for parameters that need too much memory."""
        session, candidate = self.session, self.candidate
        session.report_progress(self.name, 0.1 + 0.4 * session.get_position(self.name))
        if candidate.estimate_mb(session.size, {**candidate.fixed, **parameters}) > session.budget.memory_mb:
            return float("nan")
        algorithm = self.fit(parameters)
        clock = session.budget.clock
        started_at = clock()
        top = recommend(
            algorithm,
            self.histories,
            TOP_N,
            exclude_seen=session.split.exclude_seen,
            seen_kinds=session.split.seen_kinds,
            tie_seed=SEED,
        )
        score_seconds = (clock() - started_at) / max(len(self.histories), 1)
        value = compute_finite_mean(ndcg(find_hits(top.items, self.relevant), np.diff(self.relevant.indptr)))
        if self.best is None or np.isnan(self.best.value) or value > self.best.value:
            self.best = TunedAlgorithm(parameters, value, algorithm, self.fit_seconds, score_seconds)
        return value

    def fit(self, parameters: dict[str, Any]) -> Algorithm:
        """Return the algorithm with these parameters.

        It is fitted again only if a parameter that affects fitting has changed.
        """
        clock, scoring_only = self.session.budget.clock, self.candidate.scoring_only
        key = json.dumps(
            {name: value for name, value in parameters.items() if name not in scoring_only}, sort_keys=True
        )
        started_at = clock()
        if key not in self.fitted:
            # Only the last fit is kept: coordinate search varies one parameter at a time, and each fit may be large.
            self.fitted.clear()
            self.fitted[key] = fit_component(self.candidate.describe(parameters), self.past, self.session.products)
            self.fit_seconds = clock() - started_at
        # A shallow copy shares the fitted arrays but not the parameters, so that the best trial keeps its own.
        algorithm = copy.copy(self.fitted[key])
        for name in scoring_only & parameters.keys():
            setattr(algorithm, name, parameters[name])
        return algorithm
