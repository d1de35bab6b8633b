"""One call, judged: pure but for the memory of calls; the server around it only moves bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ci.deadline import Clock
from ci.hook.event import HookEvent, Unreadable, read_event
from ci.hook.plan import Caller, HookPlan
from ci.hook.replay import Seen
from ci.hook.signature import TIME, proven

# A redelivery has the same one; what is not signed cannot be trusted further than that.
DELIVERY = {
    "github": "",
    "gitlab": "x-gitlab-event-uuid",
    "obs": "x-request-id",
    "virtci": TIME.lower(),
}


@dataclass(frozen=True)
class Verdict:
    """An HTTP status with a sentence that tells an attacker nothing."""

    status: int
    text: str


@dataclass(frozen=True)
class Desk:
    """Who may call, and whom to tell of a genuine call."""

    plan: HookPlan
    secrets: Mapping[str, bytes]
    seen: Seen
    clock: Clock
    accept: Callable[[Caller, HookEvent], bool]

    def judge(self, path: str, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Prove the caller first; the body is not looked at before."""
        caller = next((one for one in self.plan.callers if one.path == path), None)
        if caller is None:
            return Verdict(404, "no such path")
        small = {name.lower(): value for name, value in headers.items()}
        secret = self.secrets[caller.path]
        if not proven(caller.kind, secret, small, body, now=self.clock.wall()):
            return Verdict(401, "not proven")
        return self._heard(caller, small, body)

    def _heard(self, caller: Caller, small: Mapping[str, str], body: bytes) -> Verdict:
        try:
            event = read_event(caller.kind, small, body)
        except Unreadable as error:
            return Verdict(400, str(error))
        if event is None or not _wanted(caller, event):
            return Verdict(200, "nothing to do")
        return self._take(caller, event, small.get(DELIVERY[caller.kind], ""), body)

    def _take(self, caller: Caller, event: HookEvent, delivery: str, body: bytes) -> Verdict:
        """Taken at most once; a call that was refused for lack of room may come again."""
        taken = self.seen.once((caller.path, delivery), body, lambda: self.accept(caller, event))
        if taken is None:
            return Verdict(409, "this call was taken already")
        return Verdict(202, "taken") if taken else Verdict(503, "too much waits; call again later")


def _wanted(caller: Caller, event: HookEvent) -> bool:
    branch = not caller.branches or event.branch in caller.branches
    return branch and (not caller.packages or event.package in caller.packages)


def parameters(caller: Caller, event: HookEvent) -> dict[str, str]:
    """The job's parameters; a field that the event does not have is left to the job's default."""
    values = {name: str(getattr(event, field)) for name, field in caller.parameters.items()}
    return {name: value for name, value in values.items() if value}
