"""Draws the card of a product as PNG: image, title and price on white, which stays readable in dark mode."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps

from recommendations.messaging.cards.fonts import Font, choose_font

WIDTH = 520  # shown at 260, sharp on phones
PICTURE = 520
MARGIN = 24
TITLE_SIZE, PRICE_SIZE = 30, 32
LINE_HEIGHT = 40
TITLE_LINES = 2
HEIGHT = PICTURE + TITLE_LINES * LINE_HEIGHT + LINE_HEIGHT + 2 * MARGIN
INK, PRICE_INK, PAPER = "#1f2937", "#4b5563", "#ffffff"
COLORS = 256
MAX_TITLE = 200
MAX_PIXELS = 20_000_000


@lru_cache(maxsize=128)
def draw_card(*, picture: bytes, title: str, price: str) -> bytes:
    """Return a card. picture: an image of any format. Texts that no font of the server can show are left out.

    Errors: OSError if the picture cannot be read.
    """
    card = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    card.paste(read_picture(picture), (0, 0))
    draw = ImageDraw.Draw(card)
    top = PICTURE + MARGIN
    font = choose_font(title, size=TITLE_SIZE)
    for line in wrap_title(title[:MAX_TITLE], font) if font else []:
        draw.text((WIDTH / 2, top), line, font=font, fill=INK, anchor="ma")
        top += LINE_HEIGHT
    bold = choose_font(price, size=PRICE_SIZE, is_bold=True)
    if bold:
        draw.text((WIDTH / 2, top + 4), price, font=bold, fill=PRICE_INK, anchor="ma")
    output = BytesIO()
    card.quantize(COLORS).save(output, "PNG", optimize=True)
    return output.getvalue()


def read_picture(data: bytes) -> Image.Image:
    """Return the picture, fitted into the square of the card. Errors: OSError; also for more than `MAX_PIXELS`."""
    try:
        with Image.open(BytesIO(data)) as image:
            # Before anything is decoded: a file of 11 kB can have 88 million pixels, of which each copy takes 350 MB.
            if image.width * image.height > MAX_PIXELS:
                raise OSError(
                    f"The picture has {image.width} × {image.height} pixels; at most {MAX_PIXELS:,} are read."
                )
            image.draft("RGB", (PICTURE, PICTURE))
            image.thumbnail((2 * PICTURE, 2 * PICTURE))  # so that the copies below are small
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, SyntaxError, ValueError) as error:
        raise OSError(str(error)) from error
    fitted = ImageOps.contain(upright, (PICTURE, PICTURE))
    square = Image.new("RGBA", (PICTURE, PICTURE), PAPER)
    square.alpha_composite(fitted, ((PICTURE - fitted.width) // 2, (PICTURE - fitted.height) // 2))
    return square.convert("RGB")


def wrap_title(title: str, font: Font) -> list[str]:
    """Return the lines of a title; Chinese breaks between any characters, the last line ends with "…" if there is more."""
    lines = [""]
    for word in split_words(title):
        if font.getlength(f"{lines[-1]}{word}".rstrip()) <= WIDTH - 2 * MARGIN:
            lines[-1] += word
        else:
            lines.append(word.lstrip())
    lines = [fit_line(line.strip(), font) for line in lines if line.strip()]
    if len(lines) > TITLE_LINES:
        lines = [*lines[: TITLE_LINES - 1], fit_line(f"{lines[TITLE_LINES - 1]}…", font)]
    return lines


def split_words(text: str) -> list[str]:
    """Return the parts between which a line may break: words with the space before them, and single Chinese characters."""
    words: list[str] = []
    for character in text:
        is_wide = character >= "\u2e80"
        if not words or is_wide or character.isspace() or words[-1][-1] >= "\u2e80":
            words.append(character)
        else:
            words[-1] += character
    return words


def fit_line(line: str, font: Font) -> str:
    """Return a line that fits, cut with "…" if it is too long."""
    if font.getlength(line) <= WIDTH - 2 * MARGIN:
        return line
    text = line.rstrip("…")
    while text and font.getlength(f"{text}…") > WIDTH - 2 * MARGIN:
        text = text[:-1]
    return f"{text.rstrip()}…"
