"""Where somebody is while the power is out at home: 我在丽景花园上班，家里停电了 is no report of 丽景花园.

Decided here: which words of a text say so. Never here: what the rest of it names (``address``).
"""

from __future__ import annotations

import re
from typing import Final

_CLAUSE: Final = re.compile(r"[^,，;；。.!！、\s]+")
_BEING: Final = re.compile("[在到去]")
_DOES: Final = re.compile(
    ".*(?:上班|上夜班|加班|值班|工作|打工|出差|开会|上学|上课|读书|住院|看病|旅游|逛街|购物|买菜|吃饭|做客|办事)(?:的?时候|时|呢|了)?"
)
_HOME: Final = re.compile("[我老]家|家[里中]|(?:父母|爸妈|爸爸|妈妈|爷爷|奶奶|老人)家")


def at_home(text: str) -> str:
    """Return a text without what says where somebody is who then speaks of another place: of their home, or a parent's.

    Who names no home speaks of where they are: 我在望江路12号上班，停电了.
    """
    if "家" not in text:
        return text
    home = max((found.start() for found in _HOME.finditer(text)), default=0)
    for clause in _CLAUSE.finditer(text, 0, home):
        begin = _BEING.search(clause[0])
        if begin is not None and _DOES.fullmatch(clause[0], begin.start()):
            return text[: clause.start()] + text[clause.end() :]
    return text
