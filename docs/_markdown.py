"""Words of Markdown."""

import re
from collections.abc import Iterable


def block(code: str) -> str:
    """A program."""
    return f"```python\n{code}\n```"


def listed(names: Iterable[str]) -> str:
    """Names as code, in a row."""
    return ", ".join(f"`{name}`" for name in names)


def items(lines: Iterable[str]) -> str:
    """Lines as a list; nothing for none."""
    return "\n".join(f"- {line}" for line in lines)


def cell(text: str) -> str:
    """Text in a table."""
    return text.replace("|", r"\|")


def prose(text: str) -> str:
    """Text in which * and < mean themselves, outside of code."""
    parts = re.split(r"(``.*?``|`.*?`)", text, flags=re.DOTALL)
    escaped = (
        p.replace("``", "`") if p.startswith("`") else re.sub(r"\*|<(?=[\w/!])", r"\\\g<0>", p) for p in parts
    )
    return "".join(escaped)
