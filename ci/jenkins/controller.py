"""A controller's verbs, each one request, typed. Waiting and deciding are done elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.jenkins.api import Answer, Door, job_path
from ci.jenkins.seen import (
    TREE,
    Artifact,
    BuildState,
    Case,
    Credential,
    Job,
    Node,
    Plugin,
    QueueItem,
    Resource,
    Stage,
    Suite,
    User,
    seen,
)

MOST_IN_URL = 4000  # containers refuse longer request lines than 8 KiB
LISTED = "_class,name,fullName,description,disabled,views[name,description]"
DEPTH = 5
JOB = (
    "_class,name,fullName,description,disabled,buildable,color,inQueue,nextBuildNumber,"
    "property[parameterDefinitions[name,type,choices,defaultParameterValue[value]]]"
)
NODES = (
    "computer[displayName,offline,offlineCauseReason,temporarilyOffline,numExecutors,idle,"
    "assignedLabels[name]]"
)


class Absent(InfraError):  # noqa: N818 - reads as what happened
    """What every controller has is not there, or may not be seen."""


@dataclass(frozen=True, slots=True)
class Order:
    """A build that was asked for. ``merged``: the same one was queued already."""

    queue_id: int
    merged: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a console. ``next`` is the offset to ask for then, as the controller counts."""

    text: str
    next: int
    more: bool


