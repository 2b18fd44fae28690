"""The fonts of product cards: Inter, which comes with the back office, and a Chinese font of the server if it has one."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from PIL import ImageFont

type Font = ImageFont.FreeTypeFont

LATIN = "unfold/fonts/inter/Inter-{weight}.woff2"
# (file, number of the face in a collection): Noto on Linux (Debian: fonts-noto-cjk), WenQuanYi, macOS, Windows
CHINESE = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-{weight}.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-{weight}.ttc", 2),
    ("/usr/share/fonts/google-noto-cjk/NotoSansCJK-{weight}.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/System/Library/Fonts/PingFang.ttc", 0),
    ("/System/Library/Fonts/STHeiti Medium.ttc", 0),
    ("C:/Windows/Fonts/msyh.ttc", 0),
)
UNASSIGNED = "\U0010fffe"  # no font has a glyph for it, so it is drawn as the box for missing ones


def choose_font(text: str, *, size: int, is_bold: bool = False) -> Font | None:
    """Return a font that has every character of a text; None without one."""
    return next((font for font in load_fonts(size, is_bold) if has_glyphs(font, text)), None)


@lru_cache(maxsize=16)
def load_fonts(size: int, is_bold: bool) -> Sequence[Font]:
    """Load the fonts of this server, that of the setting ``CARD_FONT`` first."""
    weights = ("Bold", "SemiBold") if is_bold else ("Regular",)
    latin = next((path for weight in weights if (path := finders.find(LATIN.format(weight=weight)))), None)
    files = [(settings.CARD_FONT, 0)] if settings.CARD_FONT else []
    files += [(str(latin), 0)] if latin else []
    files += [(name.format(weight=weights[0]), face) for name, face in CHINESE]
    return [font for file, face in files if (font := load_font(file, face, size)) is not None]


def load_font(file: str, face: int, size: int) -> Font | None:
    """Return a font of a file; None if it cannot be read."""
    if not Path(file).is_file():
        return None
    try:
        return ImageFont.truetype(file, size, index=face)
    except OSError:
        return None


def has_glyphs(font: Font, text: str) -> bool:
    """Return whether a font has a glyph for each character."""
    missing = draw_glyph(font, UNASSIGNED)
    return all(character.isspace() or draw_glyph(font, character) != missing for character in set(text))


@lru_cache(maxsize=20_000)
def draw_glyph(font: Font, character: str) -> tuple[bytes, tuple[int, int]]:
    mask = font.getmask(character)
    return bytes(mask), mask.size
