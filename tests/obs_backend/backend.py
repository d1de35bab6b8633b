"""Everything together: server, workers, build root, frontend; and packages to put into it."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.obs_backend.buildroot import base_rpm
from tests.obs_backend.frontend import Frontend
from tests.obs_backend.server import Server, Worker, missing, private_folder, sweep

USER, PASSWORD = "tester", "opensesame"
REPOSITORY, ARCH = "deb12", "x86_64"
ARCHES = (ARCH, "i586")
BASE_CONFIG = """
Type: spec
Binarytype: rpm
Repotype: rpm-md
Preinstall: debian-base
Runscripts: debian-base
Support: debian-base
Required: debian-base
Macros:
%_dbpath /var/lib/rpm
%debug_package %{nil}
:Macros
"""
BASE_META = (
    '<project name="base"><title/><description/>'
    '<repository name="standard"><arch>x86_64</arch><arch>i586</arch></repository></project>'
)
HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
HELLO_SPEC = """\
Name:           {name}
Version:        {version}
Release:        0
Summary:        A greeting
License:        MIT
Source0:        hello-{version}.tar.gz
{extra}

%description
A greeting.

%prep
%setup -q -n hello-{version}

%build
{build}

%install
{install}

%check
{check}

%files
{files}
"""


@dataclass
class Backend:
    """A whole build service for tests."""

    folder: Path
    server: Server
    frontend: Frontend
    workers: list[Worker] = field(default_factory=list)
    oscrc: Path = Path()

    @property
    def apiurl(self) -> str:
        return self.frontend.apiurl

    def put(self, path: str, body: bytes | str = b"") -> None:
        """Write to the backend itself, past all rights. An answer other than 200 fails."""
        data = body.encode() if isinstance(body, str) else body
        status, said, _ = self.frontend.ask("PUT", path, data)
        assert status == 200, said.decode()

    def get(self, path: str) -> bytes:
        status, said, _ = self.frontend.ask("GET", path)
        assert status == 200, said.decode()
        return said

    def project(
        self,
        name: str,
        *,
        build: bool = True,
        arches: tuple[str, ...] = (ARCH,),
        repositories: tuple[str, ...] = (REPOSITORY,),
    ) -> str:
        """A project that builds against the Debian tree, in each of its repositories."""
        switch = "" if build else "<build><disable/></build>"
        built = "".join(f"<arch>{arch}</arch>" for arch in arches)
        each = "".join(
            f'<repository name="{one}"><path project="base" repository="standard"/>'
            f"{built}</repository>"
            for one in repositories
        )
        self.put(
            f"/source/{name}/_meta",
            f'<project name="{name}"><title/><description/>{switch}{each}</project>',
        )
        return name

    def package(self, project: str, name: str, files: dict[str, bytes]) -> None:
        """Make a package and commit these files to it, as another developer would."""
        self.put(
            f"/source/{project}/{name}/_meta",
            f'<package name="{name}" project="{project}"><title/><description/></package>',
        )
        for file, data in files.items():
            self.put(f"/source/{project}/{name}/{file}?rev=upload", data)
        status, said, _ = self.frontend.ask(
            "POST", f"/source/{project}/{name}?cmd=commit&rev=upload&user={USER}&comment=test"
        )
        assert status == 200, said.decode()

    def worker(self) -> Worker:
        """One more worker, started."""
        worker = Worker(self.server, number=len(self.workers) + 1)
        self.workers.append(worker)
        worker.start()
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.frontend.stop()
        self.server.stop()
        sweep(self.folder)


def hello(
    name: str = "hello",
    *,
    version: str = "1.0",
    extra: str = "",
    build: str = "gcc -g -O1 -o hello hello.c",
    install: str = "install -D -m0755 hello %{buildroot}/usr/bin/hello",
    check: str = "./hello",
    files: str = "/usr/bin/hello",
    source: str = HELLO_C,
) -> dict[str, bytes]:
    """The files of a small C package; the sections of its spec can be replaced."""
    spec = HELLO_SPEC.format(
        name=name,
        version=version,
        extra=extra,
        build=build,
        install=install,
        check=check,
        files=files,
    )
    return {
        f"{name}.spec": spec.encode(),
        f"hello-{version}.tar.gz": tarball(f"hello-{version}", {"hello.c": source}),
    }


def tarball(top: str, files: dict[str, str]) -> bytes:
    """A tar.gz that is the same for the same content."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(text.encode())
            entry.mode = 0o755 if text.startswith("#!") else 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return raw.getvalue()


@contextmanager
def backend(
    *, workers: int = 1, idle: int = 3600, port: int = 0, extra: tuple[str, ...] = ()
) -> Iterator[Backend]:
    """A running build service; everything of it is gone afterwards.

    ``extra`` are Debian packages for the build root; ``idle`` seconds without output end a build.
    """
    lacking = missing()
    assert not lacking, lacking
    rpm = base_rpm(extra)
    folder = private_folder()
    server = Server(folder, idle=idle)
    frontend = Frontend(server.source, {USER: PASSWORD}, port=port)
    made = Backend(folder, server, frontend)
    try:
        server.start()
        frontend.start()
        _lay_base(made, rpm)
        made.oscrc = write_oscrc(folder / "oscrc", made.apiurl)
        for _ in range(workers):
            made.worker()
        yield made
    finally:
        made.close()


def _lay_base(made: Backend, rpm: Path) -> None:
    made.put("/source/base/_meta", BASE_META)
    made.put("/source/base/_config", BASE_CONFIG)
    for arch in ARCHES:  # the same tree: i586 differs in what rpmbuild calls its packages
        made.put(f"/build/base/standard/{arch}/_repository/debian-base.rpm", rpm.read_bytes())


def write_oscrc(path: Path, apiurl: str, *, password: str = PASSWORD, allow: bool = False) -> Path:
    """osc's configuration for the test user."""
    path.write_text(
        f"[general]\napiurl = {apiurl}\nuse_keyring = 0\n\n"
        f"[{apiurl}]\nuser = {USER}\npass = {password}\n"
        + ("allow_http = 1\n" if allow else "")
        + "credentials_mgr_class = osc.credentials.PlaintextConfigFileCredentialsManager\n"
    )
    path.chmod(0o600)
    return path
