"""The machine's apt sources, read, as deb-src entries for a private copy."""

from __future__ import annotations

import re
from pathlib import Path

RELEASES = ("stable", "oldstable", "oldoldstable", "testing", "unstable", "sid")
_LINE = re.compile(r"^\s*deb(?:-src)?\s+(?P<options>\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<rest>\S.*)$")
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t#].*)*)", re.MULTILINE)


def source_entries(apt: Path, os_release: Path = Path("/etc/os-release")) -> dict[str, str]:
    """File name and text of what asks for the sources of the distribution itself.

    Archives of others (their suites are not named after the release) are left out.
    """
    codename = _codename(os_release)
    found: dict[str, str] = {}
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if path.suffix in (".list", ".sources") and path.is_file():
            text = path.read_text(errors="replace")
            make = deb822_sources if path.suffix == ".sources" else line_sources
            if made := make(text, codename):
                found[path.name] = made
    return found


def line_sources(text: str, codename: str) -> str:
    """Of the one-line format."""
    rows = [
        match for line in text.splitlines() if (match := _LINE.match(line.split("#")[0].rstrip()))
    ]
    kept = dict.fromkeys(
        f"deb-src {row['options'] or ''}{row['uri']} {row['rest']}\n"
        for row in rows
        if _own(row["rest"].split()[0], codename)
    )
    return "".join(kept)


def deb822_sources(text: str, codename: str) -> str:
    """Of the format in stanzas."""
    out = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        rows = "\n".join(row for row in stanza.splitlines() if not row.startswith("#"))
        fields = {name.lower(): value for name, value in _FIELD.findall(rows)}
        suites = fields.get("suites", "").split()
        disabled = fields.get("enabled", "yes").strip().lower() in ("no", "false", "0", "off")
        if fields.get("uris") and not disabled and any(_own(s, codename) for s in suites):
            fields["types"] = "deb-src"
            out.append("".join(f"{name}: {value}\n" for name, value in fields.items()))
    return "\n".join(out)


def _own(suite: str, codename: str) -> bool:
    names = (codename, *RELEASES) if codename else RELEASES
    return any(suite == name or suite.startswith((f"{name}-", f"{name}/")) for name in names)


def _codename(os_release: Path) -> str:
    text = os_release.read_text() if os_release.is_file() else ""
    found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)\"?$", text, re.MULTILINE)
    return found[1] if found else ""
