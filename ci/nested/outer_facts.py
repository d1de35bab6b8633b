"""What an outer host has for nested ones, and which processor they get of it."""

from __future__ import annotations

from ci.deadline import Deadline
from ci.errors import InfraError
from ci.model import Record
from ci.nested.accel import CPU, Accelerator
from ci.nested.outer import Outer
from ci.nested.recipe import Flavour
from ci.shell import Shell

ASK_SECONDS = 60.0
_ON = ("Y", "1")
# $1 is the URI of libvirt, $2 our folder
_ASK = """
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
command -v virsh >/dev/null || { echo "missing virsh"; exit; }
command -v qemu-img >/dev/null || echo "missing qemu-img"
command -v flock >/dev/null || echo "missing flock"
echo "boot_id $(cat /proc/sys/kernel/random/boot_id)"
for module in kvm_intel kvm_amd; do
    flag=/sys/module/$module/parameters/nested
    [ -r $flag ] && echo "nested $module $(cat $flag)"
done
if said=$(virsh -c "$1" capabilities 2>&1); then
    echo "$said" | sed -n 's,^ *<model>\\(selinux\\|apparmor\\)</model>$,confined \\1,p'
else
    echo "silent $said"
fi
virsh -c "$1" domcapabilities --virttype kvm >/dev/null 2>&1 && echo "kvm yes"
exit 0
"""


class OuterFacts(Record, frozen=True, kw_only=True):
    """``nested`` is the flag of ``module``; both empty where no KVM module is loaded."""

    boot_id: str
    kvm: bool = False
    module: str = ""
    nested: str = ""
    confined: tuple[str, ...] = ()


class Processor(Record, frozen=True, kw_only=True):
    """What a nested host gets, and why in one sentence. ``without`` are features it must not see,
    for emulation does them too badly for Xen."""

    accelerator: Accelerator
    mode: str
    without: tuple[str, ...] = ()
    why: str


def look_at_outer(shell: Shell, outer: Outer, deadline: Deadline) -> OuterFacts:
    """Ask it, once. Raises InfraError when its libvirt does not answer or a program is missing."""
    argv = ("sh", "-c", _ASK, "virtci", outer.local_uri)
    done = shell.run(argv, deadline.within(ASK_SECONDS))
    return parse_facts(done.stdout, shell.where)


def parse_facts(text: str, where: str) -> OuterFacts:
    lines = [line.partition(" ")[::2] for line in text.splitlines()]
    told = dict(lines)
    if "missing" in told:
        raise InfraError(
            f"{where} cannot have nested hosts: {told['missing']} is missing there",
            hint="apt-get install libvirt-clients qemu-utils util-linux",
        )
    if "silent" in told or "boot_id" not in told:
        detail = "\n".join(" ".join(line) for line in lines)
        raise InfraError(f"libvirt of {where} does not answer", detail=detail)
    module, _, nested = told.get("nested", "").partition(" ")
    return OuterFacts(
        boot_id=told["boot_id"],
        kvm="kvm" in told,
        module=module,
        nested=nested.strip(),
        confined=tuple(rest for word, rest in lines if word == "confined"),
    )


def processor_for(facts: OuterFacts, outer: Outer, flavour: Flavour) -> Processor:
    """KVM where it is there and hands virtualisation on; else emulation."""
    if not facts.kvm:
        return emulated(flavour, "its libvirt offers no KVM")
    if facts.nested not in _ON:
        flag = f"/sys/module/{facts.module or 'kvm_*'}/parameters/nested"
        return emulated(
            flavour,
            f"its KVM does not hand virtualisation on ({flag} is {facts.nested or 'not there'}; "
            f"modprobe {facts.module or 'kvm_intel'} nested=1)",
        )
    return Processor(accelerator="kvm", mode=outer.cpu, why="its KVM hands virtualisation on")


def emulated(flavour: Flavour, why: str) -> Processor:
    """Everything that emulation has, less what Xen does not survive."""
    without = CPU["tcg"].split(",")[1:] if flavour == "xen" else []
    return Processor(
        accelerator="tcg",
        mode="maximum",
        without=tuple(feature.removeprefix("-") for feature in without),
        why=f"{why}; the nested host is emulated, which is several times slower",
    )
