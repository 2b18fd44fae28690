"""The search snapshot of a worker, which a thread refreshes every second.

No request waits for the database. One process builds the whole index and saves it below MODELS_DIR; the others map its
arrays, and each reads later changes itself. The web server opens it before it forks its workers, whose threads build nothing:
a separate process does, so that its work does not delay requests.
"""

import logging
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from django.db import DatabaseError, close_old_connections, connection

from catalog.fingerprint import UNKNOWN_CHANGES, RecentChanges
from catalog.models import Product
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.database.wait_limits import limit_database_wait, stop_limiter
from recommendations.serving.search.index.builder import INDEX_LOCK, IndexBuilder
from recommendations.serving.search.index.product_reader import read_changes, read_products, read_recent_changes
from recommendations.serving.search.index.product_texts import ProductTexts
from recommendations.serving.search.index.storage import open_product_texts, read_pointer, save_product_texts
from recommendations.serving.search.index.warm_up import warm_up_kernels
from recommendations.serving.search.order.weights import load_order_weights
from recommendations.serving.search.queries.shop_queries import (
    ShopQueries,
    load_shop_queries,
    read_query_fingerprint,
)
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import search
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.search.synonym_table import SynonymTable, load_synonyms, read_fingerprint
from recommendations.serving.state.loader import StateLoader, loader
from recommendations.serving.state.pauses import exclude_from_collections, pause_for_requests

REFRESH_INTERVAL_S = 1.0
COUNT_INTERVAL_S = 30.0
MAX_WAIT_S = 5.0  # limit for the first request of a process, while the products are read
MAX_PRELOADED = 20_000  # products whose index is built before the fork, which delays the start
logger = logging.getLogger(__name__)


class SearchNotReadyError(Exception):
    """The products have not been read yet."""

    def __init__(self) -> None:
        super().__init__("The search index is loading; try again in a few seconds.")


