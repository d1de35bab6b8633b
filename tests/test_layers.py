"""Who may import whom, checked in the source of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("deadline", "model", "places", "shard", "streams", "toml_lines", "type_words", "urls"),
    ("codec", "shell", "elf", "facts", "ssh_uri", "stats", "templates", "watcher", "rpmfile"),
    ("cached", "leftovers", "journal"),
    ("run",),
    ("guest",),
    ("sources", "build", "deploy", "nested", "crash", "jenkins", "hook", "presubmit"),
    ("launch", "doctor", "obs"),
    ("report",),
    ("history",),
    ("gate", "notify", "serve"),
    ("pipelines",),
    ("commands",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ALLOWED_SIBLINGS = {
    ("ssh_uri", "shell"),
    ("rpmfile", "elf"),
    ("rpmfile", "shell"),
    ("facts", "shell"),
    ("stats", "model"),
    ("codec", "toml_lines"),
    ("nested", "deploy"),  # hosts on an outer host are reached and switched as any others
}
ONE_IMPORTER = (
    "paramiko",
    "osc",
    "pika",
    "jenkins",
    "junit_xml",
    "jinja2",
    "matplotlib",
    "apprise",
    "starlette",
    "uvicorn",
)
SUITES_MAY_IMPORT = {"errors", "deadline", "model", "codec", "journal", "places", "shell", "stats"}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def layer(path: Path) -> str:
    parts = path.relative_to(ROOT / "ci").with_suffix("").parts
    return parts[0]


def test_every_file_imports_only_from_layers_below_it() -> None:
    wrong = []
    for path in files("ci"):
        own = layer(path)
        for name in imports(path):
            head, _, rest = name.partition(".")
            other = rest.split(".")[0]
            if head != "ci" or not rest or own in {other, "__init__"}:
                continue
            if other not in RANK:
                wrong.append(f"{name} has no layer: put it in LAYERS")
            elif RANK[other] >= RANK[own] and (own, other) not in ALLOWED_SIBLINGS:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_suites_import_only_the_core_of_ci() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("suites")
        for name in imports(path)
        if name.startswith("ci.") and name.split(".")[1] not in SUITES_MAY_IMPORT
    ]
    assert wrong == []


def test_each_outside_package_has_one_door() -> None:
    doors: dict[str, list[str]] = {package: [] for package in ONE_IMPORTER}
    for path in [*files("ci"), *files("suites")]:
        heads = {name.split(".")[0] for name in imports(path)}
        for package in heads & set(ONE_IMPORTER):
            doors[package].append(str(path.relative_to(ROOT)))
    assert {package: places for package, places in doors.items() if len(places) > 1} == {}


def test_libvirt_is_imported_by_suites_alone() -> None:
    wrong = [str(p.relative_to(ROOT)) for p in files("ci") if "libvirt" in set(imports(p))]
    assert wrong == []


def test_databases_are_the_historys_alone() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in files("ci")
        if layer(path) != "history"
        and {"sqlalchemy", "alembic", "psycopg"} & {n.split(".")[0] for n in imports(path)}
    ]
    assert wrong == []


def test_the_help_imports_no_command() -> None:
    heavy = {"paramiko", "libvirt", "osc", "jinja2", "junit_xml", "sqlalchemy", "matplotlib"}
    for name in ("__main__.py", "commands/__init__.py"):
        assert not heavy & {module.split(".")[0] for module in imports(ROOT / "ci" / name)}
