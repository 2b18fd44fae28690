"""Retention settings hold nothing about customers."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(table("retention.RetentionSetting"), reason="Days per kind of data.")
