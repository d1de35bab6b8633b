"""The run's packages as a repository on the host: indexed here, sent over SSH, no port open.

The packages lie in our folder there, and beside them the index of exactly this run's; the package
manager is told of it for the one transaction only, so that nothing of it stays configured.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ci.deadline import Deadline
from ci.deploy.install import PACKAGES
from ci.deploy.transfer import HostShell
from ci.errors import InfraError
from ci.model import Rpm
from ci.shell import Shell

PROGRAMS = ("createrepo_c", "createrepo")
INDEX = f"{PACKAGES}/repodata"


def index(rpms: Sequence[Rpm], folder: Path, shell: Shell, deadline: Deadline) -> list[Path]:
    """Make the index of these packages below ``folder``; return its files.

    Raises InfraError when createrepo is missing here, or fails.
    """
    program = next((name for name in PROGRAMS if shutil.which(name)), "")
    if not program:
        raise InfraError(
            "createrepo_c is not installed here, so that no repository can be made",
            hint="apt-get install createrepo-c; or in the plan: deploy.repository = false",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for rpm in rpms:
        (folder / Path(rpm.path).name).symlink_to(Path(rpm.path).absolute())
    done = shell.run((program, "--quiet", str(folder)), deadline)
    if not done.ok:
        raise InfraError(f"{program} ended with status {done.status}", detail=done.tail())
    return sorted((folder / "repodata").iterdir())


def offer(
    here: Shell, host: HostShell, rpms: Sequence[Rpm], folder: Path, deadline: Deadline
) -> None:
    """Put the index beside the packages on the host, in place of an older one."""
    files = index(rpms, folder, here, deadline)
    host.run(("rm", "-rf", "--", INDEX), deadline)
    host.put_many([(path, f"{INDEX}/{path.name}") for path in files], deadline)
