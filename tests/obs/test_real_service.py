"""Source services on the real service: made, failed, not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import InfraError, ProductError
from tests.obs.real_builds import builder, step, tree
from tests.obs_backend.backend import HELLO_C, Backend, hello, tarball

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("obs"),
    pytest.mark.timeout(400, func_only=True),
]
# A service as instances have them: it makes the tarball that the spec wants, or says why not.
SCRIPT = """\
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    --outdir) out=$2; shift ;;
    --fail) echo "fatal: unable to access '$2': Could not resolve host" >&2; exit 1 ;;
    esac
    shift
done
cp {archive} "$out"
"""
DECLARED = (
    '<service name="pack"><summary>s</summary><description>d</description>'
    '<parameter name="fail"><description>d</description></parameter></service>'
)


@pytest.fixture(scope="package")
def packing(service: Backend) -> Backend:
    """The instance with a service ``pack``."""
    folder = service.folder / "services"
    archive = folder / "hello-1.0.tar.gz"
    archive.write_bytes(tarball("hello-1.0", {"hello.c": HELLO_C}))
    (folder / "pack.service").write_text(DECLARED)
    script = folder / "pack"
    script.write_text(SCRIPT.format(archive=archive))
    script.chmod(0o755)
    return service


def package(service_xml: str) -> dict[str, bytes]:
    """A spec without its tarball, and what makes that."""
    services = f"<services>{service_xml}</services>".encode()
    return {"hello.spec": hello()["hello.spec"], "_service": services}


def test_what_a_service_makes_is_waited_for_and_built(packing: Backend, tmp_path: Path) -> None:
    project = packing.project("home:tester:service")
    sources = tree(tmp_path / "tree", package('<service name="pack"/>'))
    made = builder(packing, project).make(step(tmp_path), sources)
    assert made.rpms[0].nevra == "hello-1.0-1.1.x86_64"


def test_a_service_that_fails_says_why(packing: Backend, tmp_path: Path) -> None:
    project = packing.project("home:tester:servicebad")
    asked = '<service name="pack"><param name="fail">https://x.example/y.git</param></service>'
    with pytest.raises(InfraError, match="could not get its sources") as caught:
        builder(packing, project).make(step(tmp_path), tree(tmp_path / "tree", package(asked)))
    assert "Could not resolve host" in caught.value.message


def test_a_service_that_is_not_installed_is_named(packing: Backend, tmp_path: Path) -> None:
    project = packing.project("home:tester:servicegone")
    sources = tree(tmp_path / "tree", package('<service name="pakc"/>'))
    with pytest.raises((InfraError, ProductError), match="is not installed on this instance"):
        builder(packing, project).make(step(tmp_path), sources)
