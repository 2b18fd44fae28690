"""Prometheus metrics: counted by every process, or read from the servers at a scrape."""
