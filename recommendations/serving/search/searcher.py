"""Keeps what a worker searches in current: a thread looks for news every second, and no request ever waits for the database.

One process puts the whole together and saves it below MODELS_DIR; the others map these arrays, and each reads what changed since.
"""

import json
import logging
import os
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from catalog.models import Product
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive
from recommendations.serving.search.product_reader import lately, read_changes, read_products
from recommendations.serving.search.snapshot import Snapshot, Texts
from recommendations.serving.search.synonym_table import SynonymTable, fingerprint, load_synonyms
from recommendations.serving.state.loader import Loader, loader
from recommendations.training.registry.artifacts import Artifact, DamagedArtifactError, open_artifact, save_artifact

LOOK_EVERY_SECONDS = 1.0
COUNT_EVERY_SECONDS = 30.0
WAIT_SECONDS = 5.0  # of the first request of a process, while the texts are read
POINTER = "current.json"
LOCK = "search index"
logger = logging.getLogger(__name__)


class NotReadyError(Exception):
    """The products have not been read yet."""

    def __init__(self) -> None:
        super().__init__("The search is reading the products; try again in a few seconds.")


class Searcher:
    """Holds the snapshot that this process searches. Threads share it; one of its own replaces it.

    source: holds the catalogue, whose rows are what answers are made of. background: False looks for news in the calling thread
    instead, where LOOK_EVERY_SECONDS have passed.
    """

    def __init__(self, *, source: Loader = loader, background: bool = True) -> None:
        self.source = source
        self.background = background
        self.snapshot: Snapshot | None = None
        self.ready = threading.Event()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.looked_at = self.counted_at = float("-inf")
        self.known_lately: tuple[int, datetime | None] = (-1, None)
        self.loaded_name = ""

    def current(self, *, now: datetime) -> Snapshot:
        """What to search in. Raises NotReadyError."""
        if self.background:
            self.start()
            if self.snapshot is None:
                self.ready.wait(WAIT_SECONDS)
        elif time.monotonic() - self.looked_at > LOOK_EVERY_SECONDS:
            with self.lock:
                self.look(now=now)
        if self.snapshot is None:
            raise NotReadyError
        return self.snapshot

    def start(self) -> None:
        """Starts the thread that looks for news, unless it runs; called when a worker starts, or by its first request."""
        if self.thread is None or not self.thread.is_alive():
            with self.lock:
                if self.thread is None or not self.thread.is_alive():
                    self.stopping.clear()
                    self.thread = threading.Thread(target=self.follow, name="search-refresh", daemon=True)
                    self.thread.start()

    def stop(self) -> None:
        """Ends the thread; the snapshot stays."""
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()

    def follow(self) -> None:
        """The thread: looks, and after a failure goes on with what there is."""
        while not self.stopping.is_set():
            try:
                close_old_connections()
                self.look(now=datetime.now(UTC))
            except DatabaseError as error:
                logger.warning("Search goes on with the products it knows: %s", error)
            except Exception:
                logger.exception("Search could not be refreshed and goes on with what it has")
            self.stopping.wait(LOOK_EVERY_SECONDS)
        connection.close()

    def look(self, *, now: datetime) -> None:
        """Reads what changed in products, synonyms and catalogue, and replaces the snapshot if anything did."""
        self.looked_at = time.monotonic()
        before = self.snapshot
        texts = self.texts_now(before.texts if before is not None else None)
        if texts is None:
            return
        synonyms = self.synonyms_now(before.synonyms if before is not None else None)
        snapshot = Snapshot.of(texts, self.source.current(now=now), synonyms, before=before)
        if before is None:
            warm_up(snapshot)
        self.snapshot = snapshot
        self.ready.set()

    def synonyms_now(self, present: SynonymTable | None) -> SynonymTable:
        if present is not None and present.fingerprint == fingerprint():
            return present
        return load_synonyms()

    def texts_now(self, present: Texts | None) -> Texts | None:
        """The texts with all that is known now; None while another process reads them for the first time."""
        saved = read_pointer()
        if saved is not None and saved["name"] != self.loaded_name:
            self.loaded_name = saved["name"]  # also where it is of no use, so that it is not tried every second
            opened = open_texts(saved)
            if opened is not None and is_as_new(opened, present):
                present, self.known_lately = opened, (-1, None)
        if present is None:
            return self.built()
        found = lately(present.known_until)
        if found != self.known_lately:
            for read in read_changes(since=present.known_until, known=present.knows):
                present = present.with_read(read)
            self.known_lately = lately(present.known_until)
        if time.monotonic() - self.counted_at > COUNT_EVERY_SECONDS:
            self.counted_at = time.monotonic()
            # products of a backup that was put back, say, did not change lately
            if present.outgrown or Product.objects.count() > len(present):
                return self.built() or present
        return (self.saved(present.merged()) or present) if present.much_changed else present

    def built(self) -> Texts | None:
        """Everything read anew and saved; None while another process does that."""
        try:
            with exclusive(LOCK):
                self.counted_at = time.monotonic()
                texts = Texts.empty()
                for read in read_products():
                    texts = texts.with_read(read, pause=breathe)
                texts = replace(texts.merged(), measured=len(texts))
                self.known_lately = lately(texts.known_until)
                return self.write(texts)
        except AlreadyRunningError:
            return None

    def saved(self, texts: Texts) -> Texts | None:
        """The same after it was saved for all; None while another process saves."""
        try:
            with exclusive(LOCK):
                return self.write(texts)
        except AlreadyRunningError:
            return None

    def write(self, texts: Texts) -> Texts:
        """Saves and opens again, so that the arrays of all processes are the same memory; without a disk it stays as it is."""
        try:
            saved = save_texts(texts)
        except OSError as error:
            logger.warning("The search index cannot be saved, this process keeps its own: %s", error)
            return texts
        self.loaded_name = saved["name"]
        return open_texts(saved) or texts


