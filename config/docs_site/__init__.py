"""The documentation as a website in both languages, built from ``docs/`` and the OpenAPI document."""
