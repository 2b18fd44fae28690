"""Starts Python programs by forking a process that has Django set up: in a tenth of a second instead of three.

Run as ``python -m tests.fork_server PATH``; it listens on a Unix socket until its standard input ends. A request is the program and its
environment as JSON, with the descriptors of its standard streams; the replies are its process id and, when it has ended, its status.
"""

import atexit
import json
import os
import selectors
import socket
import struct
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

LENGTH = struct.Struct("<I")
STATUS = struct.Struct("<i")
PRELOADED = ("customers.processing.pipeline", "customers.warehouse.export", "customers.lifecycle.refresh.nightly")


def main(path: str) -> None:
    import importlib

    import django

    django.setup()
    for module in PRELOADED:
        importlib.import_module(module)
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(path)
        listener.listen()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _events in selector.select():
                if key.fileobj is listener:
                    start_program(listener.accept()[0], selector)
                elif key.data is None:
                    return
                else:
                    end_program(key, selector)


def start_program(connection: socket.socket, selector: selectors.BaseSelector) -> None:
    """Fork the program of a request."""
    header, streams, _flags, _address = socket.recv_fds(connection, LENGTH.size, 3)
    (length,) = LENGTH.unpack(header)
    request = json.loads(connection.recv(length, socket.MSG_WAITALL))
    with warnings.catch_warnings():
        # the other thread is one of Arrow's allocator, which expects forks
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        for key in selector.get_map().values():
            if key.fileobj != sys.stdin.fileno():
                os.close(key.fd)
        selector.close()
        connection.close()
        run_program(request, streams)
    for stream in streams:
        os.close(stream)
    connection.sendall(STATUS.pack(pid))
    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))


def end_program(key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
    """Report the status of a program that has ended."""
    pid, connection = key.data
    selector.unregister(key.fileobj)
    assert isinstance(key.fileobj, int)
    os.close(key.fileobj)
    _pid, status = os.waitpid(pid, 0)
    with connection, suppress(BrokenPipeError):  # nobody waits for it
        connection.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def run_program(request: dict[str, Any], streams: list[int]) -> None:
    """Run a program in this process, and end it as the interpreter does."""
    status = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environment"])
        reload_settings()
        exec(compile(request["program"], "<program>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else error.code is not None
    except BaseException:  # noqa: BLE001 — every error is reported
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for the program's threads
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def reload_settings() -> None:
    """Read the settings from the environment of the program."""
    import importlib

    from django.conf import settings
    from django.db import connections

    from config import settings as module

    known = connections._connections  # type: ignore[attr-defined]
    for alias in connections:
        if hasattr(known, alias):  # none is open
            delattr(known, alias)
    vars(connections).pop("settings", None)
    connections._settings = None  # type: ignore[attr-defined]
    for name, value in vars(importlib.reload(module)).items():
        if name.isupper():
            setattr(settings, name, value)


if __name__ == "__main__":
    main(sys.argv[1])
    Path(sys.argv[1]).unlink(missing_ok=True)
