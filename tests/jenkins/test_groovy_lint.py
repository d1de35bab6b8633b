"""The Jenkinsfile under npm-groovy-lint, where npm is there and can fetch it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.places import cache_folder

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
PACKAGE = "npm-groovy-lint@15.2.2"  # the newest that runs with the Node of a stable Debian
LINT = "node_modules/.bin/npm-groovy-lint"


def run(argv: tuple[str, ...], seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="module")
def program() -> Path:
    """The linter, fetched once into the cache."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not there")
    folder = cache_folder("tests") / "npm"
    if not (folder / LINT).exists():
        argv = ("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE)
        done = run(argv, 200)
        if done.returncode != 0:
            pytest.skip(f"npm cannot fetch {PACKAGE}: {done.stderr[-200:]}")
    return folder / LINT


def test_the_linter_finds_nothing_in_the_jenkinsfile_and_something_in_a_bad_one(
    program: Path, tmp_path: Path
) -> None:
    good = shutil.copy(ROOT / "Jenkinsfile", tmp_path)
    bad = tmp_path / "Bad.groovy"
    bad.write_text('def a = {\n  sh "x"\n', encoding="utf-8")
    options = ("--noserver", "--output", "json", "--config", str(ROOT))
    done = run((str(program), *options, str(good), str(bad)), 180)
    files = json.loads(done.stdout)["files"]
    assert files[str(good)]["errors"] == []
    assert [one["rule"] for one in files[str(bad)]["errors"]] == ["NglParseError"]
