"""When and how much each customer will buy, from when and how much they bought: probability models of the buying process."""

from customers.lifecycle.scoring.clv.fit_diagnostics import (
    Comparison,
    compare_by_frequency,
    compare_repeats,
    compare_weeks,
)
from customers.lifecycle.scoring.clv.fitting import MODELS, REASONS, Fit, Model, fit_process, load_fit, save_fit
from customers.lifecycle.scoring.clv.model_selection import Choice, HeldOut, choose_process, usual_cut
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma, SpendFit, fit_spend, load_spend, save_spend
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.prediction.customer_value import CustomerValues, value_customers
from customers.lifecycle.scoring.clv.prediction.intervals import (
    Intervals,
    Ranks,
    predict_intervals,
    rank_purchases,
    rank_spend,
)
from customers.lifecycle.scoring.clv.prediction.purchase_probability import purchase_chance
from customers.lifecycle.scoring.clv.purchase_histories import Groups, Histories, group_histories, summarise_purchases

__all__ = [
    "MODELS",
    "REASONS",
    "BgNbd",
    "Choice",
    "Comparison",
    "CustomerValues",
    "Fit",
    "GammaGamma",
    "Groups",
    "HeldOut",
    "Histories",
    "Intervals",
    "MbgNbd",
    "Model",
    "ParetoNbd",
    "Ranks",
    "SpendFit",
    "choose_process",
    "compare_by_frequency",
    "compare_repeats",
    "compare_weeks",
    "fit_process",
    "fit_spend",
    "group_histories",
    "load_fit",
    "load_spend",
    "predict_intervals",
    "purchase_chance",
    "rank_purchases",
    "rank_spend",
    "save_fit",
    "save_spend",
    "summarise_purchases",
    "usual_cut",
    "value_customers",
]
