"""Pure: sources, revisions, links and services of an Open Build Service, as records."""

from __future__ import annotations

from ci.model import Record
from ci.obs.xml_text import Element, number, parse, text_of


class SourceFile(Record, frozen=True, kw_only=True):
    """One file of a package's sources."""

    name: str
    md5: str
    size: int = 0


class Directory(Record, frozen=True, kw_only=True):
    """The sources of a package at a revision.

    ``expanded`` is the srcmd5 with links followed (empty: no link or a broken one, then
    ``link_error`` says why). ``service`` is running, failed, succeeded or empty.
    """

    rev: str
    srcmd5: str
    files: tuple[SourceFile, ...]
    link: str = ""
    expanded: str = ""
    link_error: str = ""
    service: str = ""
    service_error: str = ""


def parse_directory(data: bytes | str) -> Directory:
    root = parse(data, "directory")
    link, service = root.find("linkinfo"), root.find("serviceinfo")
    return Directory(
        rev=root.get("rev", ""),
        srcmd5=root.get("srcmd5", ""),
        files=tuple(_file(entry) for entry in root.findall("entry")),
        link=_target(link),
        expanded=link.get("xsrcmd5", "") if link is not None else "",
        link_error=link.get("error", "") if link is not None else "",
        service=service.get("code", "") if service is not None else "",
        service_error=_error(service),
    )


def _error(service: Element | None) -> str:
    """What a failed service said, without the words that the server puts before it."""
    if service is None:
        return ""
    return text_of(service, "error").removeprefix("service error:").strip()


def _file(entry: Element) -> SourceFile:
    return SourceFile(
        name=entry.get("name", ""), md5=entry.get("md5", ""), size=number(entry.get("size"))
    )


def _target(link: Element | None) -> str:
    return "" if link is None else f"{link.get('project', '')}/{link.get('package', '')}"


class SourceInfo(Record, frozen=True, kw_only=True):
    """What a package's sources are: ``verifymd5`` names their content alone."""

    rev: str
    srcmd5: str
    verifymd5: str
    error: str = ""


def parse_source_info(data: bytes | str) -> SourceInfo:
    root = parse(data, "sourceinfo")
    return SourceInfo(
        rev=root.get("rev", ""),
        srcmd5=root.get("srcmd5", ""),
        verifymd5=root.get("verifymd5", ""),
        error=text_of(root, "error"),
    )


class Revision(Record, frozen=True, kw_only=True):
    """One commit to a package. ``at`` is seconds since the epoch."""

    rev: str
    srcmd5: str
    at: int
    user: str = ""
    comment: str = ""
    version: str = ""


def parse_revisions(data: bytes | str) -> tuple[Revision, ...]:
    """The answer of a package's source ``_history``, oldest first."""
    return tuple(
        Revision(
            rev=entry.get("rev", ""),
            srcmd5=text_of(entry, "srcmd5"),
            at=number(text_of(entry, "time")),
            user=text_of(entry, "user"),
            comment=text_of(entry, "comment"),
            version=text_of(entry, "version"),
        )
        for entry in parse(data, "revisionlist").findall("revision")
    )


class Flags(Record, frozen=True, kw_only=True):
    """The repositories and architectures that a project's meta declares."""

    places: tuple[tuple[str, str], ...]


def parse_project_meta(data: bytes | str) -> Flags:
    root = parse(data, "project")
    return Flags(
        places=tuple(
            (repository.get("name", ""), (arch.text or "").strip())
            for repository in root.findall("repository")
            for arch in repository.findall("arch")
        )
    )
