"""Checks the rules of naming and layout that no other tool checks; the lists and limits are in `pyproject.toml`.

Run by `make check` as `python -m config.code_rules`.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("catalog", "config", "customers", "recommendations")
TEXT_SUFFIXES = (".css", ".html", ".js", ".md", ".po", ".py", ".sh", ".svg", ".toml", ".yml")


@dataclass(frozen=True)
class CodeLimits:
    """The limits of `[tool.perennial.code_rules]`.

    banned_words: regular expressions that match whole words, in any case, in every text file but `unchecked_files`.
    banned_names: public functions, methods and classes must not have one of these names.
    slow_imports: packages that take a second to import, which only the functions that need them import.
    slow_modules: modules that import one nevertheless, and are imported only by functions.
    """

    banned_words: Sequence[str]
    banned_names: Sequence[str]
    max_modules_per_folder: int
    max_function_lines: int
    unchecked_files: Sequence[str] = field(default_factory=tuple)
    slow_imports: Sequence[str] = field(default_factory=tuple)
    slow_modules: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Definition:
    """A class or function of a module."""

    name: str
    path: str
    line: int
    lines: int
    is_class: bool
    is_top_level: bool


def read_limits(pyproject: Path = ROOT / "pyproject.toml") -> CodeLimits:
    """Read the limits from `pyproject.toml`."""
    return CodeLimits(**tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["perennial"]["code_rules"])


def list_files(root: Path = ROOT) -> list[str]:
    """List the text files that Git tracks or would track, as paths below the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(path for path in set(tracked) if path.endswith(TEXT_SUFFIXES) and (root / path).is_file())


def find_banned_words(files: Sequence[str], limits: CodeLimits, root: Path = ROOT) -> Iterator[str]:
    """Report every line that contains a banned word."""
    pattern = re.compile(rf"\b({'|'.join(limits.banned_words)})\b", re.IGNORECASE)
    for path in files:
        if path in limits.unchecked_files:
            continue
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), start=1):
            if match := pattern.search(line):
                yield f"{path}:{number}: the word {match[0]!r} is not used in this project, see docs/glossary.md"


def read_definitions(path: str, root: Path = ROOT) -> Iterator[Definition]:
    """Yield the classes and functions of a module, methods and nested ones included."""
    tree = ast.parse((root / path).read_text(encoding="utf-8"))
    top_level = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield Definition(
                name=node.name,
                path=path,
                line=node.lineno,
                lines=_count_lines(node),
                is_class=isinstance(node, ast.ClassDef),
                is_top_level=node in top_level,
            )


def _count_lines(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring, which may contain a long formula."""
    first = node.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def find_bad_definitions(definitions: Sequence[Definition], limits: CodeLimits) -> Iterator[str]:
    """Report class names that are defined twice, banned names and functions that are too long."""
    modules = defaultdict(set)
    for definition in definitions:
        if (
            definition.is_class and definition.is_top_level and definition.name != "Command"
        ):  # Django finds commands by this name
            modules[definition.name].add(definition.path)
        if definition.name in limits.banned_names:
            yield f"{definition.path}:{definition.line}: {definition.name!r} does not say what it does; see docs/glossary.md"
        if not definition.is_class and definition.lines > limits.max_function_lines:
            yield f"{definition.path}:{definition.line}: {definition.name}() has {definition.lines} lines (at most {limits.max_function_lines})"
    for name, paths in sorted(modules.items()):
        if len(paths) > 1:
            yield f"{', '.join(sorted(paths))}: the class name {name} is defined {len(paths)} times"


def find_full_folders(modules: Sequence[str], limits: CodeLimits) -> Iterator[str]:
    """Report folders with too many modules; packages below them are counted separately."""
    counts: dict[str, int] = defaultdict(int)
    for path in modules:
        counts[PurePosixPath(path).parent.as_posix()] += PurePosixPath(path).name != "__init__.py"
    for folder, count in sorted(counts.items()):
        if count > limits.max_modules_per_folder:
            yield f"{folder}/: {count} modules (at most {limits.max_modules_per_folder}); group them into packages"


def find_slow_imports(modules: Sequence[str], limits: CodeLimits, root: Path = ROOT) -> Iterator[str]:
    """Report modules that import a slow package: each of Perennial's processes would start a second later."""
    for path in modules:
        if path in limits.slow_modules:
            continue
        for node in ast.parse((root / path).read_text(encoding="utf-8")).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if slow := [
                name for name in names if f"{name}.".startswith(tuple(f"{slow}." for slow in limits.slow_imports))
            ]:
                yield f"{path}:{node.lineno}: {slow[0]} takes a second to import; import it in the function that needs it"


def find_cut_numbers(modules: Sequence[str], root: Path = ROOT) -> Iterator[str]:
    """Report calls of Django's number_format with a number of decimals: it cuts further digits off instead of rounding."""
    for path in modules:
        for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "number_format"):
                continue
            if len(node.args) > 1 or any(keyword.arg == "decimal_pos" for keyword in node.keywords):
                yield f"{path}:{node.lineno}: number_format() cuts decimals off; use format_decimals() of number_formats.py"


def find_problems(limits: CodeLimits, root: Path = ROOT) -> list[str]:
    """Return one line for each violation of the rules."""
    files = list_files(root)
    modules = [
        path
        for path in files
        if path.endswith(".py")
        and path.startswith(tuple(f"{name}/" for name in PRODUCT))
        and "/migrations/" not in path
    ]
    definitions = [definition for path in modules for definition in read_definitions(path, root)]
    return [
        *find_banned_words(files, limits, root),
        *find_bad_definitions(definitions, limits),
        *find_full_folders(modules, limits),
        *find_slow_imports(modules, limits, root),
        *find_cut_numbers(modules, root),
    ]


def main() -> int:
    problems = find_problems(read_limits())
    print("\n".join(problems) or "All rules of naming and layout are met.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
