"""Wires Perennial together: settings, addresses, processes, the schedule. Nothing else imports it."""
