"""Readable product titles from the abbreviated types of the Complete Journey.

The package has no product names, only codes such as ``SFT DRNK 2 LITER BTL CARB INCL`` that are cut off at 30 characters.
"""

import re
from functools import cache

from catalog.categories import clean_path
from config.demo.label_tables import LabelLevel, read_labels

# Codes of several words, replaced before single words.
PHRASES = {
    "SW GDS": "SWEET BAKED GOODS",
    "SAL:SALSA/DPS-PRPCK": "SALSA AND DIPS",
    "PLSTC CTLRYTBLCLTHSTTHPKSST": "PLASTIC CUTLERY AND TABLECLOTHS",
    "BEERALEMALT LIQUORS": "BEER, ALE AND MALT LIQUOR",
    "MEXICAN SAUCESSALSAPICANTEE": "MEXICAN SAUCES AND SALSA",
    "PLASTIC WRAP (SARANETC.)": "PLASTIC WRAP",
    "NON-CRBNTD DRNKING/MNERAL WATE": "STILL DRINKING AND MINERAL WATER",
    "NON-CARB FLVRD DRNKNG/MNRL WAT": "STILL FLAVORED WATER",
    "NON-CARB WATER FLVR - DRNK/MNR": "STILL FLAVORED WATER",
    "CHIX:FRD 8PC/CUT UP (HOT)": "FRIED CHICKEN, 8 PIECES (HOT)",
    "COUGH SYRP/LOZNG-DRP/XPCTRNT": "COUGH SYRUP, LOZENGES AND DROPS",
    "FACIAL TISSUE & PAPER HANDKE": "FACIAL TISSUES AND PAPER HANDKERCHIEFS",
    "GARBAGE KITCHEN COMPACTOR BA": "KITCHEN GARBAGE BAGS",
    "TABLE SALT POPCORN SALTICE C": "TABLE SALT AND POPCORN SALT",
    "FRZN OJ&OJ SUBSTITUTES": "FROZEN ORANGE JUICE",
    "SFT DRNK": "SOFT DRINK",
    "RTS SOUP": "READY-TO-SERVE SOUP",
    "ET VARIET": "",
    "CAN CAR": "CANS",
    "CAN CARB": "CANS",
    "CARB INCL": "",
    "BTL CARB INCL": "BOTTLE",
    "BTL CARB": "BOTTLE",
    "SGL SV/VEND MACH SNACKS CHIP/P": "SINGLE-SERVE SNACKS AND CHIPS",
    "NON CHOCOLATE": "NON-CHOCOLATE",
    "NON-CHOCOL": "NON-CHOCOLATE",
    "NON-CHOCOLA": "NON-CHOCOLATE",
    "YOGURT NOT MULTI-PACKS": "YOGURT",
    "FLUID MILK WHITE ONLY": "WHITE MILK",
    "FLUID MILK": "MILK",
    "ANTIPERSPIRANTS ONLY": "ANTIPERSPIRANTS",
    "VAC PAC": "VACUUM-PACKED",
    "W/WHOLE": "WHOLE",
    "BAG & B": "BAGS",
    "CHOC CHIP": "CHOCOLATE CHIP",
    "MAINSTREAM WHEAT/MULTIGRAIN BR": "WHEAT AND MULTIGRAIN BREAD",
    "MAINSTREAM WHITE BREAD": "WHITE BREAD",
    "DAIRY CASE 100% PURE JUICE - O": "CHILLED 100% ORANGE JUICE",
    "DAIRY CASE 100% PURE JUICE OTH": "CHILLED 100% FRUIT JUICE",
    "DAIRY CASE JUICE DRNK UNDER 10": "CHILLED JUICE DRINK",
    "DAIRY CASE CITRUS PNCH/OJ SUBS": "CHILLED CITRUS PUNCH",
    "DAIRY CASE": "CHILLED",
    "SALD DRSNG/SNDWCH SPRD": "SALAD DRESSINGS AND SANDWICH SPREADS",
    "FEM. HYGN.": "FEMININE HYGIENE",
    "SAL": "SALAD BAR",
    "SV BEV": "COFFEE SHOP DRINK",
    "-IQF": "",
    "CRABETC": "CRAB ETC.",
    "MALTED MLK/SYRUP/PWDRS": "MALTED MILK, SYRUP AND POWDER",
    "SEAFOOD-FRZ-IQF RAW SHRIMP RW": "FROZEN RAW SHRIMP",
    "SEAFOOD-FRZ-RAW FILLETS": "FROZEN RAW FISH FILLETS",
    "SEAFOOD-FRE-RAW FINFISH-OTHER": "FRESH RAW FISH",
    "SEAFOOD-FRE": "FRESH SEAFOOD -",
    "SEAFOOD-FRZ": "FROZEN SEAFOOD -",
    "SEAFOOD-MISC": "SEAFOOD -",
    "VEND MACH": "VENDING",
}
WORDS = {
    "FRZN": "FROZEN", "FRZ": "FROZEN", "FRE": "FRESH", "SS": "SINGLE-SERVE", "DRNK": "DRINK", "DRNKS": "DRINKS", "DNRS": "DINNERS",
    "DNR": "DINNER", "BTL": "BOTTLE", "BTLS": "BOTTLES", "SFT": "SOFT", "SW": "SWEET", "SWT": "SWEET", "GDS": "GOODS", "MISC": "ASSORTED",
    "MISCELLANEOUS": "ASSORTED", "FEM": "FEMININE", "HYGN": "HYGIENE", "STK": "STICK", "CNTRL": "CONTROL", "LIQS": "LIQUIDS",
    "LIQ": "LIQUID", "WT": "WEIGHT", "SV": "SERVE", "SRV": "SERVE", "SGL": "SINGLE", "SNGL": "SINGLE", "NZ": "NEW ZEALAND",
    "FLVRD": "FLAVORED", "FLVR": "FLAVORED", "FLV": "FLAVORED", "FLAV": "FLAVORED", "FD": "FOOD", "FDS": "FOODS", "MLT": "MULTI",
    "MULT": "MULTI", "PKG": "PACKAGE", "PKGD": "PACKAGED", "PREP": "PREPARED", "PREPRD": "PREPARED", "PREPORTND": "PORTIONED",
    "BRD": "BREADED", "CATFD": "CAT FOOD", "DOGFD": "DOG FOOD", "SUP": "SUPER", "PREM": "PREMIUM", "CRMD": "CREAMED", "SYRP": "SYRUP",
    "LOZNG": "LOZENGES", "DRP": "DROPS", "XPCTRNT": "EXPECTORANT", "CHP": "CHOP", "SLC": "SLICE", "CRBNTD": "CARBONATED",
    "CARB": "CARBONATED", "PPK": "PREPACKED", "PRPCK": "PREPACKED", "PREPACK": "PREPACKED", "PRSLC": "PRESLICED", "SAUS": "SAUSAGE",
    "GRND": "GROUND", "WHL": "WHOLE", "FS": "FRENCH STYLE", "DRNKNG": "DRINKING", "DRNKING": "DRINKING", "MNRL": "MINERAL",
    "MNERAL": "MINERAL", "MNR": "MINERAL", "WAT": "WATER", "WATE": "WATER", "WTR": "WATER", "ACCESS": "ACCESSORIES", "DPS": "DIPS",
    "PLSTC": "PLASTIC", "DL": "DELI", "SPEC": "SPECIALTY", "CND": "CANNED", "PC": "PIECE", "CHIX": "CHICKEN", "CHICK": "CHICKEN",
    "FRD": "FRIED", "LT": "LITER", "LTR": "LITER", "THN": "THAN", "LSS": "LESS", "PWDRS": "POWDERS", "PWDR": "POWDER",
    "RTD": "READY-TO-DRINK", "MLK": "MILK", "PNCH": "PUNCH", "OJ": "ORANGE JUICE", "SHLFSH": "SHELLFISH", "BTR": "BATTER",
    "KLR": "", "GNGR": "GINGER", "GNG": "GINGER", "CR": "CREAM", "NTRTNL": "NUTRITIONAL", "SLD": "SALAD", "SHLDR": "SHOULDER",
    "CKTLS": "COCKTAILS", "APPL": "APPLIANCES", "PERSNL": "PERSONAL", "FT": "FOOT", "BTH": "BATH", "MASSGRS": "MASSAGERS",
    "BRDS": "BOARDS", "STW": "STEW", "STRP": "STRIPS", "MTL": "METAL", "RBR": "RUBBER", "SYRNGS": "SYRINGES", "LRG": "LARGE",
    "HNGRS": "HANGERS", "ORGNZRS": "ORGANIZERS", "SPT": "SPORT", "FLNK": "FLANK", "PLT": "PLATE", "SHNK": "SHANK", "BEV": "BEVERAGE",
    "MINWTR": "MINERAL WATER", "LNCHMT": "LUNCH MEAT", "BRSKT": "BRISKET", "BRST": "BREAST", "BLY": "BELLY", "BSKTS": "BASKETS",
    "DRNRS": "DRAINERS", "BK": "BAKERY", "SPECLTY": "SPECIALTY", "CKE": "CAKE", "DAN": "DANISH", "TORT": "TORTILLA", "REFRIG": "REFRIGERATED",
    "REFRGRATD": "REFRIGERATED", "REFIGERATED": "REFRIGERATED", "CONTAINR": "CONTAINERS", "CONC": "CONCENTRATE", "JCE": "JUICE",
    "PROTIEN": "PROTEIN", "CHOCOCLATE": "CHOCOLATE", "CHOCOLA": "CHOCOLATE", "SPECILATY": "SPECIALTY",
    "PICKLD": "PICKLED", "VEG": "VEGETABLE", "DECAFFINATED": "DECAFFEINATED", "DECAF": "DECAFFEINATED", "LINAMENTS": "LINIMENTS",
    "MUSTAR": "MUSTARD", "MARINAD": "MARINADES", "MARIN": "MARINADES", "MAY": "MAYONNAISE", "SECT": "SECTIONS", "SANDWIC": "SANDWICHES",
    "COOKI": "COOKIES", "CRACKE": "CRACKERS", "CLEANE": "CLEANERS", "COMBIN": "COMBINATIONS", "SUPPLEMEN": "SUPPLEMENTS",
    "PEPPERIDG": "", "PERSNAL": "PERSONAL", "DISPOSIBLE": "DISPOSABLE", "SWEETNERS": "SWEETENERS", "WORCHESTER": "WORCESTERSHIRE",
    "SPLY": "SUPPLIES", "DRSNG": "DRESSING", "SNDWCH": "SANDWICH", "SPRD": "SPREAD", "BN": "BEANS",
    "BRKFST": "BREAKFAST", "WHLSM": "WHOLESOME", "BKD": "BAKED", "PNT": "PEANUT", "MX": "MIXES", "MXS": "MIXES", "TISS": "TISSUE",
    "TRSH": "TRASH", "BG": "BAGS", "CLEANG": "CLEANING", "SHERBTS": "SHERBETS", "PKLD": "PICKLED", "SNKS": "SNACKS", "CKYS": "COOKIES",
    "CRKR": "CRACKERS", "CNDY": "CANDY", "NDAIRY": "NON-DAIRY", "SOD": "SODA", "DSH": "DISHES", "LOAVE": "LOAF", "IWS": "WRAPPED",
    "CATSUP": "KETCHUP", "QSR": "TAKEAWAY", "CIG": "CIGARETTE", "PORTON": "PORTION", "H": "", "NF": "",
    "ORIENTAL": "ASIAN",
}  # fmt: skip
# Words that only describe: a type that consists only of these gets its category in front, such as "Ice cream: premium".
DESCRIPTIVE = frozenset(
    [
        "PREMIUM",
        "LEAN",
        "MAINSTREAM",
        "TRADITIONAL",
        "ECONOMY",
        "VALUE",
        "FRESH",
        "ENHANCED",
        "PRIMAL",
        "POULTRY",
        "REGULAR",
        "BLENDS",
        "MICROWAVE",
        "OTHER",
        "KITS",
        "MISCELLANEOUS",
        "MISC",
        "FROZEN",
        "PATTIES",
        "SELECT",
        "ANGUS",
        "CHOICE",
        "MEAT",
        "BEEF",
        "PORK",
        "-",
        "DRY",
        "SMOKED/COOKED",
        "SMOKED",
        "COOKED",
        "RAW",
        "LINKS",
        "ROLLS",
        "FLAVORED/OTHER",
        "SPECIALTY",
        "KOSHER/SPECIALTY",
        "SUPER",
        "PINTS",
        "PANTRY",
        "BETTER",
        "FOR",
        "YOU",
        "RED",
        "WHITE",
        "YELLOW",
        "GARDEN",
        "PLUS",
        "CUPS/PUSH",
        "UPS/OTHER",
        "TREATS",
        "BULK",
        "ALL",
        "PRE-COOKED",
        "PROCESSED",
        "SEASONAL",
        "SPECIAL",
        "EVERYDAY",
        "DECOR",
        "VARIETY",
        "PACK",
        "BITS",
        "&",
        "MORSELS",
        "STICKS/ENROBED",
        "ADULT",
        "NATURAL",
        "ITEMS",
        "ORGANIC",
        "BONELESS",
        "BONE-IN",
        "VANITY",
        "STICKS",
        "SNACKS/APPETIZERS",
        "REVLON",
        "MAYBELLINE",
        "COVERGIRL",
        "LOREAL",
    ]
)
CATEGORY_NOUNS = {
    "ICE CREAM/MILK/SHERBTS": "Ice cream",
    "FRZN NOVELTIES/WTR ICE": "Ice pops",
    "SALAD MIX": "Salad mix",
    "MAKEUP AND TREATMENT": "Makeup",
    "GREETING CARDS/WRAP/PARTY SPLY": "Greeting cards",
    "FRZN MEAT/MEAT DINNERS": "Frozen dinners",
    "CHRISTMAS  SEASONAL": "Christmas",
}
PROPER_NAMES = {
    name.lower(): name
    for name in [
        "BBQ",
        "TV",
        "DVD",
        "SPF",
        "CD",
        "French",
        "Italian",
        "English",
        "Mexican",
        "American",
        "Australian",
        "Asian",
        "Hispanic",
        "Christmas",
        "Easter",
        "Halloween",
        "Valentine",
        "Kaiser",
        "Irish",
        "German",
        "Greek",
        "Swiss",
        "Caesar",
        "Covergirl",
        "Maybelline",
        "Revlon",
        "Loreal",
        "Leggs",
        "Hansen",
        "Sally",
        "Angus",
        "Worcestershire",
        "Gala",
        "Fuji",
        "Russet",
        "New",
        "Zealand",
        "Tennessee",
        "Chardonnay",
        "Merlot",
    ]
}
SHORT_WORDS = frozenset(
    [
        "BAG",
        "BOX",
        "HOT",
        "ICE",
        "PIE",
        "OIL",
        "TEA",
        "JAM",
        "CAN",
        "CUP",
        "NUT",
        "EGG",
        "HAM",
        "RYE",
        "MIX",
        "DRY",
        "CAT",
        "DOG",
        "GUM",
        "GEL",
        "RED",
        "FAT",
        "TOY",
        "PEN",
    ]
)
MAX_LABEL = 29  # a label of 30 characters may have been cut off; some lost a space at the end

