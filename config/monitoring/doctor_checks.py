"""The checks of the doctor; imported when it runs."""

from config.monitoring.doctor.base import register_checks
from config.monitoring.doctor.data_checks import DATA_CHECKS
from config.monitoring.doctor.database_checks import DATABASE_CHECKS
from config.monitoring.doctor.machine_checks import MACHINE_CHECKS
from config.monitoring.doctor.network_checks import NETWORK_CHECKS
from config.monitoring.doctor.process_checks import PROCESS_CHECKS

register_checks(*MACHINE_CHECKS, *DATABASE_CHECKS, *PROCESS_CHECKS, *DATA_CHECKS, *NETWORK_CHECKS)
