"""Every management command in the README and the docs exists and has the documented options."""

import re

import pytest
from django.core.management import get_commands, load_command_class

from config.settings import BASE_DIR

PAGES = [BASE_DIR / "README.md", *sorted((BASE_DIR / "docs").rglob("*.md"))]
COMMAND = re.compile(r"manage\.py (?P<name>[a-z_]+)(?P<rest>[^`\n#;&|]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def list_documented_commands() -> list[tuple[str, str, str]]:
    """Return page, command and the rest of the line of every documented command."""
    matches = [(page, match) for page in PAGES for match in COMMAND.finditer(page.read_text())]
    return sorted({(page.name, match["name"], match["rest"].strip()) for page, match in matches})


@pytest.mark.parametrize(("page", "name", "rest"), list_documented_commands())
def test_a_documented_command_accepts_its_options(page: str, name: str, rest: str) -> None:
    commands = get_commands()
    assert name in commands, f"{page} names manage.py {name}, which does not exist"
    options = load_command_class(commands[name], name).create_parser("manage.py", name)._option_string_actions
    assert set(OPTION.findall(rest)) <= set(options), f"{page}: manage.py {name} {rest}"


def test_some_commands_are_documented() -> None:
    assert len(list_documented_commands()) > 10
