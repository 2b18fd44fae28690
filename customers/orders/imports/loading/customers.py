"""Finds or creates the customers of an import."""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are parameters

from datetime import datetime

import pyarrow as pa
from django.db.backends.utils import CursorWrapper

from customers.identity.consent.consent_denials import refresh_denials_after_commit
from customers.identity.erased.blocked_identifiers import find_blocked_keys
from customers.identity.locking import lock_identities
from customers.identity.merging.transfers import ProvenClaim, transfer_claimed
from customers.identity.personal_data.encrypted_field import encrypt
from customers.identity.personal_data.hashing import hash_emails as compute_email_hashes
from customers.identity.resolution.address_links import link_user_ids
from customers.orders.imports.arrow_arrays import build_integer_array, build_text_array
from customers.orders.imports.arrow_copy import copy_batches, fetch_integers
from customers.orders.imports.loading.load_result import COPY_ROWS, KEY_IDS
from customers.orders.imports.parsing import ImportOptions
from customers.orders.imports.staging import Staging

# "is distinct from", so that the second run updates only the customers whose identifier appeared in the meantime
FIND_CUSTOMERS = """
    UPDATE imported_customer i SET customer_id = f.customer_id
    FROM identity_identifier f
    WHERE f.kind = i.kind AND f.value = i.value AND (f.is_proven OR f.kind = 'user_id')
      AND i.customer_id IS DISTINCT FROM f.customer_id
"""
# Email addresses of the import that only a browser has linked to a customer: this proves nothing, so they go to the import's customers.
FIND_CLAIMED = """
    SELECT f.value, min(i.customer_id) FROM imported_customer i
    JOIN identity_identifier f ON f.kind = 'email_hash' AND f.value = i.email_hash AND NOT f.is_proven
    WHERE i.kind = 'user_id' OR i.is_new OR i.customer_id IS NULL
    GROUP BY f.value
"""
# Customers of the import whose ID is new, but whose address is known.
FIND_KNOWN_ADDRESSES = """
    SELECT i.value, i.email_hash FROM imported_customer i
    JOIN identity_identifier f ON f.kind = 'email_hash' AND f.value = i.email_hash AND f.is_proven
    WHERE NOT EXISTS (SELECT FROM identity_identifier u WHERE u.kind = 'user_id' AND u.value = i.value)
    ORDER BY i.key
"""


def load_customers(cursor: CursorWrapper, staging: Staging, options: ImportOptions, *, at: datetime) -> int:
    """Find or create the customers of the orders; return how many were created.

    Leaves the tables ``customers`` (key, identity) and ``customer_ids`` (key, id) in DuckDB.
    """
    hash_emails(staging)
    identity = staging.identity_column
    kind = "user_id" if options.mapping.has("customer_id") else "email_hash"
    staging.run(
        f"""
        CREATE TABLE customers AS
        SELECT row_number() OVER (ORDER BY min(seq)) AS key, {identity} AS identity, arg_min(email, seq) AS address,
               arg_min(email_hash, seq) AS address_hash, arg_min(country, seq) AS home,
               min(placed_at) AS first_at, max(placed_at) AS last_at
        FROM orders LEFT JOIN email_hashes USING (email) WHERE {identity} IS NOT NULL GROUP BY {identity}
        """
    )
    cursor.execute(
        """
        CREATE TEMPORARY TABLE imported_customer (
            key bigint, kind text, value text, email_hash text, email text, country text, first_at timestamp,
            last_at timestamp, customer_id bigint, is_new boolean DEFAULT false
        ) ON COMMIT DROP
        """
    )
    columns = ["key", "kind", "value", "email_hash", "country", "first_at", "last_at"]
    query = f"SELECT key, '{kind}' AS kind, identity, address_hash, home, first_at, last_at FROM customers"
    copy_batches(cursor, "imported_customer", columns, staging.stream(query, COPY_ROWS))
    forget_erased(cursor, staging)
    # autovacuum never analyzes temporary tables; without statistics the planner assumes a fixed small size
    cursor.execute("ANALYZE imported_customer")
    cursor.execute(f"SELECT EXISTS ({FIND_CLAIMED})")
    if cursor.fetchone() == (True,):
        lock_identities()  # before any other lock, because identifiers will go from one customer to another
    if kind == "user_id":
        cursor.execute(FIND_KNOWN_ADDRESSES)
        link_user_ids(pairs=cursor.fetchall(), at=at)
    created = create_missing_customers(cursor, staging, at=at)
    claim_addresses(cursor, at=at)
    add_email_identifiers(cursor, at=at)
    update_known_customers(cursor)
    cursor.execute("SELECT DISTINCT customer_id FROM imported_customer WHERE country <> ''")
    refresh_denials_after_commit(customer_ids=[row[0] for row in cursor.fetchall()])
    ids = fetch_integers(cursor, "SELECT key, customer_id AS id FROM imported_customer", KEY_IDS)
    staging.put_table("customer_ids", ids)
    return created


