"""The reward model of off-policy evaluation: the expected reward of each action, cross-fitted."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit

from config.foundation.array_types import Floats, Ints

FOLDS = 5
PENALTIES = (0.003, 0.03, 0.3, 3.0)  # C of the logistic regression
MAX_TUNING_ROWS = 200_000
BLOCK_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class ActionLog:
    """n decisions with a yes/no reward.

    context: (n, d), features of the moment. action, group: (n,), row numbers of the action and of the group that the evaluated policy
    distinguishes. reward: (n,), 0 or 1. affinity: (n, m), what is known of each action for this context, or None.
    """

    context: sparse.csr_array
    action: Ints
    group: Ints
    reward: Floats
    affinity: Floats | None = None

    def __len__(self) -> int:
        return len(self.action)


@dataclass(frozen=True, eq=False)
class RewardPredictions:
    """predicted: q of the logged action, (n,). expected: Σ_a π(a)·q(a), (n,)."""

    predicted: Floats
    expected: Floats


def predict_rewards(log: ActionLog, policy: Floats, *, seed: int) -> RewardPredictions:
    """Return the predictions for each row by a model that did not see the row's fold.

    Logistic regression of context, action and affinity; its penalty is chosen by cross-validation on the log. The mean rate of the other
    folds is used where those have no reward at all, or nothing else.

    Args:
        policy: π, (groups, actions).
    """
    fold = np.random.default_rng(seed).permutation(len(log)) % FOLDS
    penalty = choose_penalty(log, policy.shape[1], fold)
    predicted, expected = np.empty(len(log)), np.empty(len(log))
    for number in range(FOLDS):
        rows = np.flatnonzero(fold == number)
        model = fit_reward_model(log, np.flatnonzero(fold != number), policy.shape[1], penalty)
        for block in np.array_split(rows, len(rows) // BLOCK_ROWS + 1):
            rewards = model.predict_all_actions(log, block)
            predicted[block] = rewards[np.arange(len(block)), log.action[block]]
            expected[block] = (rewards * policy[log.group[block]]).sum(axis=1)
    return RewardPredictions(predicted, expected)


@dataclass(frozen=True, eq=False)
class RewardModel:
    """Log-odds = intercept + context · weights + action's weight + affinity of the action · slope."""

    intercept: float
    context: Floats
    action: Floats
    slope: float

    def predict_all_actions(self, log: ActionLog, rows: Ints) -> Floats:
        """Return the expected reward of every action, (rows, actions)."""
        base = self.intercept + log.context[rows] @ self.context
        odds = base[:, None] + self.action
        if log.affinity is not None and self.slope:
            odds = odds + self.slope * log.affinity[rows]
        return expit(odds)


def fit_reward_model(log: ActionLog, rows: Ints, n_actions: int, penalty: float | None) -> RewardModel:
    """Fit the model on these rows; without a penalty, only their mean rate."""
    width = log.context.shape[1]
    rate = (log.reward[rows].sum() + 0.5) / (len(rows) + 1)
    constant = RewardModel(float(np.log(rate / (1 - rate))), np.zeros(width), np.zeros(n_actions), 0.0)
    if penalty is None or not 0 < log.reward[rows].sum() < len(rows):
        return constant
    from sklearn.linear_model import LogisticRegression  # web processes never need it, and would start more slowly

    fitted = LogisticRegression(C=penalty, max_iter=300).fit(build_design(log, rows, n_actions), log.reward[rows])
    weights = fitted.coef_[0]
    slope = float(weights[-1]) if log.affinity is not None else 0.0
    return RewardModel(float(fitted.intercept_[0]), weights[:width], weights[width : width + n_actions], slope)


def build_design(log: ActionLog, rows: Ints, n_actions: int) -> sparse.csr_array:
    shown = sparse.csr_array(
        (np.ones(len(rows)), log.action[rows], np.arange(len(rows) + 1)), shape=(len(rows), n_actions)
    )
    parts = [log.context[rows], shown]
    if log.affinity is not None:
        parts.append(sparse.csr_array(log.affinity[rows, log.action[rows]][:, None]))
    return sparse.csr_array(sparse.hstack(parts))


def choose_penalty(log: ActionLog, n_actions: int, fold: Ints) -> float | None:
    """Return the penalty with the smallest cross-validated log loss, None for the mean rate."""
    from sklearn.metrics import log_loss

    known = np.arange(len(log))[:MAX_TUNING_ROWS]

    def compute_loss(penalty: float | None) -> float:
        predicted = np.empty(len(known))
        for number in range(FOLDS):
            out = known[fold[known] == number]
            model = fit_reward_model(log, known[fold[known] != number], n_actions, penalty)
            predicted[out] = model.predict_all_actions(log, out)[np.arange(len(out)), log.action[out]]
        return float(log_loss(log.reward[known], predicted, labels=[0, 1]))

    return min((None, *PENALTIES), key=compute_loss)
