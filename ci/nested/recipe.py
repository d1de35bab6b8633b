"""What the image of a nested host is made of, as data; its fingerprint is the key of the cache."""

from __future__ import annotations

from importlib import resources
from typing import Literal

from ci.codec import fingerprint
from ci.model import Record
from ci.ssh_uri import Hypervisor

Flavour = Literal["xen", "kvm"]
DRIVERS: dict[Flavour, Hypervisor] = {"xen": "xen", "kvm": "qemu"}  # as libvirt calls them
MIRROR = "http://deb.debian.org"
_XEN = "4.17"
_DRIVERS = ("xen", "block", "virtio", "vhost", "md", "char/hw_random", "input", "pci", "hv")
_NETWORK = (
    *("virtio_net", "net_failover", "tun", "tap", "dummy", "veth", "macvlan", "macvtap", "vxlan"),
    *("bonding", "xen-netback", "xen-netfront"),
)
_FILESYSTEMS = ("ext4", "jbd2", "mbcache", "fscache", "nls", "isofs", "fat", "fuse", "overlayfs")


_OF_KVM = "-kvm"  # how the names of texts end that replace the plain ones in a KVM host
_COMMON = (
    *("libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients"),
    *("libvirt-daemon-config-network", "libvirt-daemon-config-nwfilter", "openssh-server"),
    *("busybox-static", "kmod", "iproute2", "iptables", "dnsmasq-base", "netcat-openbsd", "rpm"),
    *("gdb-minimal", "qemu-utils", "e2fsprogs", "lvm2", "linux-image-amd64"),
)


def _exclusions(*more: str) -> tuple[str, ...]:
    """dpkg's filters: no documentation, and of the kernel's modules only what the host can use."""
    modules = "/lib/modules/*/kernel"
    left_out = (
        *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"),
        *("/usr/share/lintian/*", "/usr/lib/udev/hwdb*", "/lib/udev/hwdb*", "/usr/share/i18n/*"),
        *(f"{modules}/drivers/*", f"{modules}/sound/*", f"{modules}/fs/*"),
        # initramfs-tools would spend half a minute on an initrd that is not used: ours is smaller
        "/etc/kernel/postinst.d/initramfs-tools",
    )
    kept = (
        *(f"{modules}/drivers/{name}/*" for name in (*_DRIVERS, *more)),
        *(f"{modules}/drivers/net/{name}*" for name in _NETWORK),
        *(f"{modules}/fs/{name}*" for name in _FILESYSTEMS),
    )
    return (
        *(f"path-exclude={path}" for path in left_out),
        *(f"path-include={path}" for path in kept),
    )


class ImageRecipe(Record, frozen=True, kw_only=True):
    """One flavour of host. ``files`` are the texts that we put into it, by their name here."""

    name: str = "xen"
    suite: str = "bookworm"
    sources: tuple[str, ...] = (
        f"deb {MIRROR}/debian bookworm main",
        f"deb {MIRROR}/debian bookworm-updates main",
        f"deb {MIRROR}/debian-security bookworm-security main",
    )
    xen_version: str = _XEN
    packages: tuple[str, ...] = (
        *(f"xen-hypervisor-{_XEN}-amd64", f"xen-utils-{_XEN}", "linux-image-amd64"),
        *("libvirt-daemon-system", "libvirt-daemon-driver-xen", "libvirt-daemon-driver-qemu"),
        *("libvirt-clients", "libvirt-daemon-config-network", "libvirt-daemon-config-nwfilter"),
        *("openssh-server", "busybox-static", "kmod", "iproute2", "iptables", "dnsmasq-base"),
        *("netcat-openbsd", "rpm", "gdb-minimal", "qemu-utils", "e2fsprogs", "lvm2"),
        *("qemu-system-xen", "seabios", "ipxe-qemu", "qemu-system-data"),
    )
    dpkg_options: tuple[str, ...] = _exclusions()
    # libvirtd runs it twice at each start, which takes a third of the start under emulation
    removed: tuple[str, ...] = ("/usr/sbin/dmidecode",)
    initrd_modules: tuple[str, ...] = (
        "virtio_pci",
        "virtio_blk",
        "ext4",
        "crc32c_generic",
        "virtio_net",
    )
    uri: str = "xen:///system"
    hostname: str = "virtci-xen"
    disk_gib: int = 6
    journal_mib: int = 16  # a host elsewhere is reset and keeps its disk
    files: dict[str, str] = {}


def image_recipe(flavour: Flavour = "xen") -> ImageRecipe:
    """The recipe of this version of virtci, with the texts of ``files/``."""
    folder = resources.files("ci.nested").joinpath("files")
    texts = {item.name: item.read_text(encoding="utf-8") for item in folder.iterdir()}
    plain = {name: text for name, text in texts.items() if not name.endswith(_OF_KVM)}
    if flavour == "xen":
        return ImageRecipe(files=dict(sorted(plain.items())))
    own = {n.removesuffix(_OF_KVM): text for n, text in texts.items() if n.endswith(_OF_KVM)}
    return ImageRecipe(
        name="kvm",
        xen_version="",
        packages=(*_COMMON, "qemu-system-x86", "seabios", "ipxe-qemu", "qemu-system-data"),
        dpkg_options=_exclusions("crypto/ccp"),  # kvm_amd is not loaded without
        uri="qemu:///system",
        hostname="virtci-kvm",
        files=dict(sorted((plain | own).items())),
    )


def image_key(recipe: ImageRecipe, *, guest_key: str, client_key: str) -> str:
    """The name of an image in the cache: recipe, guest inside, and who may log in."""
    return f"{recipe.name}-{fingerprint(recipe, guest_key, client_key)}"


def packages_key(recipe: ImageRecipe) -> str:
    """The name of the unpacked packages, which outlive a change of our own files."""
    parts = (recipe.suite, recipe.sources, recipe.packages, recipe.dpkg_options)
    return f"packages-{fingerprint(parts)}"
