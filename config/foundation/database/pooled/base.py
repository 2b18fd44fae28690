"""Connects to the pooler instead of the server, and sends nothing that needs a dedicated session."""

from typing import Any

from django_prometheus.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL through the address in the setting POOLER.

    The other settings stay those of the server: code that uses them to open its own connection, for session locks or prepared
    statements, reaches the server itself.
    """

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        # poolers refuse options, and the settings would not follow the transactions from session to session
        params.pop("options", None)
        return params | self.settings_dict["POOLER"] | {"prepare_threshold": None}
