"""The WeChat platform's message format: flat fields in XML or JSON, for requests and responses.

Decided here: what is read of a body (the text of each field, nothing nested); a DTD, an entity, a duplicate field or
too many parts are refused. Control characters are left out: citizens' telephones send them, the platform passes them
on as they are, and no XML parser takes them (github.com/offu/WeRoBot/issues/420, silenceper/wechat/issues/750).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

import orjson
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from services.intake.channels.payload import read_object
from services.intake.channels.refusal import PayloadRefusedError, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_TAGS: Final = 400
_BOM: Final = b"\xef\xbb\xbf"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What may not stand in XML (XML 1.0, 2.2)."""


class Format(StrEnum):
    """The data format of the platform's console (数据格式)."""

    XML = "xml"
    JSON = "json"


def read(body: bytes) -> tuple[Format, Mapping[str, str]]:
    """Read a body: its format, told by its first character, and the text of each field.

    Raises:
        PayloadRefusedError: it is neither.
    """
    if body.removeprefix(_BOM).lstrip()[:1] == b"{":
        return Format.JSON, _json(body)
    return Format.XML, _xml(body)


def write(form: Format, fields: Mapping[str, str | int]) -> bytes:
    """Write an answer in the format the platform asked in."""
    if form is Format.JSON:
        return orjson.dumps(dict(fields))
    inner = "".join(
        f"<{name}>{value}</{name}>" if isinstance(value, int) else f"<{name}><![CDATA[{_cdata(value)}]]></{name}>"
        for name, value in fields.items()
    )
    return f"<xml>{inner}</xml>".encode()


def _cdata(text: str) -> str:
    return text.replace("]]>", "]]]]><![CDATA[>")


def _json(body: bytes) -> dict[str, str]:
    return {name: _plain(value) for name, value in read_object(body).fields.items()}


def _plain(value: object) -> str:
    if isinstance(value, str):
        return _CONTROL.sub("", value).strip()
    # MsgId is a number of 64 bits here; true and nested lists mean nothing to us.
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _xml(body: bytes) -> dict[str, str]:
    try:
        text = _CONTROL.sub("", body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise PayloadRefusedError(Reason.NOT_UTF8, "The body is not UTF-8.") from None
    if body.count(b"<") > MOST_TAGS:
        raise PayloadRefusedError(Reason.TOO_MANY_PARTS, f"The body has more than {MOST_TAGS} tags.")
    try:
        root = fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise PayloadRefusedError(Reason.MALFORMED, "The body has a DTD or an entity; neither is accepted.") from None
    except (ParseError, ValueError, LookupError):
        raise PayloadRefusedError(Reason.MALFORMED, "The body is not XML.") from None
    if root.tag != "xml":
        raise PayloadRefusedError(Reason.MALFORMED, "The body is XML, but its root is not <xml>.")
    fields: dict[str, str] = {}
    for child in root:
        if child.tag in fields:
            raise PayloadRefusedError(Reason.MALFORMED, "The body has a field twice.")
        fields[child.tag] = (child.text or "").strip()
    return fields
