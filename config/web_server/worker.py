"""One web process: Granian's RSGI worker, whose threads run the WSGI application.

This module has everything that depends on parts of Granian that it does not document. Granian's RSGI worker expects an event loop that
starts a coroutine for each request. Here, the thread that would wake up the loop runs the request itself: nothing in this process is a
coroutine, and a loop would add two thread switches to each request.
"""

import logging
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Event, Lock, Semaphore
from typing import Any

from granian import _granian
from granian.server.common import WORKERS_METHODS
from granian.server.mp import WorkerProcess

from config.web_server.bodies import BodyReceiver
from config.web_server.environ import Environ, build_environ
from config.web_server.limits import ClientLimits
from config.web_server.responses import HSTS, Application, Protocol, close_connections, run_application
from config.web_server.shared_sockets import announce_when_prepared, stop_accepting

logger = logging.getLogger(__name__)

RSGIWorker: Any = _granian.RSGIWorker  # Granian's type stubs lack parameters

# Granian's threads take in requests and parts of bodies, and answer whether the process is alive. They are few, because idle ones
# look for work for a while before they sleep: with 24 of them, a call to the collector took a quarter more processor time.
INTAKE_THREADS = 2
LIVENESS_PATH = "/health/live"
# Answered from memory, in a quarter as many threads of their own: the others may all be waiting for the database.
MEMORY_PATHS = ("/api/v1/recommendations/", "/api/v1/rank/", "/api/v1/search/")
# A few other requests run where they are taken in, because most are brief: a thread switch costs half as much as a small view.
INLINE_THREADS = 4


class Scheduler(_granian.CallbackScheduler):
    """Passes each request to a function, in the thread in which Granian would schedule a coroutine."""

    def __new__(cls, loop: Any, handle: Callable[[Any], None]) -> "Scheduler":
        scheduler: Scheduler = super().__new__(cls, loop, handle, None, None, None)  # type: ignore[call-arg]
        return scheduler

    def __init__(self, loop: Any, handle: Callable[[Any], None]) -> None:
        super().__init__()
        self._schedule_fn = handle


class CallbackRunner:
    """Stands in for an event loop: runs the callbacks of Granian's futures immediately, in the calling thread."""

    def call_soon(self, callback: Callable[[Any], None], future: Any, context: Any = None) -> None:
        try:
            callback(future)
        except Exception:  # Granian would swallow it
            logger.exception("A request could not be handled")

    call_soon_threadsafe = call_soon


