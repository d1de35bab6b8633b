"""Just enough of Declarative Pipeline to carry a Jenkinsfile out: on one machine, stage by stage.

Every node is the same machine but has a workspace of its own for each label, so that what one stage
leaves for another has to travel by stash, as between agents.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ci.jenkins.groovy import Call


class StepFailedError(Exception):
    """A step failed; what follows in its stage is not done."""


class AgentLostError(Exception):
    """The agent went away in the middle of a step: an interruption, as a stop of the build is."""


@dataclass
class Outcome:
    """What a build left."""

    result: str = "SUCCESS"
    junit: list[Path] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    output: str = ""


@dataclass
class Machine:
    """Carries out one pipeline below ``folder``; ``sh`` makes a command fit for this machine.

    The command that has ``loses`` in it takes its agent away.
    """

    folder: Path
    environment: dict[str, str]
    sh: Callable[[str], str]
    outcome: Outcome = field(default_factory=Outcome)
    stashes: dict[str, Path] = field(default_factory=dict)
    loses: str = ""
    lost: set[Path] = field(default_factory=set)

    def pipeline(self, tops: list[Call]) -> Outcome:
        (pipeline,) = (call for call in tops if call.name == "pipeline")
        stages = pipeline.child("stages")
        assert stages is not None
        self.stages(stages, self.folder / "none", {})
        return self.outcome

    def stages(self, body: Call, workspace: Path, held: dict[str, str]) -> bool:
        """Whether all ran without an error; one that fails ends a sequence, not its neighbours."""
        good = True
        for stage in body.below:
            if good or body.name == "parallel":
                good &= self.stage(stage, workspace, held)
        return good

    def stage(self, stage: Call, workspace: Path, held: dict[str, str]) -> bool:
        if (agent := stage.child("agent")) is not None:
            workspace = self.workspace(agent.below[0].texts[0])
        options = stage.child("options")
        if options is not None and (lock := options.child("lock")) is not None:
            held = {lock.named["variable"]: "some-host"}
        good = True
        try:
            for body in stage.below:
                if body.name == "steps":
                    self.steps(body, workspace, held)
                elif body.name in ("stages", "parallel"):
                    good &= self.stages(body, workspace, held)
        except (StepFailedError, AgentLostError):
            self.outcome.result, good = "FAILURE", False
        return self.post(stage.child("post"), workspace, held) and good

    def workspace(self, label: str) -> Path:
        found = self.folder / label.replace(" ", "_")
        found.mkdir(exist_ok=True)
        return found

    def post(self, post: Call | None, workspace: Path, held: dict[str, str]) -> bool:
        """Every condition is tried; one that fails fails its stage."""
        good = True
        for condition in post.below if post is not None else ():
            if condition.name != "unsuccessful" or self.outcome.result != "SUCCESS":
                try:
                    self.steps(condition, workspace, held)
                except (StepFailedError, AgentLostError):
                    self.outcome.result, good = "FAILURE", False
        return good

    def steps(self, body: Call, workspace: Path, held: dict[str, str]) -> None:
        for call in body.below:
            if call.statement:
                self.step(call, workspace, held)

    def step(self, call: Call, workspace: Path, held: dict[str, str]) -> None:
        if workspace in self.lost and call.name not in ("node", "timeout", "catchError"):
            raise AgentLostError(call.name)
        if call.name in ("timeout", "node", "dir", "withCredentials", "catchError"):
            self.block(call, workspace, held)
            return
        match call.name:
            case "sh":
                self.command(call.texts[0], workspace, held)
            case "stash":
                self.stash(call, workspace)
            case "unstash":
                if call.texts[0] not in self.stashes:
                    raise StepFailedError(f"no stash {call.texts[0]}")
                shutil.copytree(self.stashes[call.texts[0]], workspace, dirs_exist_ok=True)
            case "deleteDir":
                shutil.rmtree(workspace, ignore_errors=True)
            case "junit":
                found = self.found(workspace, call.named["testResults"])
                self.outcome.junit += [self.kept(path) for path in found]
            case "archiveArtifacts":
                found = self.found(workspace, call.named["artifacts"])
                self.outcome.archived += [str(path.relative_to(workspace)) for path in found]
            case "checkout" | "git":
                pass
            case other:
                raise AssertionError(f"the interpreter does not know the step {other}")

    def block(self, call: Call, workspace: Path, held: dict[str, str]) -> None:
        """A step around others."""
        match call.name:
            case "node":
                self.steps(call, self.workspace(call.texts[0]), {})
            case "dir":
                self.steps(call, workspace / self.text(call.texts[0]), held)
            case "withCredentials":
                self.steps(call, workspace, {**held, "SSH_KEY": str(self.folder / "lent")})
            case "catchError":
                try:
                    self.steps(call, workspace, held)
                except StepFailedError:
                    self.outcome.result = call.named["buildResult"]
                except AgentLostError:
                    assert call.named["catchInterruptions"] == "false", "a stopped build goes on"
                    raise
            case _:
                self.steps(call, workspace, held)

    def command(self, text: str, workspace: Path, held: dict[str, str]) -> None:
        self.outcome.commands.append(text)
        if self.loses and self.loses in text:
            self.lost.add(workspace)
            raise AgentLostError(text)
        done = subprocess.run(
            ("sh", "-c", self.sh(text)),
            cwd=workspace,
            env={**os.environ, **self.environment, **held},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        self.outcome.output += f"+ {text}\n{done.stdout}{done.stderr}"
        if done.returncode != 0:
            raise StepFailedError(text)

    def stash(self, call: Call, workspace: Path) -> None:
        target = self.folder / f"stash-{call.named['name']}"
        target.mkdir(exist_ok=True)
        for path in self.found(workspace, call.named["includes"]):
            copy = target / path.relative_to(workspace)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        self.stashes[call.named["name"]] = target

    def found(self, workspace: Path, patterns: str) -> list[Path]:
        """Files by Ant's patterns, where ``**`` at the end means everything below."""
        each = [pattern.strip() for pattern in self.text(patterns).split(",")]
        whole = [f"{pattern}/*" if pattern.endswith("**") else pattern for pattern in each]
        return sorted(
            {path for pattern in whole for path in workspace.glob(pattern) if path.is_file()}
        )

    def kept(self, path: Path) -> Path:
        copy = self.folder / f"junit-{len(self.outcome.junit)}-{path.parent.name}.xml"
        shutil.copy2(path, copy)
        return copy

    def text(self, value: str) -> str:
        return value.replace("$env.BUILD_TAG", self.environment["BUILD_TAG"])
