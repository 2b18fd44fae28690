"""Words for the codes that the records of trainings keep."""

from django import template

from recommendations.training.names import algorithm_name
from recommendations.training.steps import step_name

register = template.Library()
register.filter("step_name", step_name)
register.filter("algorithm_name", algorithm_name)
