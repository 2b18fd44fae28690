"""Off-policy evaluation: each of two policies valued from the other's log, against its own log.

    python -m benchmarks.off_policy LOG_A LOG_B

Both files are CSV with the columns of Open Bandit (Saito et al. 2020): item_id, position, click, propensity_score, and optionally
user_feature_… (categories) and user-item_affinity_… (numbers). The policy to evaluate is estimated from its own log as action
probabilities per position, because a log has only the propensity of the chosen action; what it earned there is used only for
on_policy. Keys without prefix: LOG_B's policy from LOG_A. reverse_…: LOG_A's policy from LOG_B. covered: 1 if the doubly robust
interval contains the on-policy value in both directions. clipping: the largest weight that the doubly robust estimate uses, chosen on the log;
null without clipping.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.neighbours import get_peak_mb, log
from config.foundation.array_types import Floats, Ints
from config.foundation.statistics import ConfidenceInterval
from recommendations.measurement.statistics.off_policy import (
    compute_skewed_mean_interval,
    compute_weights,
    estimate_action_shares,
    evaluate_policy,
)
from recommendations.measurement.statistics.reward_model import ActionLog, predict_rewards

REQUIRED = ("item_id", "position", "click", "propensity_score")
AFFINITY = "user-item_affinity_"
USER = "user_feature_"
SEED = 1


@dataclass(frozen=True, eq=False)
class PolicyLog:
    decisions: ActionLog
    propensity: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log_a", type=Path)
    parser.add_argument("log_b", type=Path)
    arguments = parser.parse_args()
    started = time.perf_counter()
    first, second = read_log(arguments.log_a), read_log(arguments.log_b)
    log_a, log_b, n_actions = build_logs(first, second)
    forward, reverse = evaluate(log_a, log_b, n_actions), evaluate(log_b, log_a, n_actions)
    line = forward | {f"reverse_{key}": value for key, value in reverse.items()}
    line["covered"] = int(all(part["dr_low"] <= part["on_policy"] <= part["dr_high"] for part in (forward, reverse)))
    line |= {"rows_a": len(first), "rows_b": len(second), "actions": n_actions}
    line |= {"seconds": round(time.perf_counter() - started, 1), "peak_mb": get_peak_mb()}
    print(json.dumps(line))


def read_log(path: Path) -> pd.DataFrame:
    """Read a log. Errors: SystemExit for an unreadable file, missing columns or impossible values."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as problem:
        sys.exit(f"{path} cannot be read as CSV: {problem}")
    missing = [name for name in REQUIRED if name not in frame]
    if missing:
        sys.exit(f"{path} has no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    frame = frame.dropna(subset=list(REQUIRED))
    if len(frame) < 2:
        sys.exit(f"{path} has {len(frame)} complete rows; at least 2 are needed")
    if not frame["propensity_score"].between(0, 1, inclusive="right").all():
        sys.exit(f"{path}: propensity_score must be above 0 and at most 1")
    if not frame["click"].isin([0, 1]).all():
        sys.exit(f"{path}: click must be 0 or 1")
    return frame


def build_logs(*frames: pd.DataFrame) -> tuple[PolicyLog, PolicyLog, int]:
    """Return both logs with the same row numbers of actions, positions and features, and the number of actions."""
    rows = pd.concat(frames, ignore_index=True)
    action, items = pd.factorize(rows["item_id"], sort=True)
    group, _positions = pd.factorize(rows["position"], sort=True)
    users = [name for name in rows if str(name).startswith(USER)]
    categories = pd.get_dummies(rows[["position", *users]].astype(str), dtype=np.float64)
    context = sparse.csr_array(categories.to_numpy())
    names = [f"{AFFINITY}{item}" for item in items]
    affinity = rows[names].fillna(0).to_numpy(np.float64) if all(name in rows for name in names) else None
    reward, propensity = rows["click"].to_numpy(np.float64), rows["propensity_score"].to_numpy(np.float64)

    def cut(part: slice) -> PolicyLog:
        decisions = ActionLog(
            context[part], action[part], group[part], reward[part], None if affinity is None else affinity[part]
        )
        return PolicyLog(decisions, propensity[part])

    middle = len(frames[0])
    return cut(slice(0, middle)), cut(slice(middle, None)), len(items)


def evaluate(logged: PolicyLog, target: PolicyLog, n_actions: int) -> dict[str, Any]:
    """Value the policy of one log from the other."""
    policy = estimate_policy(
        target, n_actions, 1 + int(max(logged.decisions.group.max(), target.decisions.group.max()))
    )
    decisions = logged.decisions
    weights = compute_weights(target=policy[decisions.group, decisions.action], propensity=logged.propensity)
    rewards = predict_rewards(decisions, policy, seed=SEED)
    found = evaluate_policy(decisions.reward, weights, predicted=rewards.predicted, expected=rewards.expected)
    own = compute_skewed_mean_interval(target.decisions.reward)
    line: dict[str, Any] = {}
    for name, interval in (("on_policy", own), ("ips", found.ips), ("snips", found.snips), ("dr", found.dr)):
        line |= list_keys(name, interval)
    log(", ".join(f"{key} {value}" for key, value in line.items()))
    line["clipping"] = round(found.clipping, 3) if np.isfinite(found.clipping) else None
    return line | {"effective_rows": round(found.effective_rows, 1), "max_weight": round(float(weights.max()), 3)}


def estimate_policy(target: PolicyLog, n_actions: int, n_groups: int) -> Floats:
    group: Ints = target.decisions.group
    return estimate_action_shares(
        group=group,
        action=target.decisions.action,
        propensity=target.propensity,
        n_groups=n_groups,
        n_actions=n_actions,
    )


def list_keys(name: str, interval: ConfidenceInterval) -> dict[str, float]:
    return {
        name: round(interval.value, 7),
        f"{name}_low": round(interval.low, 7),
        f"{name}_high": round(interval.high, 7),
    }


if __name__ == "__main__":
    main()
