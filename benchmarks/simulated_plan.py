"""The plan of a simulated shop, from the arguments of a benchmark."""

import argparse
from datetime import date

from config.simulation.plan import ImpossiblePlanError, ShopPlan


def make_plan(
    parser: argparse.ArgumentParser, *, customers: int, products: int, days: int, seed: int, until: date
) -> ShopPlan:
    """Return the plan, or exit with a usage error if no such shop can be simulated."""
    try:
        return ShopPlan(customers, products, days, seed, until)
    except ImpossiblePlanError as error:
        parser.error(str(error))