def forget_erased(cursor: CursorWrapper, staging: Staging) -> None:
    """Leave out the customers who were erased: their orders are imported as those of guests."""
    cursor.execute("SELECT EXISTS (SELECT FROM identity_blockedidentifier)")
    if cursor.fetchone() != (True,):
        return
    cursor.execute(
        "SELECT kind, value FROM imported_customer UNION SELECT 'email_hash', email_hash FROM imported_customer"
        " WHERE email_hash IS NOT NULL"
    )
    blocked = find_blocked_keys(cursor.fetchall())
    cursor.execute(
        "DELETE FROM imported_customer i USING unnest(%s::text[], %s::text[]) AS b (kind, value)"
        " WHERE (i.kind = b.kind AND i.value = b.value) OR (b.kind = 'email_hash' AND i.email_hash = b.value)",
        [[kind for kind, _value in blocked], [value for _kind, value in blocked]],
    )
    hashes = pa.table({"blocked": build_text_array([value for kind, value in blocked if kind == "email_hash"])})
    staging.put_table("blocked_hashes", hashes)
    staging.run("UPDATE email_hashes SET email_hash = NULL WHERE email_hash IN (SELECT blocked FROM blocked_hashes)")


def hash_emails(staging: Staging) -> None:
    """Leave the table ``email_hashes`` (email, email_hash) in DuckDB."""
    emails = [email for (email,) in staging.run("SELECT DISTINCT email FROM orders WHERE email IS NOT NULL")]
    hashes = compute_email_hashes(emails)
    staging.put_table(
        "email_hashes", pa.table({"email": build_text_array(emails), "email_hash": build_text_array(hashes)})
    )


def create_missing_customers(cursor: CursorWrapper, staging: Staging, *, at: datetime) -> int:
    """Find the customers of the import, and create the missing ones.

    Sets ``customer_id`` in ``imported_customer``, and returns how many customers were created.
    """
    cursor.execute(FIND_CUSTOMERS)
    # OFFSET 0 keeps the planner from inlining the subquery, which would look up the sequence once per row
    cursor.execute(
        """
        UPDATE imported_customer SET customer_id = nextval(name), is_new = true
        FROM (SELECT pg_get_serial_sequence('identity_customer', 'id')::regclass AS name OFFSET 0) AS once
        WHERE customer_id IS NULL
        """
    )
    if not cursor.rowcount:
        return 0
    encrypt_emails(cursor, staging)
    cursor.execute(
        """
        INSERT INTO identity_customer (id, created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language,
                                       country, traits)
        SELECT customer_id, %(at)s, first_at AT TIME ZONE 'UTC', last_at AT TIME ZONE 'UTC', '', coalesce(email, ''), '', '',
               '', coalesce(country, ''), '{}'
        FROM imported_customer WHERE is_new ORDER BY customer_id
        """,
        {"at": at},
    )
    created = cursor.rowcount
    claim_addresses(cursor, at=at)
    cursor.execute(
        """
        INSERT INTO identity_identifier AS known (kind, value, customer_id, created_at)
        SELECT kind, value, customer_id, %(at)s FROM imported_customer WHERE is_new ORDER BY kind, value
        ON CONFLICT (kind, value) DO UPDATE SET kind = excluded.kind WHERE known.customer_id = excluded.customer_id
        """,
        {"at": at},
    )
    if cursor.rowcount < created:
        # an event created the same customer in the meantime: that customer stays, and ours is deleted
        cursor.execute(
            "CREATE TEMPORARY TABLE created_customer ON COMMIT DROP AS SELECT customer_id FROM imported_customer WHERE is_new"
        )
        cursor.execute(FIND_CUSTOMERS)
        cursor.execute(
            """
            DELETE FROM identity_customer WHERE id IN (
                SELECT customer_id FROM created_customer EXCEPT SELECT customer_id FROM imported_customer)
            """
        )
        created -= cursor.rowcount
    return created