class Searcher:
    """Holds the search snapshot of this process. Threads share it; it is replaced as a whole.

    source: holds the catalog whose rows the results use. background: if False, the calling thread refreshes after REFRESH_INTERVAL_S.
    builder: builds the index in another process; without one, this process does.
    """

    def __init__(
        self, *, source: StateLoader = loader, background: bool = True, builder: IndexBuilder | None = None
    ) -> None:
        self.source = source
        self.background = background
        self.builder = builder
        self.snapshot: SearchSnapshot | None = None
        self.prepared: SearchSnapshot | None = None  # loaded before the fork, until the first refresh
        self.ready = threading.Event()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.refreshed_at = self.counted_at = float("-inf")
        self.known_changes: RecentChanges = UNKNOWN_CHANGES
        self.loaded_name = ""

    def get_snapshot(self, *, now: datetime) -> SearchSnapshot:
        """Return the current snapshot. Raises SearchNotReadyError."""
        if self.background:
            self.start()
            if self.snapshot is None:
                self.ready.wait(MAX_WAIT_S)
        elif time.monotonic() - self.refreshed_at > REFRESH_INTERVAL_S:
            with self.lock:
                self.refresh(now=now)
        if self.snapshot is None:
            raise SearchNotReadyError
        return self.snapshot

    def preload(self, *, now: datetime) -> None:
        """Open the saved index, or build that of a small catalog, in the process from which the workers are forked.

        `StateLoader.preload` comes first.
        """
        try:
            with self.lock, limit_database_wait():
                self.prepared = self._prepare(now)
        except Exception:
            logger.exception("The search index could not be loaded before the start; each worker loads it")
        finally:
            # as after `StateLoader.preload`
            stop_limiter()
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own

    def _prepare(self, now: datetime) -> SearchSnapshot | None:
        """Return the first snapshot; None if a worker has to start the build of a large catalog."""
        saved, state = read_pointer(), self.source.prepared
        is_saved = saved is not None and open_product_texts(saved) is not None
        if state is None or not (is_saved or Product.objects.count() <= MAX_PRELOADED):
            return None
        texts = self.refresh_texts(None)
        if texts is None:
            return None
        texts.index.warm_up()
        return SearchSnapshot.build(
            texts, state, load_synonyms(), shop_queries=load_shop_queries(), order=load_order_weights()
        )

    def start(self) -> None:
        """Start the refresh thread unless it is running.

        Called when a worker starts, or by its first request.
        """
        if self.thread is None or not self.thread.is_alive():
            with self.lock:
                # again inside the lock: another thread may have started it meanwhile
                if self.thread is None or not self.thread.is_alive():
                    self.stopping.clear()
                    self.thread = threading.Thread(target=self.run, name="search-refresh", daemon=True)
                    self.thread.start()

    def stop(self) -> None:
        """Stop the thread; the snapshot stays."""
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()

    def run(self) -> None:
        """Refresh in a loop; after a failure, keep the present snapshot."""
        while not self.stopping.is_set():
            try:
                close_old_connections()
                self.refresh(now=datetime.now(UTC))
            except DatabaseError as error:
                logger.warning("The search index could not be refreshed and stays as it is: %s", error)
            except Exception:
                logger.exception("The search index could not be refreshed and stays as it is")
            self.stopping.wait(REFRESH_INTERVAL_S)
        connection.close()

    def refresh(self, *, now: datetime) -> None:
        """Read changes of products, synonyms, queries, weights and catalog, and replace the snapshot if there are any."""
        self.refreshed_at = time.monotonic()
        before = self.snapshot or self.prepared
        texts = self.refresh_texts(before.texts if before is not None else None)
        if texts is None:
            return
        if before is None or before.texts.index is not texts.index:
            texts.index.warm_up(pause_for_requests)
        synonyms = self.refresh_synonyms(before.synonyms if before is not None else None)
        queries = self.refresh_queries(before.shop_queries if before is not None else None)
        state = self.source.get_state(now=now)
        snapshot = SearchSnapshot.build(
            texts,
            state,
            synonyms,
            before=before,
            shop_queries=queries,
            order=load_order_weights(),
            pause=pause_for_requests,
        )
        if self.snapshot is None:
            warm_up_search(snapshot)
        is_other = self.snapshot is None or (self.snapshot.texts, self.snapshot.state) != (texts, state)
        self.snapshot, self.prepared = snapshot, None
        self.ready.set()
        if is_other and self.thread is threading.current_thread():
            exclude_from_collections()

    def refresh_synonyms(self, present: SynonymTable | None) -> SynonymTable:
        """Return the current synonyms; read again only if they changed."""
        if present is not None and present.fingerprint == read_fingerprint():
            return present
        return load_synonyms()

    def refresh_queries(self, present: ShopQueries | None) -> ShopQueries:
        """Return the queries of the shop; read again only if they were learned again."""
        if present is not None and present.fingerprint == read_query_fingerprint():
            return present
        return load_shop_queries()

    def refresh_texts(self, present: ProductTexts | None) -> ProductTexts | None:
        """Return the product texts with all changes, unless another process is building them.

        None while another process builds them for the first time.
        """
        saved = read_pointer()
        if saved is not None and saved["name"] != self.loaded_name:
            self.loaded_name = saved[
                "name"
            ]  # set even for a damaged index, which would be opened every second otherwise
            opened = open_product_texts(saved)
            if opened is not None and is_up_to_date(opened, present):
                present, self.known_changes = opened, UNKNOWN_CHANGES
        builder = self.get_builder()
        if builder is not None and builder.is_running:
            return present  # the saved index will have the changes
        if present is None:
            if builder is None:
                return self.build_texts()
            builder.start()
            return None
        updated = self.read_changed_texts(present, builder)
        needs_rebuild = False
        if time.monotonic() - self.counted_at > COUNT_INTERVAL_S:
            self.counted_at = time.monotonic()
            # a restored backup, for example, adds products with an old change time
            needs_rebuild = updated is not None and (updated.needs_rebuild or Product.objects.count() > len(updated))
        if updated is None or ((needs_rebuild or updated.needs_merge) and builder is not None):
            assert builder is not None
            builder.start()
            return updated or present
        if needs_rebuild:
            return self.build_texts() or updated
        return (self.save_merged_texts(updated) or updated) if updated.needs_merge else updated

    def get_builder(self) -> IndexBuilder | None:
        """Return what builds the index in another process; None if this one does."""
        return self.builder if self.builder is not None and self.builder.is_available else None

    def read_changed_texts(self, present: ProductTexts, builder: IndexBuilder | None) -> ProductTexts | None:
        """Return the texts with all changes; None if so many words changed that the builder should read them."""
        # the last minute is read again only if something in it has changed: one cheap query per second
        changes = read_recent_changes(present.changed_until)
        if changes == self.known_changes:
            return present
        updated, n_new = present, 0
        for batch in read_changes(since=present.changed_until, known=present.find_known, pause=pause_for_requests):
            n_new += present.count_new_words(batch)
            if builder is not None and n_new > present.max_changed:
                return None
            updated = updated.with_batch(batch, pause=pause_for_requests)
        # Only a summary from before the reading: a later one may contain a change that was not read. If the newest change is another one,
        # the summary is of another minute, and the next refresh reads its changes again.
        self.known_changes = changes if updated.changed_until == present.changed_until else UNKNOWN_CHANGES
        return updated

    def build_index(self) -> ProductTexts | None:
        """Save an index of all products in one segment; None while another process saves one."""
        texts = self.refresh_texts(None)
        if texts is None or len(texts.index.segments) == 1:
            return texts
        return self.save_merged_texts(texts)

    def build_texts(self) -> ProductTexts | None:
        """Read all products and save the index; None while another process does so."""
        try:
            # only one process builds; the others open what it saves at their next refresh
            with exclusive_lock(INDEX_LOCK):
                self.counted_at = time.monotonic()
                texts = ProductTexts.create_empty()
                for batch in read_products(pause=pause_for_requests):
                    texts = texts.with_batch(batch, pause=pause_for_requests)
                texts = replace(texts.merge(), measured_products=len(texts))
                self.known_changes = UNKNOWN_CHANGES  # products may have changed since they were read
                return self.write_texts(texts)
        except AlreadyRunningError:
            return None

    def save_merged_texts(self, texts: ProductTexts) -> ProductTexts | None:
        """Merge the texts and save them for all processes; None while another process saves."""
        try:
            with exclusive_lock(INDEX_LOCK):
                return self.write_texts(texts.merge())
        except AlreadyRunningError:
            return None

    def write_texts(self, texts: ProductTexts) -> ProductTexts:
        """Save and reopen the texts, so that all processes share the same memory.

        If they cannot be saved, return them unchanged.
        """
        try:
            saved = save_product_texts(texts)
        except OSError as error:
            logger.warning("The search index cannot be saved; this process keeps its own copy: %s", error)
            return texts
        self.loaded_name = saved["name"]
        return open_product_texts(saved) or texts


def is_up_to_date(opened: ProductTexts, present: ProductTexts | None) -> bool:
    """Return whether a saved index is at least as recent as the present one."""
    if present is None or present.changed_until is None:
        return True
    return opened.changed_until is not None and opened.changed_until >= present.changed_until


def warm_up_search(snapshot: SearchSnapshot) -> None:
    """Search a few times, so that code is compiled and memory is mapped before the first visitor."""
    warm_up_kernels()
    catalog = snapshot.catalog
    title = next((card.title for card in catalog.cards if card is not None), "")
    equal_scores = np.ones(catalog.n, np.float32)
    for query in ("a warm kettel 热水", title, title[:-1], ""):
        request = SearchRequest(query, price_min=Decimal(0), language="en")
        search(
            request, snapshot=snapshot, personal_scores=equal_scores.__getitem__, popularity=equal_scores.__getitem__
        )
    snapshot.texts.index.count_completions("a")


searcher = Searcher()
