"""Parses the text form of expressions and boosts by recursive descent.

boosts     = boost { "," boost }                boost = expression "^" number
expression = conjunction { "or" conjunction }   conjunction = condition { "and" condition }
condition  = "not" condition | "(" expression ")" | comparison
comparison = attribute ( symbol value | ["not"] "in" "(" value { "," value } ")" | "between" value "and" value
                       | operator value | "is_set" | "is_not_set" )
"""

from django.utils.translation import gettext as _

from customers.segments.conditions.fields import OPERATORS, Operand
from customers.segments.conditions.value_parsing import format_json
from recommendations.serving.expressions.attributes import ProductAttribute
from recommendations.serving.expressions.comparison_checks import (
    MAX_BOOSTS,
    SizeCounter,
    build_comparison,
    check_factor,
    require_attribute,
    require_length,
    require_operator,
)
from recommendations.serving.expressions.expression import (
    SYMBOLS,
    Boost,
    Expression,
    ExpressionError,
    ExpressionNegation,
    ExpressionNode,
    build_expression,
    build_group,
)
from recommendations.serving.expressions.tokens import Token, TokenKind, add_position, split_tokens

OPERATOR_OF_SYMBOL = {symbol: op for op, symbol in SYMBOLS.items()} | {":": "eq"}


def parse_filter_text(text: str, counter: SizeCounter | None = None) -> Expression:
    """Return the expression of a text. Errors: ExpressionError, which names the position."""
    require_length(text)
    parser = TextParser(text, counter or SizeCounter())
    tree = parser.parse_disjunction(depth=1)
    parser.require_end(_("and, or, or the end of the expression"))
    return build_expression(tree)


def parse_boost_text(text: str) -> tuple[Boost, ...]:
    """Return the boosts of a text. Errors: ExpressionError, which names the position."""
    require_length(text)
    parser = TextParser(text, SizeCounter())
    boosts = [parser.parse_boost()]
    while parser.skip(","):
        if len(boosts) == MAX_BOOSTS:
            raise ExpressionError(_("Too many boosts; the maximum is %(most)d.") % {"most": MAX_BOOSTS})
        boosts.append(parser.parse_boost())
    parser.require_end(_("a comma or the end"))
    return tuple(boosts)


class TextParser:
    """Reads the tokens of one text from first to last."""

    def __init__(self, text: str, counter: SizeCounter) -> None:
        self.tokens = split_tokens(text)
        self.index = 0
        self.counter = counter

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.index]

    def take(self) -> Token:
        """Return the next token and move past it; the end token is never passed."""
        token = self.token
        if token.kind != TokenKind.END:
            self.index += 1
        return token

    def skip(self, word: str) -> bool:
        """Move past the next token if it is this keyword or symbol; return whether it was."""
        if self.token.word != word:
            return False
        self.index += 1
        return True

    def require(self, word: str) -> None:
        """Move past this keyword or symbol. Errors: ExpressionError."""
        if not self.skip(word):
            raise self.build_error(f"“{word}”")

    def require_end(self, expected: str) -> None:
        """Check that nothing follows. Errors: ExpressionError."""
        if self.token.kind != TokenKind.END:
            raise self.build_error(expected)

    def build_error(self, expected: str) -> ExpressionError:
        """Return an error that says what was expected instead of the next token."""
        token = self.token
        value = token.text if token.kind == TokenKind.TEXT else format_json(token.text)
        names = {"value": value, "expected": expected}
        message = _("%(value)s is not expected here; expected: %(expected)s.") % names
        if token.kind == TokenKind.END:
            message = _("The expression ends too early; expected: %(expected)s.") % names
        return add_position(ExpressionError(message), token.position)

    def parse_boost(self) -> Boost:
        tree = self.parse_disjunction(depth=1)
        self.require("^")
        token = self.take()
        try:
            return Boost(build_expression(tree), check_factor(token.value))
        except ExpressionError as error:
            raise add_position(error, token.position) from error

    def parse_disjunction(self, *, depth: int) -> ExpressionNode:
        children = [self.parse_conjunction(depth=depth)]
        while self.skip("or"):
            children.append(self.parse_conjunction(depth=depth))
        return build_group(every=False, children=children)

    def parse_conjunction(self, *, depth: int) -> ExpressionNode:
        children = [self.parse_condition(depth=depth)]
        while self.skip("and"):
            children.append(self.parse_condition(depth=depth))
        return build_group(every=True, children=children)

    def parse_condition(self, *, depth: int) -> ExpressionNode:
        token = self.token
        try:
            self.counter.require_depth(depth)
        except ExpressionError as error:
            raise add_position(error, token.position) from error
        if self.skip("not"):
            return ExpressionNegation(self.parse_condition(depth=depth + 1))
        if self.skip("("):
            tree = self.parse_disjunction(depth=depth + 1)
            self.require(")")
            return tree
        return self.parse_comparison()

    def parse_comparison(self) -> ExpressionNode:
        token = self.token
        if token.kind != TokenKind.NAME or token.word in ("and", "or", "in"):
            raise self.build_error(_("an attribute, not or an opening parenthesis"))
        self.index += 1
        position = token.position
        try:
            self.counter.add_comparison()
            attribute = require_attribute(token.text)
            position = self.token.position
            op = require_operator(attribute, self.read_operator(attribute))
            self.counter.add_operator(attribute, op)
        except ExpressionError as error:
            raise add_position(error, position) from error
        position = self.token.position
        raw = self.read_operand(op)
        try:
            return build_comparison(attribute, op, raw)
        except ExpressionError as error:
            raise add_position(error, position) from error

    def read_operator(self, attribute: ProductAttribute) -> str:
        """Return the operator by its name in JSON, and move past it."""
        token = self.token
        if token.word == "not" and self.tokens[self.index + 1].word == "in":
            self.index += 2
            return "not_in"
        if token.word in OPERATOR_OF_SYMBOL or token.word in OPERATORS:
            self.index += 1
            return OPERATOR_OF_SYMBOL.get(token.word, token.word)
        raise ExpressionError(
            _("An operator is missing after %(field)s; valid: %(operators)s.")
            % {
                "field": attribute.name,
                "operators": ", ".join(SYMBOLS.get(op, op).replace("not_in", "not in") for op in attribute.operators),
            }
        )

    def read_operand(self, op: str) -> object:
        """Return the value of an operator as JSON would write it."""
        match OPERATORS[op].takes:
            case Operand.NOTHING:
                return None
            case Operand.MANY:
                return self.read_list()
            case Operand.RANGE:
                low = self.read_value()
                self.require("and")
                return [low, self.read_value()]
        return self.read_value()

    def read_list(self) -> list[object]:
        self.require("(")
        values = [self.read_value()]
        while self.skip(","):
            values.append(self.read_value())
        if not self.skip(")"):
            raise self.build_error(_("a comma or a closing parenthesis"))
        return values

    def read_value(self) -> object:
        token = self.token
        if token.kind in (TokenKind.TEXT, TokenKind.NUMBER):
            self.index += 1
            return token.value
        if token.word in ("true", "false"):
            self.index += 1
            return token.word == "true"
        if token.kind == TokenKind.NAME:
            raise self.build_error(_("text in quotes, such as %(example)s") % {"example": format_json(token.text)})
        raise self.build_error(_("text in quotes, a number, true or false"))
