#!/usr/bin/env python3
"""Django's command line. Starts the embedded servers first if no others are configured."""

import os
import signal
import sys

if sys.version_info < (3, 12):  # noqa: UP036 — `python3` is often older than required
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"Perennial needs Python 3.12 or later, but this is {version}. Use .venv/bin/python (`make demo` creates it)."
    )

# they write source code or static files, which others may read
COMMANDS_WITH_PUBLIC_FILES = {
    "collectstatic",
    "compilemessages",
    "generate_client",
    "makemessages",
    "makemigrations",
    "startapp",
    "startproject",
}
# they report servers that cannot be reached, with everything else
COMMANDS_THAT_CHECK_SERVERS = {"doctor"}
COMMANDS_WITHOUT_SERVERS = {
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "generate_client",
    "help",
    "makemessages",
    "simulate",
    "spectacular",
    "startapp",
    "startproject",
    "version",
}


def needs_servers(arguments: list[str]) -> bool:
    """Return whether the command uses PostgreSQL or Valkey. `check` does so only for its database checks."""
    if not arguments or arguments[0].startswith("-") or {"-h", "--help"} & set(arguments):
        return False
    if arguments[0] == "check":
        return any(argument.startswith("--database") for argument in arguments)
    return arguments[0] not in COMMANDS_WITHOUT_SERVERS


def exit_on_signal(number: int, frame: object) -> None:
    """Exit on a signal that would end the process immediately, so that it stops the servers first."""
    sys.exit(128 + number)


def set_server_urls() -> None:
    """Set DATABASE_URL and VALKEY_URL for this process and its children. Errors: ServerError."""
    given = {name: os.environ.get(name, "").strip() for name in ("DATABASE_URL", "VALKEY_URL")}
    for name, url in given.items():
        if url and not COMMANDS_THAT_CHECK_SERVERS & set(sys.argv[1:2]):
            check_address(name, url)
    if all(given.values()):
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, exit_on_signal)
    addresses = ensure_servers(postgres=not given["DATABASE_URL"], valkey=not given["VALKEY_URL"])
    if addresses.postgres:
        os.environ["DATABASE_URL"] = addresses.postgres
    if addresses.valkey:
        os.environ["VALKEY_URL"] = addresses.valkey


try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from config.embedded.servers import ServerError, check_address, ensure_servers
    from config.foundation.files.private_files import keep_new_files_private
except ImportError as error:
    sys.exit(f"{error}. Run .venv/bin/python manage.py; `make demo` creates .venv and installs the dependencies.")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not COMMANDS_WITH_PUBLIC_FILES & set(sys.argv[1:2]):
        keep_new_files_private()
    try:
        if needs_servers(sys.argv[1:]):
            set_server_urls()
        execute_from_command_line(sys.argv)
    except (ServerError, ImproperlyConfigured) as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


if __name__ == "__main__":
    main()
