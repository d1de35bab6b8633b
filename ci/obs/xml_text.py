"""XML that an Open Build Service wrote, read with care."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ci.errors import InfraError

Element = ET.Element


def parse(data: bytes | str, root: str) -> Element:
    """The root element, which must be ``root``. Raises InfraError for anything else."""
    try:
        element: Element = fromstring(data)
    except (ET.ParseError, DefusedXmlException, ValueError) as error:
        raise InfraError(
            f"the build service did not answer with XML ({error})", detail=_shown(data)
        ) from None
    if element.tag != root:
        raise InfraError(
            f"the build service answered <{element.tag}> where <{root}> was asked for",
            detail=_shown(data),
        )
    return element


def text_of(element: Element, child: str) -> str:
    """The text of a child element, or nothing."""
    return (element.findtext(child) or "").strip()


def number(value: str | None) -> int:
    """A count; an absent or odd one is 0."""
    return int(value) if value and value.isdigit() else 0


def _shown(data: bytes | str) -> str:
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    return text[:500]
