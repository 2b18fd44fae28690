"""Splits the text of an expression into tokens, in one pass over its characters."""

from enum import StrEnum
from typing import NamedTuple

from django.utils.translation import gettext as _

from customers.segments.conditions.value_parsing import MAX_NUMBER, format_json
from recommendations.serving.expressions.attributes import CATALOG_PREFIX
from recommendations.serving.expressions.expression import ExpressionError, is_name_character

QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}  # Chinese quotes are what Chinese keyboards type
FULL_WIDTH = str.maketrans("（），：＜＞＝！＾", "(),:<>=!^")
SYMBOL_PAIRS = ("<=", ">=", "!=", "==")
SYMBOL_CHARACTERS = "(),:<>=^"
MAX_DIGITS = 40


class TokenKind(StrEnum):
    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    SYMBOL = "symbol"
    END = "end"


class Token(NamedTuple):
    """A part of an expression. value: of a text or number; position: of its first character, from 1."""

    kind: TokenKind
    text: str
    value: str | int | float
    position: int

    @property
    def word(self) -> str:
        """The keyword or symbol in lower case; "" for a text or number."""
        return self.text.lower() if self.kind in (TokenKind.NAME, TokenKind.SYMBOL) else ""


def add_position(error: ExpressionError, position: int) -> ExpressionError:
    """Return the error with the position where it is."""
    return ExpressionError(_("Position %(position)d: %(problem)s") % {"position": position, "problem": error})


def split_tokens(text: str) -> list[Token]:
    """Return the tokens of a text, the last one of the kind END. Errors: ExpressionError."""
    tokens: list[Token] = []
    start = 0
    while start < len(text):
        if text[start].isspace():
            start += 1
            continue
        try:
            token, start = read_token(text, start)
        except ExpressionError as error:
            raise add_position(error, start + 1) from error
        tokens.append(token)
    return [*tokens, Token(TokenKind.END, "", "", len(text) + 1)]


def read_token(text: str, start: int) -> tuple[Token, int]:
    """Return the token that begins at an index, and the index after it."""
    letter = text[start]
    if letter in QUOTES:
        value, end = read_quoted(text, start)
        return Token(TokenKind.TEXT, text[start:end], value, start + 1), end
    pair = text[start : start + 2].translate(FULL_WIDTH)
    if pair in SYMBOL_PAIRS:
        return Token(TokenKind.SYMBOL, "=" if pair == "==" else pair, "", start + 1), start + 2
    symbol = letter.translate(FULL_WIDTH)
    if symbol in SYMBOL_CHARACTERS:
        return Token(TokenKind.SYMBOL, symbol, "", start + 1), start + 1
    if "0" <= letter <= "9" or (letter == "-" and "0" <= text[start + 1 : start + 2] <= "9"):
        return read_number(text, start)
    if letter.isalpha() or letter == "_":
        return read_name(text, start)
    raise ExpressionError(
        _("%(value)s is not expected; put text in quotes, and join conditions with and, or, not.")
        % {"value": format_json(letter)}
    )


def read_quoted(text: str, start: int) -> tuple[str, int]:
    """Return the text in quotes that begins at an index; a backslash makes the next character part of it."""
    closing = QUOTES[text[start]]
    letters: list[str] = []
    position = start + 1
    while position < len(text):
        letter = text[position]
        if letter == closing:
            return "".join(letters), position + 1
        if letter == "\\":
            position += 1
            letter = text[position : position + 1]
        letters.append(letter)
        position += 1
    raise ExpressionError(
        _("The quote %(quote)s is not closed; add %(closing)s.") % {"quote": text[start], "closing": closing}
    )


def read_number(text: str, start: int) -> tuple[Token, int]:
    """Return the number that begins at an index, such as 20, -0.5 or 19.90."""
    end = start + 1
    while end < len(text) and is_name_character(text[end]):
        end += 1
    written = text[start:end]
    digits = written.removeprefix("-").replace(".", "", 1)
    is_number = digits.isascii() and digits.isdigit() and written[-1] != "." and len(written) <= MAX_DIGITS
    if not is_number or not abs(float(written)) < MAX_NUMBER:
        raise ExpressionError(
            _("%(value)s is not a number; use a format like 19.90, and put texts and dates in quotes.")
            % {"value": format_json(written)}
        )
    return Token(TokenKind.NUMBER, written, float(written) if "." in written else int(written), start + 1), end


def read_name(text: str, start: int) -> tuple[Token, int]:
    """Return the name or keyword that begins at an index; an attribute of the catalog may be in quotes."""
    end = start + 1
    while end < len(text) and is_name_character(text[end]):
        end += 1
    name = text[start:end]
    if name == CATALOG_PREFIX and text[end : end + 1] in tuple(QUOTES):
        rest, end = read_quoted(text, end)
        name += rest
    return Token(TokenKind.NAME, name, "", start + 1), end
