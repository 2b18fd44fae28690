"""Dates as Babel writes them, with short months without a period: Nov 23, 2026, 5:14 AM. Django writes Nov. 23, 2026, 5:14 a.m."""

DATE_FORMAT = "M j, Y"
DATETIME_FORMAT = "M j, Y, g:i A"
SHORT_DATE_FORMAT = "M j, Y"
SHORT_DATETIME_FORMAT = "M j, Y, g:i A"
MONTH_DAY_FORMAT = "M j"
TIME_FORMAT = "g:i A"
