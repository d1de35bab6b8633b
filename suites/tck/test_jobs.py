"""Long work: what it tells of itself, how it is stopped; and moving a domain elsewhere."""

from __future__ import annotations

import threading

import libvirt
import pytest

from suites.hypervisor.handle import Handle
from suites.tck.domains import RUNNING, eventually, state
from suites.tck.lab import Lab
from suites.tck.live import Guest
from suites.tck.verdict import refused

LIVE_MIGRATION = libvirt.VIR_MIGRATE_LIVE
NOT_MOVED = (
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_UNKNOWN_HOST,
    libvirt.VIR_ERR_MIGRATE_UNSAFE,
)


def test_an_idle_domain_has_no_job(shared: Handle) -> None:
    assert shared.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE


def test_an_idle_domain_has_no_statistics_of_a_job(shared: Handle) -> None:
    assert shared.jobStats(0)["type"] == libvirt.VIR_DOMAIN_JOB_NONE


def test_the_last_job_is_remembered(running: Handle, lab: Lab) -> None:
    running.coreDump(lab.scratch.file(), libvirt.VIR_DUMP_MEMORY_ONLY)
    stats = running.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    assert stats["type"] in (libvirt.VIR_DOMAIN_JOB_COMPLETED, libvirt.VIR_DOMAIN_JOB_NONE)


def test_a_job_that_is_not_there_cannot_be_ended(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        shared.abortJob()


def test_a_job_that_is_not_there_cannot_be_ended_with_flags(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        shared.abortJobFlags(0)


def test_an_inactive_domain_has_no_job_to_end(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.abortJob()


def test_the_control_channel_is_well(shared: Handle) -> None:
    assert shared.controlInfo(0)[0] == libvirt.VIR_DOMAIN_CONTROL_OK


def test_an_inactive_domain_has_no_control_channel(defined: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        defined.controlInfo(0)


def test_a_save_can_be_stopped_in_the_middle(lab: Lab, guest: Guest) -> None:
    guest.beat()  # only a guest that has booted has memory worth a save
    running = guest.domain
    errors: list[libvirt.libvirtError] = []

    def save() -> None:
        try:
            running.save(lab.scratch.file())
        except libvirt.libvirtError as error:
            errors.append(error)

    thread = threading.Thread(target=save)
    thread.start()
    try:
        if not thread.is_alive() or not _job_shows_up(running, thread):
            pytest.skip("the save was over before it could be stopped")
        _abort(running)
    finally:
        thread.join(60)
    assert errors
    assert errors[0].get_error_code() in (
        libvirt.VIR_ERR_OPERATION_ABORTED,
        libvirt.VIR_ERR_OPERATION_FAILED,
    )
    assert state(running) == RUNNING


def _abort(domain: Handle) -> None:
    try:
        domain.abortJob()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
        pytest.skip("the save was over before it could be stopped")


def _job_shows_up(domain: Handle, thread: threading.Thread) -> bool:
    try:
        eventually("the job began", lambda: not thread.is_alive() or domain.jobInfo()[0] > 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
        return False  # the domain is gone: it was saved already
    return thread.is_alive()


def test_the_speed_of_moving_can_be_set(running: Handle) -> None:
    running.migrateSetMaxSpeed(100, 0)
    assert running.migrateGetMaxSpeed(0) == 100


def test_the_pause_when_moving_can_be_set(running: Handle) -> None:
    running.migrateSetMaxDowntime(500, 0)
    assert running.migrateGetMaxDowntime(0) == 500


def test_the_cache_when_moving_can_be_set(running: Handle) -> None:
    running.migrateSetCompressionCache(64 * 1024 * 1024, 0)
    assert running.migrateGetCompressionCache(0) == 64 * 1024 * 1024


def test_a_domain_that_does_not_move_cannot_be_postcopied(shared: Handle) -> None:
    with refused(libvirt.VIR_ERR_OPERATION_INVALID):
        shared.migrateStartPostCopy(0)


def test_how_fast_memory_is_written_can_be_measured(running: Handle) -> None:
    assert running.startDirtyRateCalc(1, 0) == 0


def test_a_domain_does_not_move_to_its_own_host(shared: Handle, connection: Handle) -> None:
    with refused(*NOT_MOVED):
        shared.migrate(connection, LIVE_MIGRATION, None, None, 0)
    assert state(shared) == RUNNING


def test_a_domain_does_not_move_to_another_kind_of_hypervisor(lab: Lab, shared: Handle) -> None:
    other = lab.another("test:///default")
    try:
        with refused(*NOT_MOVED):
            shared.migrate2(other.open(), None, LIVE_MIGRATION, None, None, 0)
    finally:
        other.close()
    assert state(shared) == RUNNING


def test_a_domain_does_not_move_with_parameters_to_another_kind(lab: Lab, shared: Handle) -> None:
    other = lab.another("test:///default")
    try:
        with refused(*NOT_MOVED):
            shared.migrate3(other.open(), {}, LIVE_MIGRATION)
    finally:
        other.close()
    assert state(shared) == RUNNING


def test_a_domain_does_not_move_by_itself_to_nowhere(shared: Handle) -> None:
    flags = libvirt.VIR_MIGRATE_PEER2PEER | LIVE_MIGRATION
    with refused(*NOT_MOVED):
        shared.migrateToURI("qemu+unix:///system?socket=/virtci/nothing", flags, None, 0)
    assert state(shared) == RUNNING


def test_a_domain_does_not_move_with_a_uri_for_its_data_to_nowhere(shared: Handle) -> None:
    flags = libvirt.VIR_MIGRATE_PEER2PEER | LIVE_MIGRATION
    uri = "qemu+unix:///system?socket=/virtci/nothing"
    with refused(*NOT_MOVED):
        shared.migrateToURI2(uri, None, None, flags, None, 0)
    assert state(shared) == RUNNING


def test_a_domain_does_not_move_with_parameters_to_nowhere(shared: Handle) -> None:
    flags = libvirt.VIR_MIGRATE_PEER2PEER | LIVE_MIGRATION
    with refused(*NOT_MOVED):
        shared.migrateToURI3("qemu+unix:///system?socket=/virtci/nothing", {}, flags)
    assert state(shared) == RUNNING


def test_an_inactive_domain_does_not_move(defined: Handle, connection: Handle) -> None:
    with refused(*NOT_MOVED):
        defined.migrate(connection, LIVE_MIGRATION, None, None, 0)


@pytest.mark.parametrize("milliseconds", [-1, 0, 5])
def test_an_agent_may_be_waited_for(running: Handle, milliseconds: int) -> None:
    assert running.agentSetResponseTimeout(milliseconds, 0) == 0
