"""Make failures for real on the backend and record what it says: ``python -m`` this file.

Each package fails in one known way; its state and its log become tests/data/obs/shapes/NAME.txt.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ci.deadline import Deadline, wait_until
from ci.obs.results import FINAL, PackageState, parse_results
from tests.obs_backend.backend import ARCH, REPOSITORY, Backend, backend, hello

SHAPES = Path(__file__).parents[1] / "data" / "obs" / "shapes"
PROJECT = "home:tester:shapes"
CC = "gcc -o hello "
CONFIGURE = "printf 'echo configure: error: libfrob not found >&2\\nexit 1\\n' >c; sh c"
BROKEN_PATCH = (
    b"--- a/hello.c\n+++ b/hello.c\n@@ -1,3 +1,3 @@\n-nothing like it\n+new\n same\n other\n"
)


def specs() -> dict[str, dict[str, bytes]]:
    """Files by the shape that they are expected to be recognised as."""
    made = {
        "missing-header": hello(source="#include <nosuch.h>\nint main(void) { return 0; }\n"),
        "compile-error": hello(source="int main(void) { return frob; }\n"),
        "warning-as-error": hello(
            source="int main(void) { int unused; return 0; }\n",
            build="gcc -Wall -Werror -o hello hello.c",
        ),
        "link-error": hello(source="int frob(void);\nint main(void) { return frob(); }\n"),
        "link-error-2": hello(build=f"{CC}hello.c -lfrob"),
        "command-not-found": hello(build="frobnicate hello.c"),
        "configure-error": hello(build=CONFIGURE),
        "meson-dependency": hello(
            build='echo "meson.build:12:0: ERROR: Dependency \\"libxml-2.0\\" not found, tried '
            'pkgconfig"; exit 1'
        ),
        "network-in-build": hello(
            build="echo 'curl: (6) Could not resolve host: example.org'; exit 6"
        ),
        "tests-failed": hello(check="echo '# TOTAL: 12'; echo '# FAIL:  2'; exit 1"),
        "program-crashed": hello(check="sh -c 'kill -SEGV $$'; exit 1"),
        "unpackaged-files": hello(
            install="install -D -m0755 hello %{buildroot}/usr/bin/hello; cp hello "
            "%{buildroot}/usr/bin/extra"
        ),
        "packaged-file-missing": hello(files="/usr/bin/hello\n/usr/bin/nosuch"),
        "noarch-with-binaries": hello(extra="BuildArch: noarch"),
        "disk-full": hello(
            build=f"{CC}hello.c; head -c 3000000000 /dev/zero >big || {{ rm big; exit 1; }}",
            check="true",
        ),
        "out-of-memory": hello(
            build="(ulimit -v 20000; echo 'int main(void){return 0;}' | gcc -xc -O3 - ) || "
            "{ echo 'cc1: out of memory allocating 65536 bytes after a total of 1 bytes'; "
            "echo 'virtual memory exhausted: Cannot allocate memory'; exit 1; }"
        ),
        "spec-syntax": hello(extra="%if 1"),
        "source-missing": hello(extra="Patch0: nosuch.patch"),
        "unknown": hello(build="echo frobbing; exit 3"),
        "stuck": hello(build="sleep 60"),
    }
    patched = hello(extra="Patch0: frob.patch", build=f"patch -p1 <%{{PATCH0}}; {CC}hello.c")
    made["patch-does-not-apply"] = {**patched, "frob.patch": BROKEN_PATCH}
    wrong = hello()
    spec = wrong["hello.spec"].replace(b"%setup -q -n hello-1.0", b"%setup -q -n other-1.0")
    made["unpack"] = {**wrong, "hello.spec": spec}
    torn = hello()
    made["unpack-2"] = {**torn, "hello-1.0.tar.gz": torn["hello-1.0.tar.gz"][:100]}
    return made


def main() -> int:
    wanted = sys.argv[1:]
    with backend(idle=20) as service:
        service.project(PROJECT)
        chosen = {n: files for n, files in specs().items() if not wanted or n in wanted}
        for name, files in chosen.items():
            package = re.sub(r"\W", "-", name)
            renamed = {f.replace("hello.spec", f"{package}.spec"): d for f, d in files.items()}
            service.package(PROJECT, package, renamed)
        for name in chosen:
            state = _wait(service, re.sub(r"\W", "-", name))
            sys.stdout.write(f"{name} {state.code} {state.details}\n")
            _record(service, name, state)
    return 0


def _wait(service: Backend, package: str) -> PackageState:
    def final() -> PackageState | None:
        answer = service.get(f"/build/{PROJECT}/_result?package={package}")
        states = parse_results(answer).packages
        return next((s for s in states if s.code in FINAL and not s.dirty), None)

    return wait_until(f"{package} to end", final, Deadline.after(900), every=1)


def _record(service: Backend, name: str, state: PackageState) -> None:
    body = state.details
    if state.code == "failed":
        path = f"/build/{PROJECT}/{REPOSITORY}/{ARCH}/{state.package}/_log?nostream=1"
        body = service.get(path).decode(errors="replace")
    folder = str(service.folder)
    SHAPES.mkdir(exist_ok=True)
    text = f"{state.code}\n{body}\n".replace(folder, "/srv/obs")
    (SHAPES / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
