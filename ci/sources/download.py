"""Archives from the web, kept by their sha256: what is there once is never asked for again."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote

from ci.cached import locked, sweep
from ci.errors import InfraError, UsageError
from ci.places import cache_folder
from ci.run import Step
from ci.sources.address import masked
from ci.sources.content import CHUNK, file_sha256
from ci.sources.export import empty, remove
from ci.urls import parts_of

LONGEST_SILENCE = 60.0  # seconds without a byte


def download(step: Step, url: str, sha256: str) -> Path:
    """The file behind ``url`` that has this sha256, from the cache where it is there.

    Raises UsageError when the server has another file or none, InfraError for the network.
    """
    name = Path(unquote(parts_of(url).path)).name or "archive"
    folder = cache_folder("tarballs") / sha256
    with locked(folder, step.deadline, say=step.say):
        kept = folder / name
        if kept.is_file() and file_sha256(kept) == sha256:
            return kept
        sweep(folder)
        remove(folder)
        partial = empty(folder.parent / f".partial-{sha256}-new")
        try:
            step.say(f"downloading {masked(url)}")
            _get(step, url, partial / name)
            _check(url, file_sha256(partial / name), sha256)
            partial.rename(folder)
        finally:
            remove(partial)
        return kept


def _check(url: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise UsageError(
            f"{masked(url)}: the sha256 is {found}, but the plan says {wanted}",
            hint="the server has another file than meant: find out why before correcting the plan",
        )


def _get(step: Step, url: str, to: Path) -> None:
    where = masked(url)
    silence = min(LONGEST_SILENCE, max(0.1, step.deadline.remaining()))
    try:
        # check_url let http and https through alone, and redirections stay within them.
        with urllib.request.urlopen(url, timeout=silence) as answer, to.open("wb") as file:  # noqa: S310
            expected = answer.headers.get("Content-Length")
            while data := answer.read1(CHUNK):
                step.deadline.check(f"downloading {where}")
                file.write(data)
            if expected and file.tell() != int(expected):
                raise InfraError(f"{where}: only {file.tell()} of {expected} bytes came")
    except urllib.error.HTTPError as error:
        raise _refused(where, error) from None
    except http.client.IncompleteRead:
        raise InfraError(f"{where}: the connection ended in the middle") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InfraError(f"{where}: cannot be downloaded: {reason}") from None


def _refused(where: str, error: urllib.error.HTTPError) -> InfraError | UsageError:
    said = f"{where}: the server answers {error.code} {error.reason}"
    error.close()
    if error.code in (404, 410):
        return UsageError(said, hint="see source.url")
    return InfraError(said)
