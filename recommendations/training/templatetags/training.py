"""Words for the codes that the records of trainings keep."""

from django import template

from recommendations.training.backoffice.labels.algorithm_labels import algorithm_name
from recommendations.training.backoffice.labels.step_labels import step_name

register = template.Library()
register.filter("step_name", step_name)
register.filter("algorithm_name", algorithm_name)
