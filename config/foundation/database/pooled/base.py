"""Connects to the pooler instead of the server, and sends nothing that only a session of its own could keep."""

from typing import Any

from django_prometheus.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL through the address in the setting POOLER.

    The other settings stay those of the server: whoever opens a connection of their own from them, for a lock of a session or prepared
    statements, reaches the server itself.
    """

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        # poolers refuse options, and what they set would not follow the transactions from session to session
        params.pop("options", None)
        return params | self.settings_dict["POOLER"] | {"prepare_threshold": None}
