"""Alarms: rules that find problems, their opening and resolution, and the notifications."""
