"""What monitoring stores about customers: nothing."""

from config.foundation.personal_data.locations import files, keys, table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("monitoring.Alarm"),
    table("monitoring.AlarmNotification"),
    table("monitoring.AlarmRuleSetting"),
    table("monitoring.MonitoringState"),
    table("monitoring.RequestCountSample"),
    reason="Rules, job names, counts and times; errors of mail servers and endpoints, whose recipients are members of the team.",
)
register_impersonal(
    table("monitoring.AlarmSubscription"),
    table("monitoring.AlarmWebhook"),
    reason="Which team members get alarms, and the addresses of their services; no customers.",
)
register_impersonal(files("run/metrics/*"), reason="Counters of processes by route class, job, channel and outcome.")
register_impersonal(
    keys("slow-statements", "slow-statements:*"), reason="Statements of the database without their values."
)