PHRASES_BY_LENGTH = sorted(PHRASES.items(), key=lambda item: -len(item[0]))
IGNORED_BRACKETS = ("(BULK&BAG)", "(BULK/PKG)", "(SINGLES)", "(IQF)")
SEPARATORS = (": ", ":", " - ", "--", "- ", " -")
ENDINGS = (" ALL OTHERS", " ALL OTHER", " OTHER", " ALL")

_WORDS = re.compile(r"[A-Z][A-Z']*")
_LOWER_WORDS = re.compile(r"\w+")
_POSSESSIVES = re.compile(r"\b(WOMEN|MEN|CHILDREN|KID|GIRL|BOY) S\b")
_PACKS = re.compile(r"(\d)(PK|PC)\b")


@cache
def build_title(kind: str | None, category: str | None, department: str, package_size: str | None) -> str:
    """Return a title such as ``Soft drink 2 liter bottle, 2 l``.

    Args:
        kind: the package's product type, cut off at 30 characters; None for some products.
        category: its product category, which comes first if the type is only descriptive, such as ``PREMIUM``.
    """
    text = expand_label(kind) if kind else expand_label(category, LabelLevel.CATEGORY) if category else ""
    text = text or expand_label(department, LabelLevel.DEPARTMENT)
    if kind and category and set(kind.split()) <= DESCRIPTIVE and not category.startswith(kind):
        noun = CATEGORY_NOUNS.get(category) or expand_label(category, LabelLevel.CATEGORY)
        text = noun if text in ("Assorted", "Other", "All") else f"{noun}, {lower_first(text)}"
    return f"{text}, {' '.join(package_size.lower().split())}" if package_size else text


