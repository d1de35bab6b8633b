"""One host's part of a run: leased or booted, deployed to, tested, looked after, handed back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ci.deadline import Deadline
from ci.deploy.corekeeper import keeping_cores
from ci.deploy.deploy import deploy
from ci.errors import InfraError, Interrupted, ProductError, VirtciError
from ci.launch import Suite
from ci.launch.target import SuiteEnd, Target
from ci.model import Access, Build, Deployment
from ci.pipelines.console import console_size
from ci.pipelines.elsewhere import Occupied, Trail, next_place, wedged
from ci.pipelines.guest import GuestFiles, place_guest
from ci.pipelines.kinds import HostKind
from ci.pipelines.lost import Loss, Watch, note_loss
from ci.pipelines.plan import Plan
from ci.pipelines.recovery import bring_back, can_be_brought_back
from ci.pipelines.target import target_of
from ci.pipelines.witness import Witness
from ci.run import Run, Step

LOOK_SECONDS = 60.0
TIDY_SECONDS = 120.0
SUITE_GRACE_SECONDS = 120.0


@dataclass(frozen=True)
class Lane:
    """One host's part of a run. Its results bear the host's name, wherever the work was done."""

    run: Run
    plan: Plan
    host: HostKind
    build: Build
    until: str
    suites: tuple[Suite, ...]
    occupied: Occupied

    @property
    def witness(self) -> Witness:
        """Who keeps what its host can tell."""
        return Witness(self.run, self.plan, self.build, self.host.name)

    def go(self) -> None:
        """All of one host. Its errors are in the journal; only a stop leaves the lane."""
        self._explain_rest()
        trail = Trail(moves=self.plan.lanes.moves)
        where: HostKind | None = self.host
        while where is not None and (self.until != "suites" or self._pending()):
            loss = self._stay(where)
            if loss is None:
                return
            where = next_place(self.host, where, loss, trail, self.plan.hosts)
            if where is not None:
                note_loss(self.run, self.host.name, loss)

    def _explain_rest(self) -> None:
        """What a run that was cut had gathered and not yet read; the host is not needed for it."""
        for suite in self.suites:
            if self._has(suite) and self.witness.is_unread(suite.name):
                self.witness.explain(self.host.name, suite.name)

    def _pending(self) -> bool:
        """Whether any suite of this host is still to be run, or to be looked at behind it."""
        return not self.suites or any(
            not self._has(suite) or self.witness.is_unlooked(suite.name) for suite in self.suites
        )

    def _has(self, suite: Suite) -> bool:
        return self.run.has(self._name(suite), *self._key(suite))

    def _stay(self, where: HostKind) -> Loss | None:
        """Do what can be done there; tell when the host was lost for it."""
        with self.occupied.alone(where.name, self.run.stop):
            try:
                access = self._access(where)
            except InfraError as error:
                return Loss(where.name, error)
            except Interrupted:
                raise
            except VirtciError:
                return None
            try:
                return self._visit(where, access)
            finally:
                where.release(access, Deadline.after(TIDY_SECONDS))

    def _visit(self, where: HostKind, access: Access) -> Loss | None:
        """The work there. The machine is brought back while it is still ours."""
        try:
            self._on_host(where, access)
        except Interrupted:
            raise
        except VirtciError as error:
            if not self._is_up(where, access):
                loss = Loss(access.name, error, reached=True)
                return replace(loss, back=self._bring_back(where, access) is not None)
        finally:
            self.witness.look_at_console(access, "")
        return None

    def _is_up(self, where: HostKind, access: Access) -> bool:
        return where.still_up(access, Deadline.after(LOOK_SECONDS))

    def _bring_back(self, where: HostKind, access: Access) -> str | None:
        """How it came back, for people; None when it did not, or nobody is to try."""
        if not (self.plan.lanes.recover and can_be_brought_back(where)):
            return None
        return bring_back(self.run, self.host.name, where, access)

    def _access(self, where: HostKind) -> Access:
        return self.run.step(
            f"hosts/{self.host.name}",
            Access,
            _acquire,
            self.host,
            beside=(where,),
            still_good=lambda known: self._is_up(where, known),
            seconds=self.plan.limits.hosts,
        )

    def _on_host(self, where: HostKind, access: Access) -> None:
        if self.until == "hosts":
            return
        if access.port:
            with self.witness.kept(access, "deploy"):
                self._deploy(access)
        if self.until == "deploy":
            return
        target = target_of(access, self._guest(access))
        for suite in self.suites:
            if not self._has(suite):
                with self.witness.compared(access, suite):
                    self._try_suite(where, access, suite, target)
            elif self.witness.is_unlooked(suite.name):
                self._look_after(where, access, suite, self._suite(where, access, suite, target))

    def _try_suite(self, where: HostKind, access: Access, suite: Suite, target: Target) -> None:
        """A suite that breaks stops the others only when it took the host with it."""
        try:
            with self.witness.kept(access, suite.name):
                self.witness.mark(access, suite.name)
                with keeping_cores(access, self.witness.place(access, suite.name)):
                    end = self._suite(where, access, suite, target)
            self._look_after(where, access, suite, end)
        except InfraError:
            if not self._is_up(where, access):
                raise
            self._mend(where, access, suite)
        finally:
            self.witness.look_at_console(access, suite.name)

    def _look_after(self, where: HostKind, access: Access, suite: Suite, end: SuiteEnd) -> None:
        """A daemon that died between two calls and was started again fails no case."""
        with self.witness.kept(access, suite.name):
            told = self.witness.look_after(access, suite, failed=end.failed)
            if told:
                self._mend(where, access, suite)
        if told:
            self.witness.explain(access.name, suite.name)

    def _mend(self, where: HostKind, access: Access, suite: Suite) -> None:
        """A host whose libvirt hangs behind a suite would fail every suite behind it, too."""
        if not (access.port and can_be_brought_back(where) and (why := wedged(access))):
            return
        how = self._bring_back(where, access)
        error = ProductError(
            f"libvirt of {access.name} was wedged behind {suite.name}: {why}; "
            f"{f'back {how}' if how else 'it was not brought back'}",
            hint="what it looked like before is in recover/",
        )
        note_loss(self.run, self.host.name, Loss(access.name, error), what="wedged")

    def _guest(self, access: Access) -> GuestFiles:
        """The test driver runs no guest, so there none is made."""
        if access.hypervisor == "test":
            return GuestFiles(kernel="", initrd="")
        return self.run.step(
            f"guest/{self.host.name}",
            GuestFiles,
            place_guest,
            access,
            seconds=self.plan.limits.hosts,
        )

    def _deploy(self, access: Access) -> Deployment:
        return self.run.step(
            f"deploy/{self.host.name}",
            Deployment,
            deploy,
            self.plan.deploy,
            self.build,
            access,
            seconds=self.plan.limits.deploy,
        )

    def _suite(self, where: HostKind, access: Access, suite: Suite, target: Target) -> SuiteEnd:
        """A suite is never retried: a pass on the second try would hide the first."""
        watch = Watch(access, console_size(access), lambda: self._is_up(where, access))
        return self.run.step(
            self._name(suite),
            SuiteEnd,
            _launch,
            *self._key(suite),
            beside=(target, watch),
            retries=0,
            seconds=suite.seconds + SUITE_GRACE_SECONDS,
        )

    def _name(self, suite: Suite) -> str:
        return f"suites/{self.host.name}/{suite.name}"

    def _key(self, suite: Suite) -> tuple[Suite, HostKind, tuple[str, ...]]:
        """What makes results stale: the suite, its host, the packages; never a new boot."""
        return suite, self.host, tuple(rpm.sha256 for rpm in self.build.rpms)


def _acquire(step: Step, _host: HostKind, where: HostKind) -> Access:
    return where.acquire(step)


def _launch(
    step: Step,
    suite: Suite,
    _host: HostKind,
    _packages: tuple[str, ...],
    target: Target,
    watch: Watch,
) -> SuiteEnd:
    """A suite whose host goes away has not ended: what it says of that host is no verdict."""
    try:
        end = suite.run(step, target)
    except InfraError:
        watch.raise_if_lost(step)
        raise
    if end.failed:
        watch.raise_if_lost(step)
    return end
