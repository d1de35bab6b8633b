"""What a controller does with a job's config.xml, as recorded."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
PLUGIN_VERSION = "@1546.v62a_c59c112dd"


def parse(xml: str) -> ET.Element:
    return ET.fromstring(DECLARATION.sub("", xml))


def as_posted(xml: str) -> str:
    """Until a build has run, what was posted comes back nearly as it was."""
    root = parse(xml)
    return '<?xml version="1.1" encoding="UTF-8"?>' + ET.tostring(root, encoding="unicode")


def as_saved_by_a_run(xml: str) -> str:
    """A run saves the job anew: plugin versions, actions, choices as a plain list, new order."""
    root = parse(xml)
    root.set("plugin", f"workflow-job{PLUGIN_VERSION}")
    actions = ET.Element("actions")
    ET.SubElement(
        actions,
        "org.jenkinsci.plugins.pipeline.modeldefinition.actions.DeclarativeJobAction",
        plugin="pipeline-model-definition@2.2265.v140e610fe9d5",
    )
    root.insert(0, actions)
    for choices in root.iter("choices"):
        strings = [item.text for item in choices.iter("string")]
        for child in list(choices):
            choices.remove(child)
        choices.attrib.pop("class", None)
        for text in strings:
            ET.SubElement(choices, "string").text = text
    properties = root.find("properties")
    if properties is not None:
        properties[:] = sorted(properties, key=lambda item: item.tag, reverse=True)
    for definition in root.iter("definition"):
        definition.set("plugin", "workflow-cps@4183.v94b_6fd39da_c1")
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode").replace("'", "&apos;")
    return f"<?xml version='1.1' encoding='UTF-8'?>\n{text}"


def parameters(xml: str) -> list[dict[str, object]]:
    """Parameter definitions as the JSON shows them."""
    found: list[dict[str, object]] = []
    for item in parse(xml).iterfind(".//parameterDefinitions/*"):
        kind = item.tag.rpartition(".")[2]
        definition: dict[str, object] = {
            "_class": item.tag,
            "name": item.findtext("name", ""),
            "type": kind,
        }
        choices = [string.text or "" for string in item.iterfind(".//string")]
        default: object = item.findtext("defaultValue", "")
        if kind == "ChoiceParameterDefinition":
            definition["choices"], default = choices, choices[0] if choices else ""
        if kind == "BooleanParameterDefinition":
            default = default == "true"
        definition["defaultParameterValue"] = {"name": item.findtext("name", ""), "value": default}
        found.append(definition)
    return found
