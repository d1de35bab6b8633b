"""libvirt-tck: finding it, configuring it, and clearing away what it leaves."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import libvirt

from ci.errors import InfraError
from suites.hypervisor.handle import Handle
from suites.hypervisor.method import failed_function

VARIABLE = "LIBVIRT_TCK_DIR"
INSTALLED = Path("/usr/share/libvirt-tck")
HOOKS = Path("/etc/libvirt/hooks")
PREFIX = "tck"
SCRATCH = "virtci-libvirt-tck"  # its folder for files; secrets are for files in it
LISTINGS = ("listAllDomains", "listAllNetworks", "listAllStoragePools", "listAllNWFilters")
CONFIG = """\
uri: "{uri}"
{destination}scratch_dir: "{scratch}"
images: {images}
kernels:
  - arch: x86_64
    ostype:
      - hvm
      - xen
    kernel: {kernel}
    initrd: {initrd}
host_usb_devices: []
host_pci_devices: []
host_block_devices: []
host_network_devices: []
"""
IMAGE = """
  - arch: x86_64
    ostype:
      - hvm
      - xen
    osname: {image}
"""


@dataclass(frozen=True)
class Checkout:
    """Where the scripts are, and where its Perl modules are (None: installed with Perl)."""

    scripts: Path
    library: Path | None

    def argv(self, script: Path) -> tuple[str, ...]:
        """Some scripts are for the shell."""
        return ("sh" if _is_shell(script) else "perl", str(script))

    def environment(self, script: Path, config: Path) -> dict[str, str]:
        """Its configuration and modules; libvirt's errors, which scripts in Perl do not show.

        Those of the shell compare what virsh prints, so that nothing may come between.
        """
        include = {} if self.library is None else {"PERL5LIB": str(self.library)}
        asked = "LIBVIRT_LOG_OUTPUTS" in os.environ  # somebody wants them elsewhere
        errors = {} if asked or _is_shell(script) else {"LIBVIRT_LOG_OUTPUTS": "4:stderr"}
        return {
            "LIBVIRT_TCK_CONFIG": str(config),
            "LIBVIRT_TCK_AUTOCLEAN": "1",
            **errors,
            **include,
        }

    def named(self, names: tuple[str, ...]) -> tuple[Path, ...]:
        """The scripts of these names or folders; all when none is named.

        Raises InfraError for a name that there is not.
        """
        found: list[Path] = []
        for name in names or (".",):
            path = self.scripts / name
            scripts = sorted(path.rglob("*.t")) if path.is_dir() else [path]
            if not scripts or not all(script.is_file() for script in scripts):
                raise InfraError(f"libvirt-tck in {self.scripts} has no script {name}")
            found += scripts
        return tuple(found)


def _is_shell(script: Path) -> bool:
    with script.open("rb") as file:
        return file.readline().rstrip().endswith(b"/sh")


def find() -> Checkout:
    """The checkout that the environment names, or the installed one. Raises InfraError."""
    if folder := os.environ.get(VARIABLE):
        if not (Path(folder) / "scripts").is_dir():
            raise InfraError(
                f"{VARIABLE}={folder} is no checkout of libvirt-tck: it has no scripts/"
            )
        return Checkout(Path(folder).absolute() / "scripts", Path(folder).absolute() / "lib")
    if (INSTALLED / "tests").is_dir():
        return Checkout(INSTALLED / "tests", None)
    raise InfraError(
        "libvirt-tck is neither installed nor checked out",
        hint=f"install perl-Sys-Virt-TCK, or set {VARIABLE} to a checkout of libvirt-tck",
    )


def write_config(
    folder: Path, uri: str, kernel: str, initrd: str, *, image: str = "", destination: str = ""
) -> Path:
    """Its configuration: this connection, our guest; nothing to be downloaded but ``image``.

    ``destination`` is the connection of a second host, for scripts that migrate.
    """
    scratch = folder / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    path = folder / "libvirt-tck.yml"
    images = IMAGE.format(image=image) if image else "[]"
    other = f'otheruri: "{destination}"\n' if destination else ""
    text = CONFIG.format(
        uri=uri,
        destination=other,
        scratch=scratch,
        kernel=kernel,
        initrd=initrd,
        images=images,
    )
    path.write_text(text)
    return path


def hook_files() -> frozenset[Path]:
    """What lies in the folder that its hook scripts write to."""
    return frozenset(HOOKS.rglob("*")) if HOOKS.is_dir() else frozenset()


def sweep_hooks(before: frozenset[Path]) -> None:
    """Remove hooks that were not there before."""
    for path in sorted(hook_files() - before, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def sweep(connection: Handle) -> list[str]:
    """Remove objects whose name has libvirt-tck's prefix; a sentence for each that stays."""
    left = []
    for listing in LISTINGS:
        for handle in _listed(connection, listing):
            name = str(handle.name())
            if name.startswith(PREFIX) and (why := _removed(handle)):
                left.append(f"{name} stays: {why}")
    for secret in _listed(connection, "listAllSecrets"):
        usage = str(secret.usageID())
        if f"/{SCRATCH}/" in usage and (why := _removed(secret)):
            left.append(f"the secret of {usage} stays: {why}")
    return left


def _listed(connection: Handle, listing: str) -> list[Handle]:
    try:
        return list(getattr(connection, listing)(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise


def _removed(handle: Handle) -> str:
    steps: tuple[Callable[[], object], ...] = (
        lambda: hasattr(handle.raw, "isActive") and handle.isActive() and handle.destroy(),
        lambda: _undefine(handle),
    )
    why = ""
    for step in steps:
        try:
            step()
        except libvirt.libvirtError as error:
            why = f"{failed_function(error)}: {error}"
    return why


def _undefine(handle: Handle) -> object:
    if not hasattr(handle.raw, "undefineFlags"):
        return handle.undefine()
    return handle.undefineFlags(
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    )