def claim_addresses(cursor: CursorWrapper, *, at: datetime) -> None:
    """Transfer to the import's customers those of their email addresses that only a browser has linked to other customers."""
    cursor.execute(FIND_CLAIMED)
    claims = [ProvenClaim("email_hash", value, customer_id, "import") for value, customer_id in cursor.fetchall()]
    if claims:
        transfer_claimed(claims=claims, at=at)


def encrypt_emails(cursor: CursorWrapper, staging: Staging) -> None:
    """Set the encrypted email address of each new customer."""
    cursor.execute("SELECT key FROM imported_customer WHERE is_new AND email_hash IS NOT NULL")
    keys = pa.table({"key": build_integer_array([key for (key,) in cursor.fetchall()])})
    if not keys.num_rows:
        return
    staging.put_table("new_customers", keys)
    rows = staging.run("SELECT key, address FROM customers JOIN new_customers USING (key)")
    cursor.execute(
        "UPDATE imported_customer i SET email = e.email FROM unnest(%s::bigint[], %s::text[]) AS e(key, email) WHERE e.key = i.key",
        [[key for key, _ in rows], [encrypt(email) for _, email in rows]],
    )


def add_email_identifiers(cursor: CursorWrapper, *, at: datetime) -> None:
    """Add the email address as an identifier of customers with a user ID.

    An address that already belongs to another customer stays with that customer: an import does not merge customers.
    """
    cursor.execute(
        """
        INSERT INTO identity_identifier (kind, value, customer_id, created_at)
        SELECT DISTINCT ON (email_hash) 'email_hash', email_hash, customer_id, %(at)s
        FROM imported_customer WHERE kind = 'user_id' AND email_hash IS NOT NULL ORDER BY email_hash, key
        ON CONFLICT (kind, value) DO NOTHING
        """,
        {"at": at},
    )


def update_known_customers(cursor: CursorWrapper) -> None:
    """Widen the first and last seen times of known customers, and fill in an empty country."""
    cursor.execute(
        """
        UPDATE identity_customer c
        SET first_seen_at = least(c.first_seen_at, i.first_at), last_seen_at = greatest(c.last_seen_at, i.last_at),
            country = CASE WHEN c.country = '' THEN coalesce(i.country, '') ELSE c.country END
        FROM (SELECT customer_id, min(first_at) AT TIME ZONE 'UTC' AS first_at, max(last_at) AT TIME ZONE 'UTC' AS last_at,
                     min(country) AS country FROM imported_customer WHERE NOT is_new GROUP BY customer_id) AS i
        WHERE i.customer_id = c.id
          AND (c.first_seen_at IS NULL OR c.first_seen_at > i.first_at OR c.last_seen_at IS NULL
               OR c.last_seen_at < i.last_at OR (c.country = '' AND coalesce(i.country, '') <> ''))
        """
    )
