"""A plan's Jenkinsfile, rendered. The text is the same for a job as for the one in a repository."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci.errors import UsageError
from ci.jenkins.plan import JenkinsPlan
from ci.templates import render

INSTALL = "python3 -m venv .venv && .venv/bin/pip install --quiet --editable ."
CHECKED_OUT, INSTALLED = ".venv/bin/virtci", "virtci"
ORIGIN = "Made by virtci (virtci jenkins plan --jenkinsfile) from [jenkins] of a plan: change that."


@dataclass(frozen=True)
class Parameter:
    """One parameter of a job; with ``choices`` the first is the default."""

    name: str
    default: str
    choices: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Shard:
    number: str
    name: str


@dataclass(frozen=True)
class Lane:
    """One agent and one host; all strings are Groovy literals."""

    name: str
    label: str
    deploy: str
    suites: str
    stash: str
    shards: tuple[Shard, ...]


def jenkinsfile(plan: JenkinsPlan, path: str, *, checkout: str = "") -> str:
    """The pipeline of a plan; ``path`` is the default of its parameter PLAN.

    ``checkout`` is the step that brings virtci and the plans; by default what the plan's repository
    needs, nothing when it has none.
    """
    checkout = checkout or checkout_step(plan)
    text = render(
        "ci.jenkins",
        "Jenkinsfile.j2",
        origin=ORIGIN,
        plan=plan,
        parameters=tuple(_quoted(parameter) for parameter in parameters(plan, path)),
        checkout=checkout,
        install=groovy(INSTALL),
        virtci=CHECKED_OUT if checkout else INSTALLED,
        cron=plan.cron and groovy(plan.cron),
        poll=plan.poll and groovy(plan.poll),
        label=groovy(plan.label),
        lock=plan.lock and groovy(plan.lock),
        key=plan.key and groovy(plan.key),
        lanes=lanes(plan),
    )
    return re.sub(
        r"\n(?:[ \t]*\n)+", "\n", text
    )  # a macro that ends in a newline leaves an empty line


def parameters(plan: JenkinsPlan, path: str) -> tuple[Parameter, ...]:
    """What a job of this plan can be asked with. REQUEST is last and says who asked."""
    known = (
        ("PLAN", path, "The plan to run"),
        ("SOURCE_REF", "", "Branch, tag or commit instead of the plan's"),
        ("HOSTS", "", "Names of hosts of the plan, with commas; empty: all"),
        ("LOOPS", "", "Iterations of each stress suite; empty: as the plan says"),
        ("EXTRA", "", "More arguments for virtci run"),
        ("CHANGES", "", "A packed patch on top of the source (virtci presubmit)"),
    )
    request = Parameter("REQUEST", "", (), "A mark that keeps two equal orders apart")
    own = (
        Parameter(one.name, one.default, one.choices, one.description) for one in plan.parameters
    )
    return (*(Parameter(n, d, (), t) for n, d, t in known), *own, request)


def _quoted(one: Parameter) -> Parameter:
    choices = tuple(groovy(choice) for choice in one.choices)
    return Parameter(groovy(one.name), groovy(one.default), choices, groovy(one.description))


def lanes(plan: JenkinsPlan) -> tuple[Lane, ...]:
    """Every lane of a plan: ``shards`` of them, over its labels in turn, at least one a label."""
    count = max(plan.shards, len(plan.host_labels))
    beside = plan.side_by_side if count == 1 else 1
    whole = count * beside
    found = []
    for index in range(count):
        label = plan.host_labels[index % len(plan.host_labels)]
        title = f"{index + 1}/{count}"
        suffix = "" if count == 1 else f" {title}"
        shards = tuple(
            Shard(f"{number}/{whole}", groovy(f"Suites {number}/{whole}"))
            for number in range(index * beside + 1, (index + 1) * beside + 1)
        )
        found.append(
            Lane(
                name=groovy("On a host" if count == 1 else f"{label} {title}"),
                label=groovy(label),
                deploy=groovy(f"Deploy{suffix}"),
                suites=groovy("Suites" if count == 1 else f"Suites {title}"),
                stash=groovy(f"lane-{index + 1}"),
                shards=shards,
            )
        )
    return tuple(found)


def checkout_step(plan: JenkinsPlan) -> str:
    if not plan.repository:
        return ""
    credentials = plan.repository_credentials
    extra = f", credentialsId: {groovy(credentials)}" if credentials else ""
    return f"git(url: {groovy(plan.repository)}, branch: {groovy(plan.branch)}{extra})"


def groovy(text: str) -> str:
    """A single-quoted Groovy string, in which nothing is interpolated. Raises UsageError."""
    if any(ord(char) < 32 and char not in "\n\t" for char in text):
        raise UsageError(f"{text!r}: a control character cannot be in a Jenkinsfile")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\n", "\\n").replace("\t", "\\t") + "'"
