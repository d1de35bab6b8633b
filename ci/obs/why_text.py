"""Why a package is as it is, as text for people."""

from __future__ import annotations

from datetime import UTC, datetime

from ci.obs.sources import Revision
from ci.obs.why import Why

DIFF_LINES = 40
BLAME = {
    "product": "the product (its sources, spec or patches)",
    "setup": "the set-up of the project or its repositories",
    "lab": "the build service, not the product",
    "nobody": "nobody",
    "unknown": "not known",
}
RETRY = {
    "yes": "yes, build it again",
    "no": "no, not before something is changed",
    "later": "perhaps: it depends on something that may change by itself",
}


def text_of(why: Why) -> str:
    """The whole answer, for people."""
    told = why.explanation
    state = told.state
    lines = [
        f"{state.project}/{state.package} {state.where}: {state.code}",
        f"  what    {told.what}",
    ]
    if told.phase:
        lines.append(
            f"  where   {told.phase}" + (f", line {told.line} of the log" if told.line else "")
        )
    lines.append(f"  why     {told.cause}")
    lines += [f"  {'to do' if n == 0 else '     '}   {advice}" for n, advice in enumerate(told.do)]
    if told.blame != "nobody":
        lines += [f"  retry   {RETRY[told.retry]}", f"  blame   {BLAME[told.blame]}"]
    lines += _since(why)
    if told.evidence and state.code != "succeeded":
        lines += ["", "  what it said:", *(f"    {line}" for line in told.evidence)]
    lines += _shown_diff(why)
    return "\n".join(lines)


def _since(why: Why) -> list[str]:
    lines = []
    if why.since is not None:
        lines.append(
            f"  since   revision {why.since.rev}, {_when(why.since.ended)}{_who(why.revision)}"
        )
    elif why.revision is not None:
        lines.append(f"  now     revision {why.revision.rev}{_who(why.revision)}")
    if why.good is not None:
        good = why.good
        lines.append(f"  good    revision {good.rev} ({good.release}), {_when(good.ended)}")
    elif why.explanation.state.code != "succeeded":
        lines.append("  good    it was never built here")
    if why.changed:
        lines.append(f"  changed {why.changed}")
    return lines


def _who(revision: Revision | None) -> str:
    if revision is None:
        return ""
    comment = revision.comment.splitlines()[0] if revision.comment else ""
    return f", by {revision.user}" + (f': "{comment}"' if comment else "")


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "?"


def _shown_diff(why: Why) -> list[str]:
    if not why.diff.strip():
        return []
    body = why.diff.strip("\n").splitlines()
    shown = [f"    {line}" for line in body[:DIFF_LINES]]
    if len(body) > DIFF_LINES:
        shown.append(f"    ... {len(body) - DIFF_LINES} more lines")
    return ["", "  what changed in the sources since the last good build:", *shown]