def is_as_new(opened: Texts, present: Texts | None) -> bool:
    """Whether what another process has saved knows no less than what is there."""
    if present is None or present.known_until is None:
        return True
    return opened.known_until is not None and opened.known_until >= present.known_until


def breathe() -> None:
    """Lets requests in while the products are read."""
    time.sleep(0)


def warm_up(snapshot: Snapshot) -> None:
    """Searches once, so that compiled code and memory pages are there before the first visitor is."""
    snapshot.texts.index.search("a warm kettel 热水")


def folder() -> Path:
    return Path(settings.MODELS_DIR) / "search"


def read_pointer() -> dict[str, str] | None:
    """Name and checksum of what was saved last."""
    try:
        return json.loads((folder() / POINTER).read_text())
    except (OSError, ValueError):
        return None


def open_texts(saved: dict[str, str]) -> Texts | None:
    try:
        return Texts.of_artifact(open_artifact(folder=folder() / saved["name"], checksum=saved["checksum"]))
    except (DamagedArtifactError, KeyError) as error:
        logger.error("The saved search index cannot be used: %s", error)
        return None


def save_texts(texts: Texts) -> dict[str, str]:
    """Saves the texts under a new name, points to it, and removes those before the last."""
    name = f"texts-{time.time_ns()}"
    artifact: Artifact = texts.artifact()
    saved = {"name": name, "checksum": save_artifact(folder=folder() / name, artifact=artifact)}
    draft = folder() / f".{POINTER}.{os.getpid()}"
    draft.write_text(json.dumps(saved))
    draft.replace(folder() / POINTER)
    for old in sorted(folder().glob("texts-*"))[:-2]:
        remove(old)
    return saved


def remove(old: Path) -> None:
    """A folder that no process opens any more; who has it mapped keeps its pages."""
    for file in old.iterdir():
        file.unlink(missing_ok=True)
    old.rmdir()


searcher = Searcher()
