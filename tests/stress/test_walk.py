"""The model of a life is libvirt's, and what breaks it is told in the fewest calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import libvirt
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ci.model import Outcome
from suites.hypervisor.domain_xml import Platform
from suites.stress.domain_xml import GuestKind, domain_xml
from suites.stress.life import ABSENT, RULES, Expected, Life, predict
from suites.stress.options import Options
from suites.stress.shrink import shortest
from tests.stress.loop import loop

NAME = "virtci-stress-model"
KIND = GuestKind(runs=False, platform=Platform(type="test", os="hvm", arch="x86_64"))


def test_the_shortest_failing_sequence_is_found() -> None:
    def fails(walk: tuple[int, ...]) -> bool:
        return 3 in walk and 7 in walk and walk.index(3) < walk.index(7)

    assert shortest(tuple(range(40)), fails) == (3, 7)
    assert shortest((9, 9, 3, 9, 9, 7, 9), fails) == (3, 7)


def test_what_does_not_fail_again_is_left_as_it_is() -> None:
    assert shortest((1, 2, 3), lambda _: False) == (1, 2, 3)


@pytest.mark.parametrize("action", sorted(set(RULES) - {"define", "create"}))
def test_nothing_can_be_done_to_an_absent_domain(action: str) -> None:
    assert predict(ABSENT, action, "QEMU").refused == {libvirt.VIR_ERR_NO_DOMAIN}


@pytest.mark.parametrize(
    ("driver", "action", "code"),
    [
        ("TEST", "start", libvirt.VIR_ERR_INTERNAL_ERROR),
        ("TEST", "create", libvirt.VIR_ERR_OPERATION_INVALID),
        ("QEMU", "start", libvirt.VIR_ERR_OPERATION_INVALID),
        ("QEMU", "remove_saved", libvirt.VIR_ERR_SYSTEM_ERROR),
        ("Xen", "start", libvirt.VIR_ERR_OPERATION_INVALID),
        ("Xen", "remove_saved", libvirt.VIR_ERR_INTERNAL_ERROR),
    ],
)
def test_a_driver_refuses_with_one_code(driver: str, action: str, code: int) -> None:
    running = Life(active=True, persistent=True)
    assert predict(running, action, driver).refused == {code}


def test_a_driver_that_nobody_has_looked_at_may_refuse_in_several_ways() -> None:
    assert len(predict(Life(active=True), "start", "ESX").refused) == 3


def test_what_was_saved_paused_is_restored_paused() -> None:
    life = Life(active=True, persistent=True, paused=True)
    for action in ("managed_save", "start"):
        life = predict(life, action, "QEMU").life
    assert life == Life(active=True, persistent=True, paused=True)


def test_to_xen_each_start_of_a_saved_domain_is_a_return_to_its_image() -> None:
    saved = Life(persistent=True, saved=True)
    for action in ("create", "start"):
        expected = predict(saved, action, "Xen")
        assert expected.life == Life(active=True, persistent=True)
        assert "started:restored" in expected.events


def test_xen_takes_pausing_twice_and_waking_twice_as_done_and_saves_no_paused_guest() -> None:
    running = Life(active=True, persistent=True)
    paused = Life(active=True, persistent=True, paused=True)
    assert predict(paused, "suspend", "Xen") == Expected(life=paused)
    assert predict(running, "resume", "Xen") == Expected(life=running)
    assert predict(paused, "managed_save", "Xen").refused == {libvirt.VIR_ERR_OPERATION_INVALID}


@pytest.mark.parametrize("driver", ["TEST", "QEMU", "Xen"])
def test_a_refused_call_changes_nothing(driver: str) -> None:
    lives = [
        Life(active=active, persistent=persistent, paused=paused and active, saved=saved)
        for active in (False, True)
        for persistent in (False, True)
        for paused in (False, True)
        for saved in (False, persistent)
    ]
    for life in lives:
        for action in RULES:
            expected = predict(life, action, driver)
            if expected.refused:
                assert expected.life == life
                assert not expected.events


class ModelAgainstTestDriver(RuleBasedStateMachine):
    """The model and libvirt's own test driver, through whatever calls hypothesis thinks of."""

    def __init__(self) -> None:
        super().__init__()
        self.connection: Any = libvirt.open("test:///default")
        self.life = ABSENT
        self.xml = domain_xml(NAME, KIND, keep_uuid=True)

    def _do(self, action: str) -> None:
        expected = predict(self.life, action, "TEST")
        code = 0
        try:
            self._call(action)
        except libvirt.libvirtError as error:
            code = error.get_error_code()
        assert code in (expected.refused or {0}), (self.life, action)
        self.life = expected.life

    def _call(self, action: str) -> None:
        match action:
            case "define":
                self.connection.defineXML(self.xml)
            case "create":
                self.connection.createXML(self.xml, 0)
            case _:
                names = {
                    "start": "create", "managed_save": "managedSave", "dump_xml": "XMLDesc",
                    "remove_saved": "managedSaveRemove",
                }  # fmt: skip
                domain = self.connection.lookupByName(NAME)
                getattr(domain, names.get(action, action))()

    @rule()
    def define(self) -> None:
        self._do("define")

    @rule()
    def undefine(self) -> None:
        self._do("undefine")

    @rule()
    def create(self) -> None:
        self._do("create")

    @rule()
    def start(self) -> None:
        self._do("start")

    @rule()
    def suspend(self) -> None:
        self._do("suspend")

    @rule()
    def resume(self) -> None:
        self._do("resume")

    @rule()
    def destroy(self) -> None:
        self._do("destroy")

    @rule()
    def managed_save(self) -> None:
        self._do("managed_save")

    @rule()
    def remove_saved(self) -> None:
        self._do("remove_saved")

    @invariant()
    def libvirt_and_the_model_agree(self) -> None:
        names = [domain.name() for domain in self.connection.listAllDomains()]
        assert (NAME in names) == self.life.there
        if self.life.there:
            domain = self.connection.lookupByName(NAME)
            assert bool(domain.isActive()) == self.life.active
            assert bool(domain.isPersistent()) == self.life.persistent
            assert bool(domain.hasManagedSaveImage()) == self.life.saved
            assert (domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED) == self.life.paused

    def teardown(self) -> None:
        for action in ("destroy", "remove_saved", "undefine"):
            try:
                self._call(action)
            except libvirt.libvirtError:
                continue
        self.connection.close()


TestModel = ModelAgainstTestDriver.TestCase
TestModel.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # machines are loaded at times
)


def walking(folder: Path, **changed: Any) -> Options:
    values = {"scenario": "walk", "loops": 25, "seed": 3, **changed}
    return Options(connect="test:///default", ledger=str(folder / "ledger"), **values)


def test_walks_on_the_test_driver_agree_with_the_model(tmp_path: Path) -> None:
    done = loop(walking(tmp_path))
    assert done.verdict.outcome == "PASS", done.said
    outcomes = {op.op for op in done.operations}
    assert outcomes == set(RULES)  # 25 walks have been everywhere


@pytest.mark.real
def test_a_walk_that_fails_is_told_in_the_fewest_calls(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from suites.stress import life, walk\n"
        "life.RULES['suspend'] = lambda now, driver: life.Expected(life=now)\n"
        "def mine(play):\n"
        "    walk.perform(play)\n"
    )
    done = loop(walking(tmp_path, scenario=f"{wrong}:mine", loops=10))
    failed = [case for case in done.cases if case.outcome is Outcome.FAILED]
    assert failed
    for case in failed:
        short = case.message.partition("the shortest sequence that fails: ")[2].split(", ")
        assert short[-1].startswith("suspend")
        assert len(short) <= 3
