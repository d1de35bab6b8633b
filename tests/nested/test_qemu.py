"""The arguments of QEMU are decided before anything runs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ci.nested.image import Image
from ci.nested.qemu import Machine, doubled, launch_command, qemu_command

IMAGE = Image(
    key="xen-1",
    name="xen",
    kernel="6.1.0",
    guest="g",
    host_key="ssh-ed25519 AAAA",
    uri="xen:///system",
    client_key="/k/id_ed25519",
    seconds=1.0,
    folder="/cache/a,b",
)
MACHINE = Machine(
    name="lab,1",
    image=IMAGE,
    accelerator="tcg",
    memory_mib=1536,
    dom0_mib=768,
    cpus=2,
    port=2222,
    folder="/runs/x",
    seconds_to_live=60,
)


def after(command: tuple[str, ...], option: str) -> str:
    return command[command.index(option) + 1]


def test_a_comma_in_a_value_is_doubled() -> None:
    assert doubled("max:768M,x") == "max:768M,,x"
    command = qemu_command(MACHINE)
    assert after(command, "-name") == "virtci-lab,,1"
    assert after(command, "-drive").startswith("file=/cache/a,,b/disk.qcow2,format=qcow2")


def test_xen_is_the_kernel_and_dom0_and_its_disk_are_its_modules() -> None:
    command = qemu_command(MACHINE)
    assert after(command, "-kernel") == "/cache/a,b/xen"
    kernel, ram_disk = after(command, "-initrd").replace(",,", "\0").split(",")
    assert kernel.replace("\0", ",").startswith("/cache/a,b/vmlinux console=hvc0")
    assert ram_disk.replace("\0", ",") == "/cache/a,b/initrd"
    assert "dom0_mem=768M,max:768M" in after(command, "-append")


def test_a_kvm_host_boots_its_kernel_without_xen_and_with_all_of_the_processor() -> None:
    image = msgspec.structs.replace(IMAGE, key="kvm-1", name="kvm", uri="qemu:///system")
    command = qemu_command(msgspec.structs.replace(MACHINE, image=image))
    assert after(command, "-kernel") == "/cache/a,b/vmlinux"
    assert after(command, "-initrd") == "/cache/a,,b/initrd"
    assert "console=ttyS0" in after(command, "-append")
    assert after(command, "-cpu") == "max"


def test_the_image_is_never_changed() -> None:
    assert "snapshot=on" in after(qemu_command(MACHINE), "-drive")


def test_ssh_is_forwarded_from_loopback_alone_and_nothing_leads_out() -> None:
    network = after(qemu_command(MACHINE), "-netdev")
    assert network == "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22"


def test_emulation_leaves_out_what_kills_dom0_and_kvm_takes_the_host_as_it_is() -> None:
    assert after(qemu_command(MACHINE), "-cpu") == "max,-smap,-rdtscp,-xsave"
    kvm = Machine(
        **{**{n: getattr(MACHINE, n) for n in MACHINE.__struct_fields__}, "accelerator": "kvm"}
    )
    assert after(qemu_command(kvm), "-cpu") == "host"
    assert after(qemu_command(kvm), "-accel") == "kvm"


def test_a_host_that_nobody_ends_ends_itself() -> None:
    command = launch_command(MACHINE)
    assert command[:4] == ("setsid", "--fork", "timeout", "--kill-after=10")
    assert command[4] == "60"


def test_the_pid_file_that_marks_our_process_is_among_its_arguments() -> None:
    assert after(qemu_command(MACHINE), "-pidfile") == str(MACHINE.pidfile)
    assert MACHINE.pidfile == Path("/runs/x/qemu.pid")
