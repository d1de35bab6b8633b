"""The first screen in sentences: whose fault it is, and whether what ran is what was built."""

from __future__ import annotations

from collections.abc import Sequence

from ci.model import Outcome
from ci.report.compare import Difference
from ci.report.failures import Failures
from ci.report.results import RunResults


def fault(word: str, groups: Sequence[Failures], difference: Difference | None) -> str:
    """Whose fault it is, how much of it, and how much of that is new."""
    match word:
        case "passed":
            return "Everything that was tried holds."
        case "refused":
            return f"The plan or a setting is to blame. Beside it: {_so_far(groups)}."
        case "interrupted":
            return f"Somebody stopped the run before its end. So far: {_so_far(groups)}."
        case "cut":
            return f"The run was cut, or it still goes on. So far: {_so_far(groups)}."
    product = [group for group in groups if group.blame == "product"]
    lab = sum(group.count for group in groups if group.outcome is Outcome.BROKEN)
    if not product:
        what = _times(lab, "time") if lab else "no result at all"
        return f"The lab is to blame ({what}): nothing of this says that the product is bad."
    said = f"The product is to blame: {_failures(product)}{_new(product, difference)}."
    if lab:
        said += (
            f" Beside it the lab broke {_times(lab, 'thing')}, which say nothing of the product."
        )
    return said


def proven(results: RunResults) -> str:
    """Whether the hosts ran the very files that were built."""
    modules = [module for one in results.deployments for module in one.modules]
    wrong = sum(module.build_id != module.expected for module in modules)
    if wrong:
        return f"{wrong} of {len(modules)} running modules are NOT what was built"
    if modules:
        hosts = ", ".join(one.host for one in results.deployments)
        return f"all {len(modules)} running modules on {hosts} are what was built, by build-id"
    if results.build is not None:
        return "not known: no running module was compared with what was built"
    return "nothing was built or deployed: what is installed there was tested as it is"


def _so_far(groups: Sequence[Failures]) -> str:
    product = [group for group in groups if group.blame == "product"]
    lab = sum(group.count for group in groups if group.outcome is Outcome.BROKEN)
    return f"{_failures(product) if product else 'no failure'} of the product, {lab} of the lab"


def _failures(groups: Sequence[Failures]) -> str:
    count = sum(group.count for group in groups)
    return f"{_times(count, 'failure')} with {_times(len(groups), 'signature')}"


def _new(groups: Sequence[Failures], difference: Difference | None) -> str:
    if difference is None:
        return ""
    new = sum(group.signature in difference.new_signatures for group in groups)
    return f", {new or 'none'} of them new"


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
