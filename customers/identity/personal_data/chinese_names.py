"""Chinese names: the surname comes first and without a space, and a greeting has the surname with 先生 or 女士."""

import re

# surnames of two characters that are in use (Ministry of Public Security, 全国姓名报告); all others have one
DOUBLE_SURNAMES = frozenset(
    {
        *(
            "欧阳",
            "上官",
            "司马",
            "诸葛",
            "司徒",
            "东方",
            "皇甫",
            "尉迟",
            "公孙",
            "慕容",
            "令狐",
            "长孙",
            "宇文",
            "轩辕",
            "夏侯",
        ),
        *(
            "端木",
            "西门",
            "南宫",
            "独孤",
            "公羊",
            "澹台",
            "闻人",
            "赫连",
            "呼延",
            "申屠",
            "太史",
            "钟离",
            "濮阳",
            "淳于",
            "单于",
        ),
        *(
            "百里",
            "东郭",
            "拓跋",
            "完颜",
            "纳兰",
            "万俟",
            "仲孙",
            "鲜于",
            "闾丘",
            "亓官",
            "司空",
            "公冶",
            "宗政",
            "第五",
        ),
    }
)
CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff·]{1,20}")
MEN = frozenset({"male", "m", "man", "男", "男性", "先生", "mr"})
WOMEN = frozenset({"female", "f", "woman", "女", "女性", "女士", "小姐", "ms", "mrs"})
MAX_NAME = 4  # characters of a Han name; longer ones, such as transliterations with ·, have no surname in front


def is_chinese_name(text: str) -> bool:
    """Return whether a text consists of Chinese characters."""
    return CHINESE.fullmatch(text) is not None


def join_name(first: str, last: str) -> str:
    """Return the full name of a given name and a surname: 王小明, Anna Berg."""
    if is_chinese_name(first) and is_chinese_name(last):
        return f"{last}{first}"
    return " ".join(part for part in (first, last) if part)


def split_chinese_name(name: str) -> tuple[str, str]:
    """Return the surname and the given name of a Chinese name; the surname is empty if the name has none in front."""
    text = name.strip().replace(" ", "")
    if not is_chinese_name(text) or "·" in text or not 2 <= len(text) <= MAX_NAME:
        return "", text
    size = 2 if text[:2] in DOUBLE_SURNAMES and len(text) > 2 else 1
    return text[:size], text[size:]


def build_salutation(name: str, gender: object) -> str:
    """Return how to address someone: 王女士, 欧阳先生, the whole Chinese name without a known gender, else the first word."""
    text = name.strip()
    if not is_chinese_name(text.replace(" ", "")):
        return text.split()[0] if text else ""
    surname, _given = split_chinese_name(text)
    word = str(gender).strip().casefold() if isinstance(gender, str) else ""
    title = "先生" if word in MEN else "女士" if word in WOMEN else ""
    return f"{surname}{title}" if surname and title else text.replace(" ", "")
