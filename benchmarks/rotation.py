"""The rotation of the encryption key and the hash key of a shop, on an embedded PostgreSQL in a temporary folder.

    python -m benchmarks.rotation [--customers N] [--processes N] [--folder F]

Each customer has a name, an email, a phone number and a birthday that are encrypted, an encrypted trait, and three identifiers, two of which
are keyed hashes; one in fifty addresses is suppressed. rotate_s: the whole rotation, values_per_s: encrypted values and hashes ÷ rotate_s,
rows_per_s: customers ÷ rotate_s; check_s: reading all values and counting those of each key. cipher_floor_s: decryption and encryption of as
many values in memory, by one process; library_floor_s: the same by MultiFernet.rotate of the library; update_floor_s: COPY of the customers'
new columns into a temporary table, and one UPDATE of all customers from it. ratio: rotate_s ÷ (cipher_floor_s + update_floor_s). growth:
rotate_s per customer ÷ that of a shop of a quarter of the size. peak_mb: of the largest process. unread: values that the new key alone cannot
read afterwards; it must be 0.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import get_peak_mb, log

CHUNK = 50_000
SAMPLE = 20_000
FLOOR_BLOCK = 1 << 20
CUSTOMER_COLUMNS = ("name", "email", "phone", "birthday", "traits")
HASHES = 2  # of a customer


def main() -> None:
    arguments = parse_arguments()
    with run_embedded_servers("rotation", report=log, folder=arguments.folder):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        small = rotate_shop(arguments.customers // 4, arguments.processes)
        figures = rotate_shop(arguments.customers, arguments.processes)
        per_customer = figures["rotate_s"] / arguments.customers
        figures["growth"] = round(per_customer / (small["rotate_s"] / (arguments.customers // 4)), 2)
        figures["load_before"] = round(os.getloadavg()[0], 1)
        print(json.dumps(figures))
        connection.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000, metavar="N")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="keep the database here")
    arguments = parser.parse_args()
    if arguments.customers < 1_000:
        parser.error("--customers must be at least 1000")
    return arguments


def rotate_shop(customers: int, processes: int) -> dict[str, Any]:
    """Make a shop, rotate both of its keys, and return the figures."""
    from django.conf import settings
    from django.utils import timezone

    from config.encryption_keys.counts import count_key_uses
    from config.encryption_keys.key_files import add_new_keys, find_older_uses
    from config.encryption_keys.rotation import run_rotation, start_rotation

    started = time.perf_counter()
    make_customers(customers)
    log(f"{customers:,} customers in {time.perf_counter() - started:.0f} s")
    update_floor_s = measure_update_floor()
    cipher_floor_s, library_floor_s = measure_cipher_floors(customers)
    add_new_keys()
    started = time.perf_counter()
    run_rotation(start_rotation(now=timezone.now()), processes=processes, now=timezone.now)
    rotate_s = time.perf_counter() - started
    log(f"rotated in {rotate_s:.1f} s; floors {cipher_floor_s:.1f} s and {update_floor_s:.1f} s")
    started = time.perf_counter()
    uses = count_key_uses(at=timezone.now())
    values = sum(use.values_count for use in uses)
    unread = sum(use.values_count for use in find_older_uses(uses))
    return {
        "customers": customers,
        "processes": processes,
        "rotate_s": round(rotate_s, 1),
        "rows_per_s": round(customers / rotate_s),
        "values_per_s": round(values / rotate_s),
        "check_s": round(time.perf_counter() - started, 1),
        "cipher_floor_s": round(cipher_floor_s, 1),
        "library_floor_s": round(library_floor_s, 1),
        "update_floor_s": round(update_floor_s, 1),
        "ratio": round(rotate_s / (cipher_floor_s + update_floor_s), 2),
        "peak_mb": round(max(get_peak_mb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)),
        "unread": unread,
        "keys": len(settings.FIELD_KEYS),
    }


def make_customers(customers: int) -> None:
    """Write a new shop under the current keys by COPY."""
    from django.conf import settings
    from django.db import connection, transaction

    from config.foundation.keys.fernet_batches import encrypt_texts, open_key
    from customers.identity.consent.append_only import allow_ledger_changes
    from customers.identity.personal_data.hashing import compute_keyed_hash

    key = open_key(settings.FIELD_KEYS[0])
    with transaction.atomic(), allow_ledger_changes(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE identity_customer, identity_identifier, sending_suppression CASCADE")
        for start in range(1, customers + 1, CHUNK):
            ids = range(start, min(start + CHUNK, customers + 1))
            emails, phones = [f"customer{n}@shop.example" for n in ids], [f"+49151{n:08}" for n in ids]
            texts = [[f"Ann Example {n}" for n in ids], emails, phones, [f"19{n % 90 + 10}-05-17" for n in ids]]
            sealed = [encrypt_texts([text.encode() for text in column], key) for column in texts]
            traits = encrypt_texts([b'{"value":"Ulm"}' for _n in ids], key)
            with cursor.copy(
                "COPY identity_customer (id, created_at, name, email, phone, birthday, language, country, traits) FROM STDIN"
            ) as copy:
                for n, row in zip(ids, zip(*sealed, traits, strict=True), strict=True):
                    copy.write_row(
                        (n, "2026-01-01", *row[:4], "en", "DE", json.dumps({"size": n, "city": {"$sealed": row[4]}}))
                    )
            hashes = [
                (compute_keyed_hash(email), compute_keyed_hash(phone))
                for email, phone in zip(emails, phones, strict=True)
            ]
            with cursor.copy("COPY identity_identifier (kind, value, customer_id, created_at) FROM STDIN") as copy:
                for n, (email, phone) in zip(ids, hashes, strict=True):
                    copy.write_row(("user_id", f"u{n}", n, "2026-01-01"))
                    copy.write_row(("email_hash", email, n, "2026-01-01"))
                    copy.write_row(("phone_hash", phone, n, "2026-01-01"))
            with cursor.copy(
                "COPY sending_suppression (kind, value_hash, reason, source, added_at) FROM STDIN"
            ) as copy:
                for email, _phone in hashes[::50]:
                    copy.write_row(("email", email, "manual", "", "2026-01-01"))
        cursor.execute("ANALYZE identity_customer, identity_identifier, sending_suppression")


def measure_update_floor() -> float:
    """Return the seconds of a COPY of all encrypted columns and one UPDATE with the same values."""
    from django.db import connection

    columns = ", ".join(CUSTOMER_COLUMNS)
    with (
        connection.cursor() as cursor,
        TemporaryFile() as rows,
    ):  # in a file, so that the memory peak is that of the rotation
        with cursor.copy(f"COPY (SELECT id, {columns} FROM identity_customer) TO STDOUT") as copy:
            rows.writelines(copy)
        rows.seek(0)
        started = time.perf_counter()
        cursor.execute(f"CREATE TEMPORARY TABLE floor AS SELECT id, {columns} FROM identity_customer LIMIT 0")
        with cursor.copy(f"COPY floor (id, {columns}) FROM STDIN") as copy:
            while block := rows.read(FLOOR_BLOCK):
                copy.write(block)
        assignments = ", ".join(f"{column} = floor.{column}" for column in CUSTOMER_COLUMNS)
        cursor.execute(f"UPDATE identity_customer c SET {assignments} FROM floor WHERE c.id = floor.id")
        seconds = time.perf_counter() - started
        cursor.execute("DROP TABLE floor")
        cursor.execute("VACUUM identity_customer")
    return seconds


def measure_cipher_floors(customers: int) -> tuple[float, float]:
    """Return the seconds to rotate as many values in memory: in batches, and by the library; measured on a sample."""
    from cryptography.fernet import Fernet, MultiFernet

    from config.foundation.keys.fernet_batches import encrypt_texts, open_key, reencrypt_tokens

    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    tokens = encrypt_texts([f"customer{n}@shop.example".encode() for n in range(SAMPLE)], open_key(old))
    scale = customers * len(CUSTOMER_COLUMNS) / SAMPLE
    started = time.perf_counter()
    reencrypt_tokens(tokens, [open_key(new), open_key(old)])
    batches = time.perf_counter() - started
    cipher = MultiFernet([Fernet(new), Fernet(old)])
    started = time.perf_counter()
    for token in tokens:
        cipher.rotate(token)
    return batches * scale, (time.perf_counter() - started) * scale


if __name__ == "__main__":
    main()
