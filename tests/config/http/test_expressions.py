"""The back office evaluates the expressions of its pages without ``eval``; run by Node, skipped without it."""

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

NODE = shutil.which("node")
SCRIPT = Path(settings.BASE_DIR) / "config/static/backoffice/expressions.js"
PROGRAM = """
global.document = { addEventListener() {} };
global.window = global;
Function.prototype.constructor = undefined;
require(process.argv[1]);
const scope = { a: 1, list: [1, 2, 3], o: { n: 2, f() { return this.n + 1; } }, add(n) { this.a += n; return this.a; } };
const results = JSON.parse(require("fs").readFileSync(0)).map((text) => {
  try { return [window.perennialExpressions.evaluate(text, scope)]; } catch (error) { return [null, error.name]; }
});
process.stdout.write(JSON.stringify(results));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def evaluate(*expressions: str) -> list[list[Any]]:
    assert NODE is not None
    result = subprocess.run(
        [NODE, "--disallow-code-generation-from-strings", "-e", PROGRAM, str(SCRIPT)],
        input=json.dumps(expressions),
        capture_output=True,
        text=True,
        check=True,
    )
    results: list[list[Any]] = json.loads(result.stdout)
    return results


def test_expressions_have_the_values_of_javascript() -> None:
    cases = {
        "a == 1 && 'yes' || 'no'": "yes",
        "{'rotate-0': a === 1, open: !a, a}": {"rotate-0": True, "open": False, "a": 1},
        "`${list[1] + 1}px ${`(${a})`}`": "3px (1)",
        "o.f() + o?.n + (nothing?.n ?? 5)": 10,
        "['h3', 'strong'].includes('h3') && (a = 7)": 7,
        "a += 2; a": 9,
        "if (a > 100) { a = 1 } else { a = Math.min(4, Math.max(2, a)); }": 4,
        "add(6)": 10,
        "a++ ; a": 11,
        "list.length > 2 ? 'it\\'s' : -1": "it's",
        "-1 + 2 * 3 % 4": 1,
        "typeof a": "number",
        "new Date(0).getTime()": 0,
        "list.map((item, i) => item * i).concat(list.filter(n => n > 2))": [0, 2, 6, 3],
        "const b = a; const c = function (ev) { a = ev + b; }; c(2); a": 13,
    }
    assert evaluate("var_ = undefined", *(text.replace("nothing", "var_") for text in cases))[1:] == [
        [value] for value in cases.values()
    ]


def test_code_cannot_be_reached() -> None:
    attempts = [
        "a.constructor",
        "''['const' + 'ructor']",
        "({}).__proto__",
        "{__proto__: a}",
        "(() => a).constructor",
        "function () { return a }",
        "const constructor = a",
        "a b",
        "1 +",
        "`${a",
        "unknown",
        "eval('1')",
        "Function('return 1')()",
        "new Function('return 1')()",
    ]
    assert [text for text, result in zip(attempts, evaluate(*attempts), strict=True) if len(result) == 1] == []


def test_all_expressions_of_the_templates_can_be_read() -> None:
    """Django's tags stand for words in them, so only those without tags are checked."""
    expressions = set()
    for path in Path(str(files("unfold"))).rglob("*.html"):
        attributes = re.findall(
            r"\sx-(?:on|bind|show|data|init|text|model)[\w:.-]*=\"([^\"{]*(?:\{[^{%][^\"]*)?)\"", path.read_text()
        )
        expressions.update(text for text in attributes if "{{" not in text and "{%" not in text)
    assert len(expressions) > 80
    failures = [
        text
        for text, result in zip(sorted(expressions), evaluate(*sorted(expressions)), strict=True)
        if result[1:] == ["SyntaxError"]
    ]
    assert failures == []
