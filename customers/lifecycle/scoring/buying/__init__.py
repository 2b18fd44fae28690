"""When and how much each customer will buy, from when and how much they bought: probability models of the buying process."""

from customers.lifecycle.scoring.buying.bg_nbd import BgNbd
from customers.lifecycle.scoring.buying.chance import purchase_chance
from customers.lifecycle.scoring.buying.choice import Choice, HeldOut, choose_process, usual_cut
from customers.lifecycle.scoring.buying.fitting import MODELS, REASONS, Fit, Model, fit_process, load_fit, save_fit
from customers.lifecycle.scoring.buying.gamma_gamma import GammaGamma, SpendFit, fit_spend, load_spend, save_spend
from customers.lifecycle.scoring.buying.goodness import (
    Comparison,
    compare_by_frequency,
    compare_repeats,
    compare_weeks,
)
from customers.lifecycle.scoring.buying.grouped import Groups, Histories, group_histories, summarise_purchases
from customers.lifecycle.scoring.buying.intervals import Intervals, Ranks, predict_intervals, rank_purchases, rank_spend
from customers.lifecycle.scoring.buying.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.buying.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.buying.value import CustomerValues, value_customers

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
