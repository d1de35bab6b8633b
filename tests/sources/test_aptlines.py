from __future__ import annotations

from pathlib import Path

from ci.sources.aptlines import deb822_sources, line_sources, source_entries

STANZAS = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://somebody.example.org/
Suites: nodistro
Components: main

Enabled: no
Types: deb-src
URIs: http://mirror.example/off
Suites: bookworm
Components: main
"""


def test_stanzas_become_deb_src_and_those_of_others_stay_out() -> None:
    made = deb822_sources(STANZAS, "bookworm")
    assert "types: deb-src" in made
    assert "mirror.example/debian" in made
    assert "signed-by: /usr/share" in made
    assert "somebody" not in made
    assert "off" not in made


def test_a_key_inside_a_stanza_is_kept_whole() -> None:
    text = "Types: deb\nURIs: http://x\nSuites: sid\nSigned-By:\n -----BEGIN\n .\n abc\n"
    assert "signed-by: \n -----BEGIN\n .\n abc\n" in deb822_sources(text, "")


def test_lines_become_deb_src_once() -> None:
    text = (
        "# deb http://no bookworm main\n"
        "deb [signed-by=/k arch=amd64] http://mirror.example/debian bookworm main contrib # why\n"
        "deb http://a bookworm/updates main\ndeb-src http://a bookworm/updates main\n"
        "deb http://b cloud-sdk-bookworm main\n"
    )
    assert line_sources(text, "bookworm") == (
        "deb-src [signed-by=/k arch=amd64] http://mirror.example/debian bookworm main contrib\n"
        "deb-src http://a bookworm/updates main\n"
    )


def test_both_formats_are_read_and_other_files_left_alone(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a bookworm main\n")
    (parts / "debian.sources").write_text(STANZAS)
    (parts / "old.list.save").write_text("deb http://c bookworm main\n")
    release = tmp_path / "os-release"
    release.write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    assert sorted(source_entries(tmp_path, release)) == ["debian.sources", "sources.list"]
