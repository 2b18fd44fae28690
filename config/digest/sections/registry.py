"""All sections in their order."""

from config.digest.sections.anomalies import ANOMALIES
from config.digest.sections.base import DigestSection
from config.digest.sections.campaigns import CAMPAIGNS
from config.digest.sections.experiments import EXPERIMENTS
from config.digest.sections.products import BEST_PRODUCTS, FALLEN_PRODUCTS
from config.digest.sections.sales import SALES

SECTIONS: tuple[DigestSection, ...] = (SALES, ANOMALIES, BEST_PRODUCTS, FALLEN_PRODUCTS, EXPERIMENTS, CAMPAIGNS)
