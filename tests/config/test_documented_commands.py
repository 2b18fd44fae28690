"""Commands that the README and the docs tell a reader to type exist, with the options they are given."""

import re

import pytest
from django.core.management import get_commands, load_command_class

from config.settings import BASE_DIR

PAGES = [BASE_DIR / "README.md", *sorted((BASE_DIR / "docs").rglob("*.md"))]
COMMAND = re.compile(r"manage\.py (?P<name>[a-z_]+)(?P<rest>[^`\n#;&|]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def documented() -> list[tuple[str, str, str]]:
    """Page, command and what follows it."""
    found = [(page, one) for page in PAGES for one in COMMAND.finditer(page.read_text())]
    return sorted({(page.name, one["name"], one["rest"].strip()) for page, one in found})


@pytest.mark.parametrize(("page", "name", "rest"), documented())
def test_command_takes_what_the_page_gives_it(page: str, name: str, rest: str) -> None:
    commands = get_commands()
    assert name in commands, f"{page} names manage.py {name}, which does not exist"
    known = load_command_class(commands[name], name).create_parser("manage.py", name)._option_string_actions
    assert set(OPTION.findall(rest)) <= set(known), f"{page}: manage.py {name} {rest}"


def test_some_are_documented() -> None:
    assert len(documented()) > 10
