"""Requests of people about their own data: access, portability, rectification, restriction, objection and erasure."""