@dataclass(frozen=True)
class Controller:
    """One controller as one user. Every call takes a deadline; None means: no such thing."""

    door: Door

    @property
    def url(self) -> str:
        return self.door.login.url

    def version(self, deadline: Deadline) -> str:
        """Its version, such as 2.516.2; empty when a proxy hides it."""
        answer = self._must("GET", "api/json", deadline, query={"tree": "mode"})
        return answer.headers.get("X-Jenkins", "")

    def whoami(self, deadline: Deadline) -> str:
        answer = self._must("GET", "me/api/json", deadline, query={"tree": "id"})
        return seen(answer.text, User, what="me").id

    def job(self, name: str, deadline: Deadline) -> Job | None:
        answer = self.door.ask("GET", _api(job_path(name)), deadline, query={"tree": JOB})
        return seen(answer.text, Job, what=name) if answer else None

    def folder(self, name: str, deadline: Deadline) -> Job | None:
        """A folder with everything in it and below, in one request."""
        query = {"tree": _listed(DEPTH)}
        answer = self.door.ask("GET", _api(job_path(name)), deadline, query=query)
        return seen(answer.text, Job, what=name) if answer else None

    def config(self, name: str, deadline: Deadline) -> str | None:
        answer = self.door.ask("GET", f"{job_path(name)}/config.xml", deadline)
        return answer.text if answer else None

    def create(self, name: str, xml: str, deadline: Deadline) -> None:
        """Make a job or folder. Its folder has to be there; an existing one is refused."""
        folder, _, short = name.rpartition("/")
        self._must(
            "POST", f"{job_path(folder)}/createItem", deadline, query={"name": short}, xml=xml
        )

    def reconfigure(self, name: str, xml: str, deadline: Deadline) -> None:
        """Replace a job's configuration; its builds stay."""
        self._must("POST", f"{job_path(name)}/config.xml", deadline, xml=xml)

    def delete(self, name: str, deadline: Deadline) -> bool:
        return self.door.ask("POST", f"{job_path(name)}/doDelete", deadline) is not None

    def view_config(self, folder: str, view: str, deadline: Deadline) -> str | None:
        answer = self.door.ask("GET", f"{_view(folder, view)}/config.xml", deadline)
        return answer.text if answer else None

    def write_view(
        self, folder: str, view: str, xml: str, deadline: Deadline, *, new: bool
    ) -> None:
        if new:
            path = f"{job_path(folder)}/createView"
            self._must("POST", path, deadline, query={"name": view}, xml=xml)
        else:
            self._must("POST", f"{_view(folder, view)}/config.xml", deadline, xml=xml)

    def delete_view(self, folder: str, view: str, deadline: Deadline) -> bool:
        return self.door.ask("POST", f"{_view(folder, view)}/doDelete", deadline) is not None

    def order(
        self, name: str, parameters: Mapping[str, str], deadline: Deadline, *, parameterised: bool
    ) -> Order:
        """Ask for a build. A parameterised job refuses plain ``build``, and the other way round."""
        if parameterised:
            path = f"{job_path(name)}/buildWithParameters"
        else:
            path, parameters = f"{job_path(name)}/build", {}
        long = sum(len(value) for value in parameters.values()) > MOST_IN_URL
        answer = self._must(
            "POST",
            path,
            deadline,
            query=None if long else parameters,
            form=parameters if long else None,
        )
        found = re.search(r"/queue/item/(\d+)", answer.location)
        if found is None:
            raise InfraError(f"{name}: the controller took the order but named no queue item")
        return Order(int(found[1]), merged=answer.status == 303)

    def queue_item(self, number: int, deadline: Deadline) -> QueueItem | None:
        query = {"tree": TREE["queue"]}
        answer = self.door.ask("GET", f"queue/item/{number}/api/json", deadline, query=query)
        return seen(answer.text, QueueItem, what=f"queue item {number}") if answer else None

    def queue(self, deadline: Deadline) -> tuple[QueueItem, ...]:
        query = {"tree": f"items[{TREE['queue']}]"}
        answer = self._must("GET", "queue/api/json", deadline, query=query)
        return seen(answer.text, tuple[QueueItem, ...], what="queue", inside="items")

    def cancel(self, queue_id: int, deadline: Deadline) -> None:
        """Take an order back; one that has left already answers 500, so look afterwards."""
        self._must("POST", "queue/cancelItem", deadline, query={"id": str(queue_id)})

    def build(self, name: str, number: int, deadline: Deadline) -> BuildState | None:
        query = {"tree": TREE["build"]}
        answer = self.door.ask("GET", _api(f"{job_path(name)}/{number}"), deadline, query=query)
        return seen(answer.text, BuildState, what=f"{name} #{number}") if answer else None

    def builds(self, name: str, deadline: Deadline) -> tuple[BuildState, ...]:
        """The latest builds, newest first."""
        query = {"tree": f"builds[{TREE['build']}]{{0,20}}"}
        answer = self.door.ask("GET", _api(job_path(name)), deadline, query=query)
        if answer is None:
            return ()
        return seen(answer.text, tuple[BuildState, ...], what=name, inside="builds")

    def builds_below(self, folder: str, deadline: Deadline) -> dict[str, tuple[BuildState, ...]]:
        """The latest builds of every job right in a folder, by full name, in one request."""
        query = {"tree": f"jobs[name,builds[{TREE['build']}]{{0,20}}]"}
        answer = self.door.ask("GET", _api(job_path(folder)), deadline, query=query)
        if answer is None:
            return {}
        found = seen(answer.text, tuple[Job, ...], what=folder, inside="jobs")
        return {f"{folder}/{job.name}".lstrip("/"): job.builds for job in found}

    def stop(self, name: str, number: int, deadline: Deadline) -> None:
        """Ask a build to stop; it goes on for a while."""
        self.door.ask("POST", f"{job_path(name)}/{number}/stop", deadline)

    def console(self, name: str, number: int, start: int, deadline: Deadline) -> Chunk | None:
        answer = self.door.ask(
            "GET",
            f"{job_path(name)}/{number}/logText/progressiveText",
            deadline,
            query={"start": str(start)},
        )
        if answer is None:
            return None
        size = int(answer.headers.get("X-Text-Size", "0"))
        return Chunk(answer.text, size, more="X-More-Data" in answer.headers)

    def stages(self, name: str, number: int, deadline: Deadline) -> tuple[Stage, ...]:
        """What the stage view shows; nothing when that plugin is missing."""
        path = f"{job_path(name)}/{number}/wfapi/describe"
        answer = self.door.ask("GET", path, deadline)
        if answer is None:
            return ()
        return seen(answer.text, tuple[Stage, ...], what=name, inside="stages")

    def failed_cases(self, name: str, number: int, deadline: Deadline) -> tuple[Case, ...] | None:
        """The failed tests of a build; None when it has published none."""
        path = _api(f"{job_path(name)}/{number}/testReport")
        query = {"tree": "suites[cases[className,name,status,errorDetails]]"}
        answer = self.door.ask("GET", path, deadline, query=query)
        if answer is None:
            return None
        suites = seen(answer.text, tuple[Suite, ...], what=name, inside="suites")
        return tuple(case for suite in suites for case in suite.cases if case.failed)

    def artifacts(self, name: str, number: int, deadline: Deadline) -> tuple[Artifact, ...]:
        path = _api(f"{job_path(name)}/{number}")
        answer = self.door.ask("GET", path, deadline, query={"tree": "artifacts[relativePath]"})
        if answer is None:
            return ()
        return seen(answer.text, tuple[Artifact, ...], what=name, inside="artifacts")

    def fetch(self, name: str, number: int, artifact: str, to: Path, deadline: Deadline) -> bool:
        return self.door.download(
            f"{job_path(name)}/{number}/artifact/{quote(artifact)}", to, deadline
        )

    def validate(self, jenkinsfile: str, deadline: Deadline) -> str | None:
        """The validator's answer (JSON); None when the plugin is missing."""
        path = "pipeline-model-converter/validateJenkinsfile"
        answer = self.door.ask("POST", path, deadline, form={"jenkinsfile": jenkinsfile})
        return answer.text if answer else None

    def plugins(self, deadline: Deadline) -> tuple[Plugin, ...]:
        query = {"depth": "1", "tree": "plugins[shortName,version,enabled,active]"}
        answer = self._must("GET", "pluginManager/api/json", deadline, query=query)
        return seen(answer.text, tuple[Plugin, ...], what="plugins", inside="plugins")

    def nodes(self, deadline: Deadline) -> tuple[Node, ...]:
        answer = self._must("GET", "computer/api/json", deadline, query={"tree": NODES})
        return seen(answer.text, tuple[Node, ...], what="nodes", inside="computer")

    def resources(self, deadline: Deadline) -> tuple[Resource, ...] | None:
        answer = self.door.ask("GET", "lockable-resources/api/json", deadline)
        if answer is None:
            return None
        return seen(answer.text, tuple[Resource, ...], what="locks", inside="resources")

    def script(self, text: str, deadline: Deadline) -> str:
        """Run a script in the script console (administrators only); what it printed."""
        return self._must("POST", "scriptText", deadline, form={"script": text}).text

    def credentials(self, deadline: Deadline) -> tuple[Credential, ...] | None:
        path = "credentials/store/system/domain/_/api/json"
        answer = self.door.ask("GET", path, deadline, query={"tree": "credentials[id]"})
        if answer is None:
            return None
        return seen(answer.text, tuple[Credential, ...], what="credentials", inside="credentials")

    def _must(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        xml: str | None = None,
    ) -> Answer:
        answer = self.door.ask(method, path, deadline, query=query, form=form, xml=xml)
        if answer is None:
            raise Absent(
                f"{self.url}{path} is not there, or {self.door.login.user} may not see it (404)",
                hint="virtci jenkins doctor tells which plugins and permissions are missing",
            )
        return answer


def _api(path: str) -> str:
    return f"{path}/api/json".lstrip("/")


def _view(folder: str, view: str) -> str:
    return f"{job_path(folder)}/view/{quote(view, safe='')}"


def _listed(depth: int) -> str:
    return f"{LISTED},jobs[{_listed(depth - 1)}]" if depth else LISTED
