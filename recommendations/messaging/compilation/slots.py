"""Placeholders that pass through the MJML compiler: letters and digits that occur nowhere else in the source."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from recommendations.messaging.mjml.problems import SourceError, SourceProblem, find_position
from recommendations.messaging.substitution.fragments import Fragment, Getter
from recommendations.messaging.substitution.variables import (
    VARIABLE,
    Variable,
    VariableError,
    build_getter,
    parse_variable,
)

type Wrap = Callable[[Getter], Getter]


@dataclass(frozen=True)
class SlotSource:
    """What a placeholder stands for: a variable, or a getter of the project's own blocks. `is_markup`: it is HTML already."""

    getter: Getter
    variable: Variable | None = None
    is_markup: bool = False


@dataclass
class SlotTable:
    """The placeholders of one source."""

    nonce: str
    slots: list[SlotSource] = field(default_factory=list)
    numbers: dict[Variable, int] = field(default_factory=dict)

    @classmethod
    def for_source(cls, source: str) -> "SlotTable":
        return cls(f"v{sha256(source.encode(errors='surrogatepass')).hexdigest()[:10]}x")

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{self.nonce}(\d+)z")

    def add(self, getter: Getter, *, is_markup: bool = False) -> str:
        """Return the placeholder of a getter."""
        self.slots.append(SlotSource(getter, is_markup=is_markup))
        return f"{self.nonce}{len(self.slots) - 1}z"

    def add_variable(self, variable: Variable) -> str:
        if variable not in self.numbers:
            self.numbers[variable] = len(self.slots)
            self.slots.append(SlotSource(build_getter(variable), variable))
        return f"{self.nonce}{self.numbers[variable]}z"

    def list_variables(self) -> list[Variable]:
        return list(self.numbers)

    def replace_variables(self, text: str) -> str:
        """Return a text with its variables replaced by placeholders. Errors: SourceError with every wrong variable."""
        problems: list[SourceProblem] = []

        def replace(match: re.Match[str]) -> str:
            try:
                return self.add_variable(parse_variable(match[1]))
            except VariableError as error:
                problems.append(SourceProblem(*find_position(text, match.start()), str(error)))
                return ""

        replaced = VARIABLE.sub(replace, text)
        if problems:
            raise SourceError(problems)
        return replaced

    def build_fragment(self, text: str, wrap: Wrap) -> Fragment:
        """Return the fragment of a text with placeholders. wrap: escapes the getter of a variable for its place."""
        fragment, end, wrapped = Fragment(), 0, {}
        for match in self.pattern.finditer(text):
            fragment.add(text[end : match.start()])
            number = int(match[1])
            if number not in wrapped:
                slot = self.slots[number]
                wrapped[number] = slot.getter if slot.is_markup else wrap(slot.getter)
            fragment.add(wrapped[number])
            end = match.end()
        fragment.add(text[end:])
        return fragment
