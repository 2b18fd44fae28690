"""``python -m config.web_server``: serves a WSGI application until a signal; ``manage.py up`` starts it."""

import argparse
import gc
import logging
import resource
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings

from config.foundation.files.private_files import keep_new_files_private
from config.web_server.limits import ClientLimits
from config.web_server.shared_sockets import SharedSocketServer
from config.web_server.worker import run_worker

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048  # of one process; further ones wait until others close
HEADER_SECONDS = 10.0  # for the headers of a request, and for the next request of a connection
STOP_SECONDS = 25  # longer than a statement of the database may take
DRAIN_SECONDS = HEADER_SECONDS + 1  # after which every connection was used once more, or has timed out
RESPAWN_SECONDS = 1.0  # between the starts of workers that crashed
SPARE_FILES = 512


def main() -> None:
    arguments = parse_arguments()
    keep_new_files_private()
    raise_file_limit(MAX_CONNECTIONS + SPARE_FILES)
    limits = ClientLimits(
        connections_per_address=arguments.connections_per_address,
        body_seconds=arguments.body_seconds,
        bodies_per_address=arguments.bodies_per_address,
    )
    server = SharedSocketServer(
        arguments.application,
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.RSGI,
        workers=arguments.workers,
        runtime_mode=RuntimeModes.mt,
        websockets=False,
        http=HTTPModes.http1,  # in the other modes, a connection that sends nothing stays open for ever
        http1_settings=HTTP1Settings(header_read_timeout=int(arguments.header_seconds * 1000)),
        backpressure=MAX_CONNECTIONS,
        workers_kill_timeout=STOP_SECONDS,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        descriptors=arguments.sockets,
        drain_seconds=arguments.drain_seconds,
    )
    preload_application(arguments.application)
    server.serve(
        partial(run_worker, threads=arguments.threads, limits=limits, port=arguments.port),
        target_loader=start_application,
    )


def preload_application(target: str) -> None:
    """Import the application and call the function ``preload`` of its module, if it has one, before the workers are forked.

    So this happens once, and the workers share the memory.
    """
    module = import_module(target.partition(":")[0])
    preload = getattr(module, "preload", None)
    if preload is not None:
        preload()
    if names := [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]:
        logger.warning("Threads of the application that will not run in the workers: %s", ", ".join(names))
    gc.collect()
    gc.freeze()  # the garbage collector of a worker would write to the shared memory, which copies it


def start_application(target: str) -> Callable[..., Any]:
    """Return the application in a worker, after calling the function ``start_worker`` of its module, if it has one."""
    module_name, _, name = target.partition(":")
    module = import_module(module_name)
    start_worker = getattr(module, "start_worker", None)
    if start_worker is not None:
        start_worker()
    application: Callable[..., Any] = getattr(module, name or "application")
    return application


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.web_server", description=__doc__)
    parser.add_argument("application", help="module:name of the WSGI application")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--sockets",
        type=lambda text: [int(number) for number in text.split(",") if number],
        default=[],
        help="numbers of inherited listening sockets, separated by commas; the port is then theirs",
    )
    parser.add_argument(
        "--drain-seconds", type=float, default=DRAIN_SECONDS, help="between SIGHUP and the end, for open connections"
    )
    parser.add_argument("--workers", type=int, default=2, help="number of processes")
    parser.add_argument(
        "--threads",
        type=int,
        default=16,
        help="requests that a process handles at the same time, besides those answered from memory",
    )
    parser.add_argument(
        "--header-seconds", type=float, default=HEADER_SECONDS, help="time for the headers of a request"
    )
    parser.add_argument(
        "--body-seconds",
        type=float,
        default=ClientLimits.body_seconds,
        help="time for a body, longer if much of it arrives",
    )
    parser.add_argument(
        "--connections-per-address",
        type=int,
        default=ClientLimits.connections_per_address,
        help="open connections of one address to a process",
    )
    parser.add_argument(
        "--bodies-per-address",
        type=int,
        default=ClientLimits.bodies_per_address,
        help="slow unfinished bodies of one address in a process",
    )
    return parser.parse_args()


def raise_file_limit(wanted: int) -> None:
    """Let the process open this many files, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


if __name__ == "__main__":
    main()
