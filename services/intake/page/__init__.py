"""The report form: one page that works on a phone in the dark, with little battery and a bad network.

Decided here: the page is one response with everything in it, in the visitor's language, and its
Content-Security-Policy allows only its own script and style, by their hashes. Never here: what becomes of a report;
the page posts to ``doors.form``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from services.contracts.languages import LAST_RESORT
from services.contracts.values import Language
from services.runtime.problems import Problem

_HERE: Final = Path(__file__).parent
_STYLE: Final = (_HERE / "report.css").read_text(encoding="utf-8")
_SCRIPT: Final = (_HERE / "report.js").read_text(encoding="utf-8")
_PAGE: Final = (_HERE / "report.html").read_text(encoding="utf-8")
_SLOT: Final = re.compile(r"\{\{([a-z_]+)\}\}")
_OURS: Final = frozenset({"lang", "dir", "others", "style", "script", "words", "photos"})
_SAID: Final = frozenset(re.findall(r"words\.([a-z_]+)", _SCRIPT))
WORDS: Final = _SAID | (frozenset(_SLOT.findall(_PAGE)) - _OURS)
"""What every language must say: the page and its script tell."""
_TO_THE_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_SCRIPTS_TO_THE_LEFT: Final = frozenset({"adlm", "arab", "hebr", "nkoo", "syrc", "thaa"})
_SCRIPT_LETTERS: Final = 4  # of a script in a tag, such as ug-Arab-CN


class FormLanguage(BaseModel):
    """The form in one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    """Of the language, in itself."""
    words: Mapping[str, Annotated[str, StringConstraints(min_length=1, max_length=300)]]

    @model_validator(mode="after")
    def _says_everything(self) -> Self:
        missing, unknown = sorted(WORDS - self.words.keys()), sorted(self.words.keys() - WORDS)
        if missing or unknown:
            faults = [f"lacks {', '.join(missing)}"] if missing else []
            faults += [f"has {', '.join(unknown)}, which the page does not say"] if unknown else []
            raise ValueError(f"words {'; '.join(faults)}")
        return self


class FormTexts(BaseModel):
    """The file of the form's texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal["1"]
    languages: Mapping[Language, FormLanguage]

    @model_validator(mode="after")
    def _has_the_last_resort(self) -> Self:
        if LAST_RESORT not in self.languages:
            raise ValueError(f"languages lacks {LAST_RESORT}: it is what everyone sees whose own is not listed")
        return self

    def language_for(self, asked: str, accepted: str) -> str:
        """Return the tag of the language to show.

        Args:
            asked: What the visitor chose, if they did.
            accepted: ``Accept-Language`` of their browser, in its order of preference.
        """
        wanted = [asked, *(part.partition(";")[0].strip() for part in accepted[:200].split(","))]
        for tag in filter(None, wanted):
            parts = tag.lower().split("-")
            for length in range(len(parts), 0, -1):
                begins = "-".join(parts[:length])
                for known in self.languages:
                    if known.lower() == begins or known.lower().startswith(f"{begins}-"):
                        return known
        return LAST_RESORT


class _Pages:
    """The page in every language, ready to be sent."""

    def __init__(self, texts: FormTexts, *, photos: bool) -> None:
        self.texts = texts
        self.plain = {tag: _render(texts, tag, photos=photos).encode() for tag in texts.languages}
        self.packed = {tag: gzip.compress(page, mtime=0) for tag, page in self.plain.items()}


def page_routes(texts: Callable[[], FormTexts], shown: Callable[[], bool], *, photos: bool) -> APIRouter:
    """Return the route of the page; ``texts`` gives those in force, ``shown`` whether there is a form."""
    pages = _Pages(texts(), photos=photos)
    headers = {
        "Content-Security-Policy": _policy(),
        "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
        "Vary": "Accept-Language, Accept-Encoding",
    }
    router = APIRouter()

    @router.get("/report", include_in_schema=False)
    async def report_page(request: Request) -> Response:
        nonlocal pages
        if not shown():
            raise Problem(404, "No form is shown here.")
        if (now := texts()) is not pages.texts:
            pages = _Pages(now, photos=photos)
        asked = request.headers
        tag = now.language_for(request.query_params.get("lang", "")[:40], asked.get("accept-language", ""))
        small = "gzip" in asked.get("accept-encoding", "")
        more = {"Content-Encoding": "gzip"} if small else {}
        content = (pages.packed if small else pages.plain)[tag]
        return Response(content, media_type="text/html", headers={**headers, "Content-Language": tag, **more})

    return router


def _render(texts: FormTexts, tag: str, *, photos: bool) -> str:
    words = texts.languages[tag].words
    others = "".join(
        f'<a href="?lang={html.escape(other)}" lang="{html.escape(other)}">{html.escape(language.name)}</a>'
        for other, language in texts.languages.items()
        if other != tag
    )
    said = json.dumps({name: words[name] for name in sorted(_SAID)}, ensure_ascii=False).replace("<", "\\u003c")
    ours = {
        "lang": html.escape(tag),
        "dir": direction(tag),
        "others": others,
        "words": said,
        "photos": "true" if photos else "false",
    }
    filled = _SLOT.sub(lambda slot: ours.get(slot[1]) or _word(words, slot), _PAGE)
    return filled.replace("/*style*/", _STYLE).replace("/*script*/", _SCRIPT)


def direction(tag: str) -> Literal["ltr", "rtl"]:
    """Return which way a language is written: by its script if the tag names one, else by the one it usually has."""
    language, *subtags = tag.lower().split("-")
    script = next((one for one in subtags if len(one) == _SCRIPT_LETTERS and one.isalpha()), None)
    leftward = language in _TO_THE_LEFT if script is None else script in _SCRIPTS_TO_THE_LEFT
    return "rtl" if leftward else "ltr"


def _word(words: Mapping[str, str], slot: re.Match[str]) -> str:
    return html.escape(words[slot[1]])


def _policy() -> str:
    def hashed(content: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {hashed(_SCRIPT)}; style-src {hashed(_STYLE)}; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
