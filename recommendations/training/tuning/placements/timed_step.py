"""What tuning and evaluation of placements have in common: a share of the time budget, and samples of queries."""

from recommendations.engine.evaluation.evaluation_queries import QuerySample
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    NEW,
    RECENTLY_VIEWED,
    SIMILAR,
)
from recommendations.training.budget import TrainingBudget
from recommendations.training.evaluation.placement_data import ShopData
from recommendations.training.evaluation.placement_evaluation import RANK
from recommendations.training.tuning.model_choice import SEED, ModelChoice, ReportStep
from recommendations.training.tuning.placements.placement_result import PlacementResult

MAX_TUNING_CELLS, MAX_EVALUATION_CELLS = 30_000_000, 40_000_000  # queries × products scored
LATE_EVALUATION_CELLS = 20_000_000  # of a first evaluation for which no time is left
# similar first, because it is the fallback of bought-together; the placements that are active anyway last
PLACEMENT_ORDER = (SIMILAR, BUY_AGAIN, BOUGHT_TOGETHER, CART, CATEGORIES, RANK, RECENTLY_VIEWED, NEW)


class TimedPlacementStep:
    """A tuning or evaluation step with its own share of the time budget."""

    share: float

    def __init__(self, shop: ShopData, choice: ModelChoice, budget: TrainingBudget, step: ReportStep) -> None:
        self.shop, self.choice, self.budget, self.step = shop, choice, budget, step
        self.end = budget.get_elapsed() + self.share * budget.seconds
        self.placements: dict[str, PlacementResult] = {}
        n_items = shop.interactions.n_items
        self.tuning_sample = QuerySample.of_cells(MAX_TUNING_CELLS, n_items, max_users=400, per_user=2, seed=SEED)
        self.test_sample = QuerySample.of_cells(MAX_EVALUATION_CELLS, n_items, max_users=1500, per_user=3, seed=SEED)
        self.late_sample = QuerySample.of_cells(LATE_EVALUATION_CELLS, n_items, max_users=750, per_user=1, seed=SEED)

    def has_time(self, progress: float) -> bool:
        """Report progress and return whether there is time left."""
        self.step("places", progress)
        return self.budget.get_elapsed() < self.end
