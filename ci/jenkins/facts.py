"""What a job is, apart from how a controller happens to write it.

A run saves config.xml anew (plugin versions, actions, order, choices as another kind of list), so
texts cannot be compared; facts can. Their digest stands in the job's description as our mark.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # the types; what is read goes through defusedxml

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ci.codec import fingerprint
from ci.errors import InfraError
from ci.model import Record
from ci.templates import render

PARAMETERS = "hudson.model.ParametersDefinitionProperty"
TRIGGERS = "org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty"
SINGLE = "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"
DISCARDER = "jenkins.model.BuildDiscarderProperty"
OURS = (PARAMETERS, TRIGGERS, SINGLE, DISCARDER)
TIMER, POLLING = "hudson.triggers.TimerTrigger", "hudson.triggers.SCMTrigger"
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MARK = re.compile(r"\s*\[virtci ([0-9a-f]{16})\]\s*$")


class ParameterFacts(Record, frozen=True, kw_only=True):
    name: str
    kind: str = "String"
    default: str = ""
    choices: tuple[str, ...] = ()
    description: str = ""


class JobFacts(Record, frozen=True, kw_only=True):
    """A pipeline job. ``others`` are properties and triggers that virtci does not manage."""

    description: str = ""
    parameters: tuple[ParameterFacts, ...] = ()
    cron: str = ""
    poll: str = ""
    keep_builds: int = -1
    keep_artifacts: int = -1
    one_at_a_time: bool = False
    script: str = ""
    sandbox: bool = True
    disabled: bool = False
    others: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return fingerprint(self)


def to_xml(facts: JobFacts) -> str:
    """config.xml with our mark; every value is escaped."""
    description = marked(facts.description, facts.digest)
    return render("ci.jenkins", "job.xml.j2", facts=facts, description=description)


def marked(description: str, digest: str) -> str:
    return f"{description} [virtci {digest}]"


def mark_of(description: str | None) -> str:
    """The digest in our mark, or empty: then it is not ours."""
    found = _MARK.search(description or "")
    return found[1] if found else ""


def from_xml(xml: str) -> JobFacts:
    """The facts of a config.xml. Raises InfraError when it is none."""
    root = _read(xml)
    properties = root.find("properties")
    found = list(properties) if properties is not None else []
    triggers = [item for one in found if one.tag == TRIGGERS for item in one.iterfind("triggers/*")]
    discarder = next((one for one in found if one.tag == DISCARDER), None)
    definition = root.find("definition")
    script = definition.findtext("script") if definition is not None else None
    return JobFacts(
        description=_MARK.sub("", root.findtext("description", "")).strip(),
        parameters=tuple(
            _parameter(item)
            for one in found
            if one.tag == PARAMETERS
            for item in one.iterfind("parameterDefinitions/*")
        ),
        cron=_spec(triggers, TIMER),
        poll=_spec(triggers, POLLING),
        keep_builds=_number(discarder, "strategy/numToKeep"),
        keep_artifacts=_number(discarder, "strategy/artifactNumToKeep"),
        one_at_a_time=any(one.tag == SINGLE for one in found),
        script=script or "",
        sandbox=definition is not None and definition.findtext("sandbox") == "true",
        disabled=root.findtext("disabled") == "true",
        others=_others(root, found, triggers),
    )


def _read(xml: str) -> ET.Element:
    """Jenkins declares XML 1.1, which Python's parser refuses although the text is fine as 1.0."""
    try:
        root: ET.Element = fromstring(_DECLARATION.sub("", xml))
    except (ET.ParseError, DefusedXmlException) as error:
        raise InfraError(f"the controller's config.xml is not readable: {error}") from None
    return root


def _parameter(item: ET.Element) -> ParameterFacts:
    return ParameterFacts(
        name=item.findtext("name", ""),
        kind=item.tag.rpartition(".")[2].removesuffix("ParameterDefinition"),
        default=item.findtext("defaultValue", "") or "",
        choices=tuple(string.text or "" for string in item.iterfind("choices//string")),
        description=item.findtext("description", "") or "",
    )


def _spec(triggers: list[ET.Element], kind: str) -> str:
    return "\n".join((item.findtext("spec") or "").strip() for item in triggers if item.tag == kind)


def _number(item: ET.Element | None, path: str) -> int:
    text = item.findtext(path, "-1") if item is not None else "-1"
    return int(text) if text.strip().lstrip("-").isdigit() else -1


def _others(
    root: ET.Element, found: list[ET.Element], triggers: list[ET.Element]
) -> tuple[str, ...]:
    others = [one.tag for one in found if one.tag not in OURS]
    others += [item.tag for item in triggers if item.tag not in (TIMER, POLLING)]
    if root.tag != "flow-definition":
        others.append(root.tag)
    if root.find("definition/scm") is not None:
        others.append("definition/scm")
    return tuple(sorted(others))
