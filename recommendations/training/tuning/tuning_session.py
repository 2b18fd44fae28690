"""The state that the steps of one model tuning share: data, time budget, progress, and the record of trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.sparse import csr_array

from recommendations.engine import Interactions, Products
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.tuning.parameter_search import Trial
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import TimeSplit, sample_users
from recommendations.training.figures import round_figure
from recommendations.training.tuning.model_choice import SEED, ExcludedAlgorithm, ReportStep, measure_size
from recommendations.training.tuning.search_space import Candidate

TUNING_INTERACTIONS = 300_000
TUNING_USERS = 300
# shares of the time budget: event weights, parameters and each search of ensemble weights; the rest is for fitting on all data
EVENT_WEIGHTS_TIME_SHARE, PARAMETERS_TIME_SHARE, WEIGHTS_TIME_SHARE = 0.1, 0.3, 0.05
PLACEMENTS_TIME_SHARE = 0.3  # for tuning and evaluating the other placements
EVALUATION_TIME_SHARE = 0.2  # for evaluating the model
FITS_AFTER_TUNING = 2  # of every component: for the test and to serve


class TuningSession:
    """One model tuning.

    sample: the validation split of about TUNING_INTERACTIONS interactions, on which parameters are tuned;
    evaluated_users: its users to evaluate. size: of the data that the components are fitted on for the test. scale: how
    many times larger the data before the validation part are than the sample. trials, excluded: the record of the
    tuning.
    """

    def __init__(
        self,
        time_split: TimeSplit,
        products: Products,
        budget: TrainingBudget,
        step: ReportStep,
        candidates: Mapping[str, Candidate],
    ) -> None:
        self.split, self.products, self.budget = time_split, products, budget
        self.report_progress = step
        self.candidates = candidates
        self.sample, self.evaluated_users = sample_users(
            time_split.validation, n_interactions=TUNING_INTERACTIONS, max_evaluated=TUNING_USERS, seed=SEED
        )
        self.size = measure_size(time_split.test.train)
        self.scale = len(time_split.validation.train) / max(len(self.sample.train), 1)
        self.trials: list[dict[str, Any]] = []
        self.excluded: list[ExcludedAlgorithm] = []
        self.started_at = budget.get_elapsed()
        self.required_fit_seconds = 0.0  # to fit the required candidates tuned so far, on the sample

    def find_relevant(self, past: Interactions) -> csr_array:
        """Return the relevant items of the evaluated users of the sample."""
        return find_relevant_items(
            self.sample.test, past, self.evaluated_users, self.split.exclude_seen, self.split.seen_kinds
        )

    def get_remaining_seconds(self) -> float:
        """Return the remaining seconds, without those reserved for other placements."""
        return max(self.budget.get_remaining() - PLACEMENTS_TIME_SHARE * self.budget.seconds, 0.0)

    def get_parameter_seconds(self, name: str) -> float:
        """Return an equal share of the time left for parameters; 0 once the later steps need all that is left.

        Later candidates get what earlier ones did not use.
        """
        names = list(self.candidates)
        # Reading the data may have taken much of a short budget; the later steps must not lose their share to it.
        usable = max(self.budget.seconds - self.started_at, 0.0)
        end = self.started_at + (EVENT_WEIGHTS_TIME_SHARE + PARAMETERS_TIME_SHARE) * usable
        end = min(end, self.budget.seconds - self.get_reserved_seconds())
        return max(end - self.budget.get_elapsed(), 0.0) / (len(names) - names.index(name))

    def get_reserved_seconds(self) -> float:
        """Return the seconds that the steps after the tuning need, estimated from the fits so far."""
        fits_s = FITS_AFTER_TUNING * self.scale * self.required_fit_seconds
        return (EVALUATION_TIME_SHARE + PLACEMENTS_TIME_SHARE) * self.budget.seconds + fits_s

    def get_position(self, name: str) -> float:
        """Return the position of a candidate among all candidates, from 0 to 1."""
        return list(self.candidates).index(name) / len(self.candidates)

    def exclude(self, name: str, code: str, **values: float) -> None:
        """Record why a candidate is excluded."""
        self.excluded.append(ExcludedAlgorithm(name, code, {key: round(value, 4) for key, value in values.items()}))

    def record_trials(self, name: str, trials: Sequence[Trial], best: Trial) -> None:
        """Record the trials of one search."""
        self.trials += [
            {
                "algorithm": name,
                "parameters": trial.parameters,
                "value": round_figure(trial.value),
                "seconds": round(trial.seconds, 3),
                "chosen": trial is best,
            }
            for trial in trials
        ]
