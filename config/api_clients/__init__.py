"""Typed clients of the REST API in Python and TypeScript, generated from the OpenAPI document."""
