"""The original tarball of a Debian source package, through apt with settings of our own.

The machine's own sources are read, never written; the lists, the cache and the deb-src lines lie
in our cache folder. apt checks the index by its signature and the file by the index.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from ci.cached import locked
from ci.errors import InfraError, UsageError
from ci.places import cache_folder
from ci.run import Step
from ci.shell import STATUS_NOT_FOUND, Completed
from ci.sources.aptlines import source_entries
from ci.sources.content import file_sha256
from ci.sources.export import empty, remove

APT = Path("/etc/apt")
FRESH = 24 * 3600.0  # seconds that the lists are taken as they are
_OFFER = re.compile(
    r"^'(?P<url>[^']+)' (?P<name>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$", re.M
)
_ORIGINAL = re.compile(r"\.orig\.tar\.\w+$")
_UNKNOWN = re.compile(r"Unable to find a source package|Can not find version")


def debian_original(step: Step, package: str) -> Path:
    """The tarball as upstream published it, of NAME or NAME=VERSION.

    Raises UsageError when Debian has no such package or version, InfraError for the network.
    """
    folder = cache_folder("debian-source")
    with locked(folder / "apt", step.deadline, say=step.say):
        config = _configure(folder)
        offer = _offer(step, folder, config, package)
        kept = folder / "files" / offer["sha256"] / offer["name"]
        if not (kept.is_file() and file_sha256(kept) == offer["sha256"]):
            _download(step, config, package, kept, offer["sha256"])
        return kept


def _configure(folder: Path) -> Path:
    """Settings that keep apt away from the system's lists, cache and hooks."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    parts = empty(folder / "apt.conf.d")
    for conf in sorted((APT / "apt.conf.d").glob("*")):
        if conf.is_file():
            shutil.copy(conf, parts)
    (parts / "zzz-no-hooks").write_text("#clear APT::Update;\n#clear DPkg;\n")
    sources = empty(folder / "sources.list.d")
    for name, text in source_entries(APT).items():
        (sources / name).write_text(text)
    if not any(sources.iterdir()):
        raise UsageError(
            f"{APT}: apt has no Debian archive to take sources from",
            hint="use kind tarball with url and sha256, or kind git",
        )
    config = folder / "apt.conf"
    config.write_text(
        f'Dir::State::lists "{folder}/lists/";\nDir::Cache "{folder}/cache/";\n'
        f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{sources}/";\n'
        f'Dir::Etc::parts "{parts}/";\nAPT::Sandbox::User "root";\nAcquire::Retries "2";\n'
    )
    return config


def _offer(step: Step, folder: Path, config: Path, package: str) -> dict[str, str]:
    """Name and sha256 of the tarball, by the signed index."""
    told = ""
    if _stale(folder):
        told = _update(step, folder, config)
    done = _apt(step, config, "source", "--print-uris", "--only-source", "--tar-only", package)
    if not done.ok and not told:
        told = _update(step, folder, config)
        done = _apt(step, config, "source", "--print-uris", "--only-source", "--tar-only", package)
    if not done.ok:
        raise _error(step, config, package, done, told)
    offers = [found.groupdict() for found in _OFFER.finditer(done.stdout)]
    original = [offer for offer in offers if _ORIGINAL.search(offer["name"])] or offers
    if len(original) != 1:
        raise UsageError(
            f"debian-source:{package}: not one original tarball but {len(original)}",
            detail=done.tail(),
        )
    return original[0]


def _stale(folder: Path) -> bool:
    stamp = folder / "updated"
    return not stamp.exists() or not 0 <= time.time() - stamp.stat().st_mtime < FRESH


def _update(step: Step, folder: Path, config: Path) -> str:
    """Fetch the lists of sources. A failure counts only if the package is then not found."""
    step.say("fetching Debian's list of sources")
    done = _apt(step, config, "update")
    if done.status == STATUS_NOT_FOUND:
        raise UsageError(
            "debian-source: works where apt-get is, and here is none",
            hint="use kind tarball with url and sha256, or kind git",
        )
    if done.ok and "Failed to fetch" not in done.stderr:
        (folder / "updated").touch()
    return done.tail() or "apt-get update said nothing"


def _error(
    step: Step, config: Path, package: str, done: Completed, told: str
) -> InfraError | UsageError:
    if "Failed to fetch" in told or not _UNKNOWN.search(done.stderr):
        return InfraError(
            f"debian-source:{package}: apt cannot get the list of sources",
            detail=f"{told}\n{done.tail()}",
        )
    name, _, version = package.partition("=")
    shown = _run(step, config, "apt-cache", "showsrc", "--only-source", name).stdout
    if version and (known := re.findall(r"^Version: (.+)$", shown, re.M)):
        return UsageError(
            f"Debian's {name} has no version {version}; there is: {', '.join(sorted(set(known)))}",
            hint="see source.url",
        )
    return UsageError(
        f"Debian has no source package {name}", hint="see source.url", detail=done.tail()
    )


def _download(step: Step, config: Path, package: str, kept: Path, sha256: str) -> None:
    step.say(f"downloading {kept.name}")
    new = empty(config.with_name("files.new"))
    done = _apt(
        step, config, "source", "--download-only", "--only-source", "--tar-only", package, cwd=new
    )
    file = new / kept.name
    if not done.ok or not file.is_file() or file_sha256(file) != sha256:
        raise InfraError(
            f"debian-source:{package}: {kept.name} cannot be downloaded", detail=done.tail()
        )
    remove(kept.parent)
    kept.parent.mkdir(parents=True)
    file.rename(kept)
    remove(new)


def _apt(step: Step, config: Path, *args: str, cwd: Path | None = None) -> Completed:
    return _run(step, config, "apt-get", "-q", *args, cwd=cwd)


def _run(step: Step, config: Path, *argv: str, cwd: Path | None = None) -> Completed:
    return step.shell.run(
        argv,
        step.deadline,
        cwd=str(cwd) if cwd else None,
        env={"APT_CONFIG": str(config), "LC_ALL": "C"},
    )
