"""Rotates the values of all tables to the first keys: in parts, by several processes, and from where an interrupted run ended."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from multiprocessing.context import ForkProcess

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import Count, Q
from django.utils import timezone

from config.encryption_keys.models import HashTranslation, KeyRotation, RotationPart
from config.encryption_keys.ranges import ROWS_PER_PART, list_ranges
from config.encryption_keys.reencryption import PartResult, get_field_keys, list_encrypted_tables, reencrypt_part
from config.encryption_keys.rehashing import rehash_part
from config.foundation.keys.key_columns import list_hashed_columns
from config.foundation.keys.key_ids import compute_key_id
from config.foundation.progress import Progress, ignore_progress

Step = RotationPart.Step
ROUNDS = 20  # for rows that other programs keep locked
PAUSE_SECONDS = 0.5
# the next open part that no other process works on
CLAIM = """
SELECT id FROM encryption_keys_rotationpart WHERE rotation_id = %s AND step = %s AND done_at IS NULL AND NOT id = ANY(%s)
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class RotationError(Exception):
    """A rotation did not end; the text says what to do."""


def find_open_rotation() -> KeyRotation | None:
    """Return the rotation to the current keys that has not ended."""
    return KeyRotation.objects.filter(
        field_key_id=compute_key_id(settings.FIELD_KEYS[0]),
        hash_key_id=compute_key_id(settings.HASH_KEYS[0]),
        finished_at=None,
    ).first()


def start_rotation(*, now: datetime, rows_per_part: int = ROWS_PER_PART) -> KeyRotation:
    """Return the open rotation to the current keys, or a new one with its parts; rotations to other keys are abandoned."""
    with transaction.atomic():
        if rotation := find_open_rotation():
            return rotation
        KeyRotation.objects.filter(finished_at=None).delete()
        HashTranslation.objects.all().delete()
        rotation = KeyRotation.objects.create(
            field_key_id=compute_key_id(settings.FIELD_KEYS[0]),
            hash_key_id=compute_key_id(settings.HASH_KEYS[0]),
            started_at=now,
        )
        RotationPart.objects.bulk_create(plan_parts(rotation, rows_per_part))
    return rotation


def plan_parts(rotation: KeyRotation, rows_per_part: int) -> Iterator[RotationPart]:
    """Yield the parts of a rotation; hashes come last, after all columns with plain values."""
    for table in list_encrypted_tables():
        for low, high in list_ranges(table.model, rows_per_part=rows_per_part):
            yield RotationPart(rotation=rotation, step=Step.ENCRYPT, model=table.model, low=low, high=high)
    if len(settings.HASH_KEYS) > 1:
        for column in list_hashed_columns():
            for low, high in list_ranges(column.model, rows_per_part=rows_per_part):
                yield RotationPart(
                    rotation=rotation, step=Step.HASH, model=column.model, column=column.column, low=low, high=high
                )


def run_rotation(
    rotation: KeyRotation, *, processes: int = 1, progress: Progress = ignore_progress, now: Callable[[], datetime]
) -> None:
    """Rotate all open parts. Errors: RotationError, after which the next run continues."""
    for step in (Step.ENCRYPT, Step.HASH):
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE encryption_keys_hashtranslation")
        for _round in range(ROUNDS):
            run_step(rotation, step, processes=processes, progress=progress, now=now)
            if not rotation.parts.filter(step=step, done_at=None).exists():
                break
            time.sleep(PAUSE_SECONDS)
        else:
            raise RotationError("Some rows stay locked by other programs. Run rotate_keys again; it continues.")
    HashTranslation.objects.all().delete()
    rotation.finished_at = now()
    rotation.save(update_fields=["finished_at"])


def run_step(
    rotation: KeyRotation, step: str, *, processes: int, progress: Progress, now: Callable[[], datetime]
) -> None:
    """Work on the open parts of a step once, in this process or in several."""
    if processes == 1 or rotation.parts.filter(step=step, done_at=None).count() < processes:
        for _part in work(rotation.pk, step, now=now):
            report(rotation, progress)
        return
    context = multiprocessing.get_context("fork")  # a new Python process would take seconds to start
    close_connections()
    workers = [context.Process(target=work_in_process, args=(rotation.pk, str(step))) for _number in range(processes)]
    for worker in workers:
        worker.start()
    try:
        wait_for_workers(workers, lambda: report(rotation, progress))
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def wait_for_workers(workers: list[ForkProcess], each_second: Callable[[], None]) -> None:
    """Wait until all processes have ended. Errors: RotationError if one failed."""
    while any(worker.is_alive() for worker in workers):
        for worker in workers:
            worker.join(PAUSE_SECONDS / len(workers))
        each_second()
    if any(worker.exitcode for worker in workers):
        raise RotationError("A process of the rotation ended unexpectedly. Run rotate_keys again; it continues.")


def work_in_process(rotation_id: int, step: str) -> None:
    """Work on open parts in a separate process."""
    for _part in work(rotation_id, step, now=timezone.now):
        pass


def close_connections() -> None:
    """Close all connections and the threads that keep them, which no new process may share."""
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]


def work(rotation_id: int, step: str, *, now: Callable[[], datetime]) -> Iterator[int]:
    """Rotate one open part after the other, each in a transaction; yield the number of rows of each."""
    keys = get_field_keys()
    tables = {table.model: table for table in list_encrypted_tables()}
    columns = {(column.model, column.column): column for column in list_hashed_columns()}
    seen: list[int] = []
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(CLAIM, [rotation_id, step, seen])
                row = cursor.fetchone()
            if row is None:
                return
            part = RotationPart.objects.get(pk=row[0])
            seen.append(part.pk)
            if step == Step.ENCRYPT:
                result = reencrypt_part(tables[part.model], part.low, part.high, keys)
            else:
                result = rehash_part(columns[part.model, part.column], part.low, part.high)
            save_result(part, result, at=now())
        yield result.rows


def save_result(part: RotationPart, result: PartResult, *, at: datetime) -> None:
    part.rows, part.changed = result.rows, part.changed + result.changed
    part.done_at = at if result.is_complete else None
    part.save(update_fields=["rows", "changed", "done_at"])


def report(rotation: KeyRotation, progress: Progress) -> None:
    done, total = count_parts(rotation)
    progress(done, total)


def count_parts(rotation: KeyRotation) -> tuple[int, int]:
    """Return how many parts are done, and how many there are."""
    counts = rotation.parts.aggregate(done=Count("id", filter=Q(done_at__isnull=False)), total=Count("id"))
    return counts["done"], counts["total"]


def count_default_processes() -> int:
    return max(min(len(os.sched_getaffinity(0)), 4), 1)
