"""The rules of naming and layout, each violated in a small repository."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from config.code_rules import CodeLimits, find_problems, read_limits

LIMITS = CodeLimits(
    banned_words=["becomes of", "foretold"], banned_names=["asked"], max_modules_per_folder=2, max_function_lines=5
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one module that breaks no rule."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    write(tmp_path, "catalog/prices.py", "class Price:\n    pass\n\n\ndef read_price():\n    return Price()\n")
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_tidy_tree_has_no_problems(tree: Path) -> None:
    assert find_problems(LIMITS, tree) == []


@pytest.mark.parametrize("path", ["catalog/about.html", "docs/about.md", "catalog/locale/django.po", "tests/test_a.py"])
def test_a_banned_word_is_reported_with_its_line(tree: Path, path: str) -> None:
    write(tree, path, "\nWhat Becomes Of it, and words\n")
    assert find_problems(LIMITS, tree) == [
        f"{path}:2: the word 'Becomes Of' is not used in this project, see docs/glossary.md"
    ]


def test_part_of_a_longer_word_is_no_banned_word(tree: Path) -> None:
    write(tree, "docs/about.md", "unforetoldable\n")
    assert find_problems(LIMITS, tree) == []


def test_a_class_name_defined_twice_is_reported_with_both_modules(tree: Path) -> None:
    write(tree, "customers/prices.py", "class Price:\n    pass\n")
    assert find_problems(LIMITS, tree) == [
        "catalog/prices.py, customers/prices.py: the class name Price is defined 2 times"
    ]


def test_commands_and_nested_classes_may_share_a_name(tree: Path) -> None:
    for room in ("catalog", "customers"):
        write(tree, f"{room}/commands.py", "class Command:\n    class Meta:\n        pass\n")
    write(tree, "customers/models.py", "class Order:\n    class Meta:\n        pass\n")
    assert find_problems(LIMITS, tree) == []


def test_a_banned_name_is_reported_as_function_and_as_method(tree: Path) -> None:
    write(
        tree, "customers/people.py", "def asked():\n    pass\n\n\nclass Person:\n    def asked(self):\n        pass\n"
    )
    assert [problem.split(": ")[0] for problem in find_problems(LIMITS, tree)] == [
        "customers/people.py:1",
        "customers/people.py:6",
    ]


def test_a_long_function_is_reported_but_its_docstring_does_not_count(tree: Path) -> None:
    body = '    """Line one.\n\n    Line three.\n    """\n    a = 1\n    b = 2\n    c = 3\n'
    write(tree, "catalog/sums.py", f"def add():\n{body}    return a\n")
    assert find_problems(LIMITS, tree) == []
    write(tree, "catalog/sums.py", f"def add():\n{body}    d = 4\n    return a\n")
    assert find_problems(LIMITS, tree) == ["catalog/sums.py:1: add() has 6 lines (at most 5)"]


def test_a_full_folder_is_reported_and_migrations_are_not(tree: Path) -> None:
    for number in range(3):
        write(tree, f"customers/migrations/000{number}.py", "")
    write(tree, "catalog/b.py", "")
    write(tree, "catalog/__init__.py", "")
    assert find_problems(LIMITS, tree) == []
    write(tree, "catalog/c.py", "")
    assert find_problems(LIMITS, tree) == ["catalog/: 3 modules (at most 2); group them into packages"]


def test_the_limits_of_this_project_can_be_read() -> None:
    limits = read_limits()
    assert limits.max_modules_per_folder == 15
    assert "foretold" in limits.banned_words


def test_a_slow_package_is_imported_only_by_functions(tree: Path) -> None:
    inside = "def fit():\n    from sklearn import tree\n\n    return tree\n"
    write(
        tree,
        "catalog/trees.py",
        f"import scipy.stats\nfrom sklearn.tree import Tree\nfrom sklearns import x\n\n\n{inside}",
    )
    write(tree, "catalog/prices.py", "import pandas\n")
    limits = replace(LIMITS, slow_imports=["sklearn", "scipy.stats", "pandas"], slow_modules=["catalog/prices.py"])
    advice = "takes a second to import; import it in the function that needs it"
    assert find_problems(limits, tree) == [
        f"catalog/trees.py:1: scipy.stats {advice}", f"catalog/trees.py:2: sklearn.tree {advice}",
    ]  # fmt: skip


def test_numbers_with_decimals_are_rounded_and_not_cut(tree: Path) -> None:
    write(
        tree,
        "catalog/numbers.py",
        "a = number_format(1.5)\nb = number_format(1.99, 1)\nc = number_format(1.99, decimal_pos=1)\n",
    )
    assert [problem.split(": ")[0] for problem in find_problems(LIMITS, tree)] == [
        "catalog/numbers.py:2",
        "catalog/numbers.py:3",
    ]
