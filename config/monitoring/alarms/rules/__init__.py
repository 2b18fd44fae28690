"""The rules of alarms, one module per concern; `config/monitoring/alarm_rules.py` registers them."""
