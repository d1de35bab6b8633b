"""A tree with a small C program and its spec, and how to build it for real."""

from __future__ import annotations

from pathlib import Path

from ci.build.rpmbuild import RpmbuildBuilder
from ci.model import Build, Tree
from ci.run import Run, Step

REVISION = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "fedcba98" * 8
SPEC = """\
Name: hello
Version: 1.0
Release: 3%{?dist}
Summary: says nothing
License: MIT
Source0: https://example.org/hello-%{version}.tar.gz
@preamble@
%description
says nothing
%prep
%setup -q
%build
@build@
%install
mkdir -p %{buildroot}/usr/bin
install -m 755 hello %{buildroot}/usr/bin/hello
%check
@check@
%files
/usr/bin/hello
@files@
"""


def hello_spec(
    *, preamble: str = "", build: str = "gcc -g -o hello hello.c", check: str = "", files: str = ""
) -> str:
    parts = {"preamble": preamble, "build": build, "check": check, "files": files}
    spec = SPEC
    for name, text in parts.items():
        spec = spec.replace(f"@{name}@", text)
    return spec


def hello_tree(folder: Path, spec: str = "") -> Tree:
    folder.mkdir(parents=True)
    (folder / "hello.c").write_text("int main(void) { return 0; }\n")
    (folder / "hello.spec").write_text(spec or hello_spec())
    return Tree(path=str(folder), revision=REVISION, digest=DIGEST)


def make(step: Step, builder: RpmbuildBuilder, tree: Tree) -> Build:
    return builder.make(step, tree)


def build_in(folder: Path, tree: Tree, builder: RpmbuildBuilder | None = None) -> Build:
    """Build with the real rpmbuild; errors as the pipeline would see them."""
    run = Run(folder, seconds=120)
    try:
        return run.step("build", Build, make, builder or RpmbuildBuilder(), tree, retries=0)
    finally:
        run.close()
