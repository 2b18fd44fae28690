"""The tints of a brand color, each as light as the same tint of the standard palette, so that text on it stays readable."""

import colorsys
from functools import lru_cache

STANDARD_PALETTE = {
    "50": "#edfaf4",
    "100": "#d3f2e3",
    "200": "#a9e5cb",
    "300": "#73d1ad",
    "400": "#40b68b",
    "500": "#1e9b72",
    "600": "#117d5c",
    "700": "#0e644b",
    "800": "#0d4f3d",
    "900": "#0b4133",
    "950": "#05251d",
}
STEPS = 20  # search steps, which find the lightness to within a millionth


@lru_cache(maxsize=16)
def build_palette(color: str) -> dict[str, str]:
    """Return the tints of a color such as "#aa3377"; of "" the standard palette."""
    if not color:
        return dict(STANDARD_PALETTE)
    hue, _lightness, saturation = colorsys.rgb_to_hls(*parse_color(color))
    return {
        weight: find_tint(hue, saturation, compute_luminance(parse_color(standard)))
        for weight, standard in STANDARD_PALETTE.items()
    }


def find_tint(hue: float, saturation: float, luminance: float) -> str:
    """Return the color of this hue with this relative luminance; the search relies on luminance growing with lightness."""
    low, high = 0.0, 1.0
    for _step in range(STEPS):
        lightness = (low + high) / 2
        if compute_luminance(colorsys.hls_to_rgb(hue, lightness, saturation)) < luminance:
            low = lightness
        else:
            high = lightness
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, (low + high) / 2, saturation))
    return f"#{red:02x}{green:02x}{blue:02x}"


def parse_color(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def compute_luminance(color: tuple[float, float, float]) -> float:
    """Return the relative luminance of WCAG 2, from 0 (black) to 1 (white)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