class ThreadLimit:
    """Limits how many requests run at the same time; further ones wait until a thread takes them over."""

    def __init__(self, threads: int) -> None:
        self._free = threads
        self._waiting: deque[tuple[Environ, Protocol]] = deque()
        self._lock = Lock()

    def enter(self, environ: Environ, protocol: Protocol) -> bool:
        """Return whether the calling thread may run the request now; otherwise the request is queued."""
        with self._lock:
            if not self._free:
                self._waiting.append((environ, protocol))
                return False
            self._free -= 1
            return True

    def leave(self) -> tuple[Environ, Protocol] | None:
        """Return the request that the calling thread runs next; None if none waits."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._free += 1
            return None


class RequestHandler:
    """Runs the application for complete requests, at most ``threads`` at the same time besides those that are answered from memory."""

    def __init__(self, application: Application, *, threads: int, limits: ClientLimits, port: int) -> None:
        """The application may have an attribute ``hsts``, the value of Strict-Transport-Security, which errors of the server need too."""
        self._application = application
        self._hsts = getattr(application, "hsts", "")
        self._bodies = BodyReceiver(limits, port=port, on_complete=self._run)
        self._memory_threads = ThreadLimit(count_memory_threads(threads))
        self._inline_threads = Semaphore(INLINE_THREADS)
        self._pool = ThreadPoolExecutor(max(threads - INLINE_THREADS, 1), thread_name_prefix="request")

    def start(self) -> None:
        self._bodies.start()

    def stop(self) -> None:
        self._bodies.stop()

    def handle(self, watcher: Any) -> None:
        """Handle a new request; Granian calls this in one of its threads, and cannot cope with an exception."""
        try:
            environ, protocol = build_environ(watcher.scope), watcher.proto
            environ[HSTS] = self._hsts
            if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
                self._bodies.receive(environ, protocol)
                return
            environ["wsgi.input"] = BytesIO()
            self._run(environ, protocol)
        except BaseException:  # even SystemExit
            logger.exception("A request could not be handled")

    def _run(self, environ: Environ, protocol: Protocol) -> None:
        """Run the application now if few requests run, otherwise in the pool, or after one of the running requests."""
        path = environ["PATH_INFO"]
        if path.startswith(MEMORY_PATHS):
            self._run_from_memory(environ, protocol)
        elif path == LIVENESS_PATH:
            self._run_application(environ, protocol)
        elif self._inline_threads.acquire(blocking=False):
            try:
                self._run_application(environ, protocol)
            finally:
                self._inline_threads.release()
        else:
            self._pool.submit(self._run_application, environ, protocol)

    def _run_from_memory(self, environ: Environ, protocol: Protocol) -> None:
        if not self._memory_threads.enter(environ, protocol):
            return
        following: tuple[Environ, Protocol] | None = (environ, protocol)
        while following is not None:
            self._run_application(*following)
            following = self._memory_threads.leave()

    def _run_application(self, environ: Environ, protocol: Protocol) -> None:
        try:
            run_application(self._application, environ, protocol)
        except BaseException:  # even SystemExit: the thread would be missing for ever
            logger.exception("A request could not be handled")


def count_memory_threads(threads: int) -> int:
    """Return how many threads answer from memory, besides ``threads`` others."""
    return max(threads // 4, 1)


def handle_signals(stop: Callable[[int, Any], None]) -> None:
    """Stop on SIGINT and SIGTERM; on SIGHUP, accept no more connections, and close each after its next response."""

    def drain(_number: int, _frame: Any) -> None:
        stop_accepting()
        close_connections()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, drain)


@WorkerProcess.wrap_target
def run_worker(
    worker_id: int,
    application: Application,
    sock: Any,
    ipc: Any,
    loop: Any,
    runtime_mode: Any,
    runtime_threads: int,
    runtime_blocking_threads: int,
    blocking_threads: int,
    blocking_threads_idle_timeout: int,
    backpressure: int,
    task_impl: Any,
    http_mode: Any,
    http1_settings: Any,
    http2_settings: Any,
    websockets: bool,
    static_path: Any,
    log_access_fmt: str | None,
    ssl_ctx: tuple[Any, ...],
    scope_opts: dict[str, Any],
    metrics: Any,
    *,
    threads: int,
    limits: ClientLimits,
    port: int,
) -> None:
    """Run a web process until a signal; the positional parameters are those of Granian's own workers.

    The application may have an attribute ``prepared``, an event that is set once it can give complete answers, for example with the model loaded.
    """
    handler = RequestHandler(application, threads=threads, limits=limits, port=port)
    stop, has_stopped = _granian.WorkerSignal(), Event()
    stop.add_cb(has_stopped.set)

    def stop_on_signal(_number: int, _frame: Any) -> None:
        handler.stop()
        stop.set()

    handle_signals(stop_on_signal)
    worker = RSGIWorker(
        worker_id,
        sock,
        ipc,
        runtime_threads,
        runtime_blocking_threads,
        INTAKE_THREADS + INLINE_THREADS + count_memory_threads(threads),
        blocking_threads_idle_timeout,
        backpressure,
        http_mode,
        http1_settings,
        http2_settings,
        websockets,
        static_path,
        *ssl_ctx,
        metrics,
    )
    handler.start()
    runner = CallbackRunner()
    serve = getattr(worker, WORKERS_METHODS[runtime_mode][(sock[0] or sock[1]).is_uds()])
    serve(Scheduler(runner, handler.handle), runner, stop)
    announce_when_prepared(getattr(application, "prepared", None))
    has_stopped.wait()
