"""A database backend of Django behind a connection pooler, such as PgBouncer in transaction mode."""
