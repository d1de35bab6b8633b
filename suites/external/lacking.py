"""What fails because the host lacks something is not the product's failure.

libvirt's errors tell; what a script fails in after that follows from it and is not judged either.
"""

from __future__ import annotations

import re

import msgspec

from ci.model import Outcome
from suites.external.case import Finding
from suites.tck.verdict import LACKING

OF_LIBVIRT_TCK = {
    "disk image with a whole guest (the suite's `image` names one that virt-builder knows)": (
        r"cannot find any supported image configuration"
    ),
    "active network called default": r"network 'default' is not active",
    "EFI firmware of this kind": r"Unable to find any firmware to satisfy",
    "file of a guest's process where scripts look, for the daemon has a run folder of its own": (
        r"cannot read PID /var/run/libvirt/qemu/"
    ),
    "service manager that reloads the daemon": r"failed on reload daemon",
    "usable KVM, which this script insists on": r"could not get preferred machine .* type=kvm",
    "processor idle enough for qemu-img to time its key": r"Unable to get accurate CPU usage",
    "program that the script calls": r"\b[\w.-]+: (?:command )?not found",
    "bridge that the script made, for the daemon lives in another network namespace": (
        r"Cannot get interface MTU on 'tck': No such device"
    ),
}


def lacking(text: str) -> str:
    """What the host does not have by these messages; empty when they say nothing of the kind."""
    patterns = {**LACKING, **OF_LIBVIRT_TCK}
    return next((what for what, pattern in patterns.items() if re.search(pattern, text)), "")


def judge(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The same verdicts of one script, without failures that the host is to blame for."""
    judged: list[Finding] = []
    missed = ""
    for finding in findings:
        if finding.outcome is not Outcome.FAILED:
            judged.append(finding)
        elif what := lacking(f"{finding.message}\n{finding.detail}"):
            missed = f"this host has no {what}"
            judged.append(_skipped(finding, f"{missed}: {finding.message}"))
        else:
            judged.append(_skipped(finding, f"follows: {missed}") if missed else finding)
    return tuple(judged)


def _skipped(finding: Finding, why: str) -> Finding:
    return msgspec.structs.replace(finding, outcome=Outcome.SKIPPED, message=why)
