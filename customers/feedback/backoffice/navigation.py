"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(tab="analytics.feedback", model="feedback.Review", order=10),
    MenuList(tab="analytics.feedback", model="feedback.SurveyAnswer", order=20),
)
