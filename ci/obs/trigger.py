"""Start what a rule asks for; starting the same thing twice starts it once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ci.deadline import Deadline
from ci.jenkins.api import Door as JenkinsDoor
from ci.jenkins.controller import Controller
from ci.jenkins.login import login_from
from ci.jenkins.once import known_job, order_once
from ci.obs.claims import Claim
from ci.obs.rules import JenkinsJob, RunPlan, filled
from ci.shell import Argv

log = logging.getLogger(__name__)
JENKINS_SECONDS = 120.0


@dataclass
class Starter:
    """Starts runs as child processes that outlive us, and orders of Jenkins jobs."""

    folder: Path
    program: Argv = (sys.executable, "-m", "ci")
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def start(self, claim: Claim, what: RunPlan | JenkinsJob) -> str:
        """Start it, or find it started by a watcher that died; return what it is called."""
        match what:
            case RunPlan():
                return self._run(claim, what)
            case JenkinsJob():
                return _order(claim, what)

    def reap(self) -> int:
        """Notice children that have ended; return how many still run."""
        for name, child in list(self.children.items()):
            if (status := child.poll()) is not None:
                log.info("%s ended with %s", name, status)
                self.ended[name] = status
                del self.children[name]
        return len(self.children)

    def _run(self, claim: Claim, what: RunPlan) -> str:
        """A run is named after the build: a second start of it goes on with the first."""
        changes = (
            word for c in what.changes for word in ("--set", filled(c, claim.notice, claim.id))
        )
        argv = (*self.program, "run", what.plan, "--name", claim.id, "--runs", what.runs, *changes)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{claim.id}.log").open("ab") as output:
            self.children[claim.id] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        return f"run {claim.id}"


def _order(claim: Claim, what: JenkinsJob) -> str:
    deadline = Deadline.after(JENKINS_SECONDS)
    controller = Controller(JenkinsDoor(login_from(os.environ, Path.home())))
    job = known_job(controller, what.job, deadline)
    given = {name: filled(text, claim.notice, claim.id) for name, text in what.parameters.items()}
    return order_once(controller, job, given, {what.mark: claim.id}, deadline)
