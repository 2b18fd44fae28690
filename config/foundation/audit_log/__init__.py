"""Records in the audit log who read, exported or changed what; entries are added and never changed.

Django-auditlog records changes of registered models itself. This package adds what it cannot see. `config.access.audit` gives every
entry its actor and keeps the log from being changed.
"""

from config.foundation.audit_log.actors import (
    Actor,
    RequestAudit,
    audit_request,
    describe_user,
    find_actor,
    serialize_actor,
)
from config.foundation.audit_log.entries import (
    EXPORT,
    READ,
    count_shown_value,
    make_actor_fields,
    record_access,
    record_action,
    record_export,
    write_collected_reads,
)

__all__ = [
    "EXPORT",
    "READ",
    "Actor",
    "RequestAudit",
    "audit_request",
    "count_shown_value",
    "describe_user",
    "find_actor",
    "make_actor_fields",
    "record_access",
    "record_action",
    "record_export",
    "serialize_actor",
    "write_collected_reads",
]
