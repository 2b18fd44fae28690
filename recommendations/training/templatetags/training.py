"""Template filters that turn stored codes into labels."""

from django import template

from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label
from recommendations.training.backoffice.labels.step_labels import get_step_label

register = template.Library()
register.filter("step_name", get_step_label)
register.filter("algorithm_name", get_algorithm_label)
