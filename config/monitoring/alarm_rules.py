"""The alarm rules of this package; imported when alarms are first used."""

from config.monitoring.alarms.registry import register_rules
from config.monitoring.alarms.rules.data import DATA_RULES
from config.monitoring.alarms.rules.dependencies import DEPENDENCY_RULES
from config.monitoring.alarms.rules.jobs import JOB_RULES
from config.monitoring.alarms.rules.privacy import PRIVACY_RULES
from config.monitoring.alarms.rules.sending import SENDING_RULES
from config.monitoring.alarms.rules.servers import SERVER_RULES

register_rules(*JOB_RULES, *DATA_RULES, *DEPENDENCY_RULES, *PRIVACY_RULES, *SENDING_RULES, *SERVER_RULES)
