"""The snippets make tokens that are valid."""

import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from customers.events.sources.token_snippets import build_token_snippets
from customers.events.sources.user_tokens import is_valid_user_token

KEY = "ut_of_the_test"
SNIPPETS = {snippet.language: snippet.code for snippet in build_token_snippets(token_key=KEY)}
# language → program and what follows the snippet
RUNS = {
    "python": (["python3", "-c"], "print(create_user_token('customer-42'))"),
    "node": (["node", "-e"], "console.log(createUserToken('customer-42'))"),
    "php": (["php", "-r"], "echo create_user_token('customer-42');"),
    "ruby": (["ruby", "-e"], "puts create_user_token('customer-42')"),
}


def test_there_is_a_snippet_in_five_languages() -> None:
    assert list(SNIPPETS) == ["python", "php", "node", "ruby", "go"]
    assert all(KEY in code for code in SNIPPETS.values())


@pytest.mark.parametrize("language", RUNS)
def test_a_snippet_makes_a_valid_token(language: str) -> None:
    command, call = RUNS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    code = f"{SNIPPETS[language].removeprefix('<?php')}\n{call}"
    output = subprocess.run([*command, code], check=True, capture_output=True, text=True).stdout.strip()
    assert is_valid_user_token(output, user_id="customer-42", keys=[KEY], now=datetime.now(UTC))
