"""Formulas of measurement: comparisons of groups, power, sequential intervals. They import no Django."""
