"""What is wrong with a Jenkinsfile, including what the controller's own validator does not see.

That one lets pass: unknown steps, bad schedules, missing credentials and labels, and ``junit``
without an agent. All of them fail only when the job runs, so they are looked for here.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ci.jenkins import cron
from ci.jenkins.groovy import Call, Problem


def _words(text: str) -> list[str]:
    return text.split()


STEPS = frozenset(
    _words(
        "archive archiveArtifacts bat build catchError checkout deleteDir dir echo error fileExists"
        " getContext git input isUnix junit library libraryResource load lock mail milestone node"
        " parallel powershell properties publishChecks publishHTML pwd pwsh readFile readTrusted"
        " resolveScm retry script sh sleep stage stash step timeout timestamps tool unarchive"
        " unstable unstash validateDeclarativePipeline waitForBuild waitUntil warnError withChecks"
        " withContext withCredentials withEnv wrap writeFile ws"
    )
)
PLUGIN_OF = {
    "lock": "lockable-resources",
    "junit": "junit",
    "withCredentials": "credentials-binding",
    "sshUserPrivateKey": "ssh-credentials",
    "timestamps": "timestamper",
    "git": "git",
    "retry": "workflow-basic-steps",
    "stash": "workflow-basic-steps",
    "sshagent": "ssh-agent",
    "ansiColor": "ansicolor",
    "readJSON": "pipeline-utility-steps",
}
NEEDS_NODE = frozenset(
    _words(
        "sh bat junit archiveArtifacts stash unstash checkout git dir deleteDir fileExists readFile"
        " writeFile pwd ws publishHTML"
    )
)
CONDITIONS = frozenset(
    _words(
        "always changed fixed regression aborted failure success unstable unsuccessful cleanup"
        " notBuilt"
    )
)
BODIES = ("steps", "stages", "parallel", "matrix")


@dataclass(frozen=True)
class Known:
    """What a controller has; None: nobody was asked."""

    credentials: frozenset[str] | None = None
    labels: frozenset[str] | None = None
    plugins: frozenset[str] | None = None
    lock_labels: frozenset[str] | None = None


def problems(tops: list[Call], known: Known) -> list[Problem]:
    """Everything found, in the order of lines."""
    pipeline = next((call for call in tops if call.name == "pipeline"), None)
    if pipeline is None:
        return [Problem(1, "this is no Declarative Pipeline: it has no pipeline { } block")]
    found = [
        *_sections(pipeline),
        *_stages(pipeline),
        *_triggers(pipeline),
        *_names(pipeline, known),
    ]
    found += _without_node(pipeline)
    return sorted(set(found), key=lambda problem: (problem.line, problem.text))


def _sections(pipeline: Call) -> Iterator[Problem]:
    for name in ("agent", "stages"):
        if pipeline.child(name) is None:
            yield Problem(pipeline.line, f'the section "{name}" is missing')
    options = pipeline.child("options")
    if options is None or options.child("timeout") is None:
        yield Problem(
            pipeline.line, "options: no timeout; a hung build blocks its agent", fatal=False
        )
    for stage in _all(pipeline, "stage"):
        inner = stage.child("options")
        if inner is not None and (call := inner.child("disableConcurrentBuilds")):
            yield Problem(call.line, "disableConcurrentBuilds belongs to the pipeline's options")


def _stages(pipeline: Call) -> Iterator[Problem]:
    for stage in _all(pipeline, "stage"):
        name = stage.texts[0] if stage.texts else ""
        bodies = [body for body in BODIES if stage.child(body)]
        if len(bodies) != 1:
            yield Problem(
                stage.line, f'stage "{name}": exactly one of {", ".join(BODIES)} is needed'
            )
        if "parallel" in bodies and stage.child("agent"):
            yield Problem(stage.line, f'stage "{name}" cannot have both agent and parallel')
    names = Counter(stage.texts[0] for stage in _all(pipeline, "stage") if stage.texts)
    for stage in _all(pipeline, "stage"):
        if stage.texts and names[stage.texts[0]] > 1:
            yield Problem(stage.line, f'two stages are named "{stage.texts[0]}"')


def _triggers(pipeline: Call) -> Iterator[Problem]:
    section = pipeline.child("triggers")
    for trigger in section.below if section else ():
        known = trigger.name in ("cron", "pollSCM") and trigger.texts
        if known and (what := cron.problem(trigger.texts[0])):
            yield Problem(trigger.line, f"{trigger.name}: {what}")


def _names(pipeline: Call, known: Known) -> Iterator[Problem]:
    for call in pipeline.walk():
        yield from _credential(call, known)
        yield from _label(call, known)
        yield from _plugin(call, known)
        if call.name == "lock" and not call.texts and "resource" not in call.named:
            text = 'lock: the parameter "resource" is required; write resource: null beside label'
            yield Problem(call.line, text)
        if call.name == "junit" and call.named.get("allowEmptyResults") != "true":
            text = "junit fails the build when there is no file; allowEmptyResults: true does not"
            yield Problem(call.line, text, fatal=False)
    for call in _steps(pipeline):
        if call.name and call.name not in STEPS and call.name not in PLUGIN_OF:
            close = difflib.get_close_matches(call.name, STEPS, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            yield Problem(call.line, f'the step "{call.name}" is not known{hint}')


def _credential(call: Call, known: Known) -> Iterator[Problem]:
    wanted = call.named.get("credentialsId")
    if wanted and known.credentials is not None and wanted not in known.credentials:
        yield Problem(call.line, f'the controller has no credentials "{wanted}" (or hides them)')


def _label(call: Call, known: Known) -> Iterator[Problem]:
    if call.name == "label" and call.texts and known.labels is not None:
        label = call.texts[0]
        if label.replace("-", "").replace("_", "").isalnum() and label not in known.labels:
            yield Problem(
                call.line, f'no agent has the label "{label}"; the build would wait forever'
            )
    wanted = call.named.get("label") if call.name == "lock" else None
    if wanted and known.lock_labels is not None and wanted not in known.lock_labels:
        text = (
            f'no lockable resource has the label "{wanted}"; add one under Manage Jenkins, System'
        )
        yield Problem(call.line, text)


def _plugin(call: Call, known: Known) -> Iterator[Problem]:
    plugin = PLUGIN_OF.get(call.name)
    if plugin and known.plugins is not None and plugin not in known.plugins:
        yield Problem(call.line, f'"{call.name}" needs the plugin {plugin}, which is missing')


def _without_node(call: Call, *, node: bool = False) -> Iterator[Problem]:
    """Steps that need an agent where there is none: in a post above all stages, mostly."""
    if (agent := call.child("agent")) is not None:
        node = "none" not in agent.variables
    for below in call.below:
        if below.name == "steps" or below.name in CONDITIONS:
            yield from () if node else _needing(below)
        elif below.name in ("stages", "stage", "parallel", "matrix", "post"):
            yield from _without_node(below, node=node)


def _needing(body: Call) -> Iterator[Problem]:
    for step in body.below:
        if step.name in NEEDS_NODE and step.statement:
            yield Problem(step.line, f'"{step.name}" needs an agent, and there is none here')
        elif step.name != "node":
            yield from _needing(step)


def _steps(pipeline: Call) -> Iterator[Call]:
    """Calls that stand where only steps may: below steps and post conditions, not in script."""
    for body in pipeline.walk():
        if body.name == "steps" or (body.name in CONDITIONS and body.block):
            yield from _statements(body)


def _statements(body: Call) -> Iterator[Call]:
    for call in body.below:
        if call.statement:
            yield call
        if call.block and call.name != "script":
            yield from _statements(call)


def _all(pipeline: Call, name: str) -> list[Call]:
    return [call for call in pipeline.walk() if call.name == name]