@cache
def expand_label(name: str, level: LabelLevel = LabelLevel.TYPE) -> str:
    """Return a label from the table, or with abbreviations written out and without a word that is cut off."""
    if known := read_labels("english_labels.tsv")[level].get(name):
        return known
    text = replace_phrases(name)
    cut_bracket = text.find("(", text.rfind(")") + 1)
    if cut_bracket >= 0:
        text = text[:cut_bracket]
    for bracket in IGNORED_BRACKETS:
        text = text.replace(bracket, "")
    if len(name) >= MAX_LABEL and text.endswith(name[-3:]):
        last = re.split(r"[ /&-]", text)[-1]
        if len(last) < 4 and last not in SHORT_WORDS and last not in WORDS:
            text = text[: len(text) - len(last)]
    text = _POSSESSIVES.sub(r"\1'S", text)
    text = _PACKS.sub(lambda found: f"{found[1]}-{'PACK' if found[2] == 'PK' else 'PIECE'}", text)
    text = _WORDS.sub(lambda found: WORDS.get(found[0], found[0]), text)
    text = punctuate(text)
    text = _LOWER_WORDS.sub(lambda found: PROPER_NAMES.get(found[0].lower(), found[0].lower()), text)
    return text[:1].upper() + text[1:]


def replace_phrases(text: str) -> str:
    """Replace codes that are not part of a longer word, long ones first."""
    for code, phrase in PHRASES_BY_LENGTH:
        start = text.find(code)
        while start >= 0:
            end = start + len(code)
            if text[start - 1 : start].isalpha() or text[end : end + 1].isalpha():
                start = text.find(code, end)
                continue
            text = text[:start] + phrase + text[end:]
            start = text.find(code, start + len(phrase))
    return text


def punctuate(text: str) -> str:
    """Write the package's separators as commas and remove what it says about other types."""
    text = " ".join(text.replace("&", " & ").replace("(", " (").replace(" W/", " WITH ").replace(".", " ").split())
    for separator in SEPARATORS:
        text = text.replace(separator, ", ")
    text = " ".join(text.replace(",", ", ").replace(" ,", ",").split()).strip(" -,.:/&")
    for ending in ENDINGS:
        text = text.removesuffix(ending).rstrip(" ,")
    return text


def lower_first(text: str) -> str:
    return text if text.split(" ")[0] in PROPER_NAMES.values() else text[:1].lower() + text[1:]


@cache
def build_category_path(department: str, category: str | None, kind: str | None) -> str:
    """Return department, category and type as a category path, without levels that are missing or repeat a level above."""
    names = zip((department, category, kind), LabelLevel, strict=True)
    levels = [expand_label(name, level) for name, level in names if name]
    return clean_path([level for number, level in enumerate(levels) if level not in levels[:number]])
