"""A process with Django that runs the functions of a module by name: each start of Django takes seconds, so a test starts few."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import django

from config import settings as project_settings


class CommandProcess:
    """Runs ``python -m module`` and calls its commands: arguments and results are JSON, a line each."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=project_settings.BASE_DIR,
            env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, command: str, *arguments: Any) -> Any:
        """Run a command and return its result; the process has written the error if it ended instead."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{command} failed; its error is in the captured output"
        return json.loads(line)

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


def serve_commands(functions: Iterable[Callable[..., Any]]) -> None:
    """Set Django up, and run the commands that arrive."""
    django.setup()
    commands = {function.__name__: function for function in functions}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(commands[name](*arguments)), flush=True)
