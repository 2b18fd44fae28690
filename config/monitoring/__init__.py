"""Watches the installation for operators: metrics, alarms, slow statements and the doctor."""
