"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(tab="recommendations.models", model="training.ModelVersion", order=10),
    MenuList(tab="recommendations.models", model="training.EvaluationRun", order=20),
)
