"""How personal values stand in the audit log: that they changed is recorded, what they were is not."""


def hide(value: str) -> str:
    return "•••" if value else ""
