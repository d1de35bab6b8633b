"""The page: what it says first, that it is bounded, and that foreign text stays text."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from ci.model import Outcome
from ci.report.console import summary
from ci.report.loading import load
from ci.report.page import write
from ci.run import Failure
from tests.made_runs import DAY, START, case, commit, iterations, make_run
from tests.report.chromium import chromium, served

FAILED = Outcome.FAILED
HOSTILE = "<script>alert(1)</script><img src=x onerror=y> \x00\x1b[31m ]]> \ud800 $x^2$ \u202e"
VOID = {"meta", "link", "br", "img", "source", "input"}


class Reader(HTMLParser):
    """What is in a page: its tags, attributes, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"{tag} is closed but never opened"
        assert self.open.pop() == tag
        self.text += " " if tag in {"td", "th", "li", "p", "h3"} else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    reader.text = " ".join(reader.text.split())
    return reader


def write_page(folder: Path) -> Reader:
    return read(write(folder, load(folder)))


def test_the_page_says_the_verdict_what_broke_and_since_when(tmp_path: Path) -> None:
    make_run(tmp_path, "1", {"xen1/tck": [case("a/x"), case("a/y")]}, revision="good")
    bad = [case("a/x", Outcome.FAILED, "error code 8 at 0x1f"), case("a/y")]
    folder = make_run(
        tmp_path, "2", {"xen1/tck": bad}, at=START + DAY, revision="bad", commits=[commit("c1")]
    )
    text = write_page(folder).text
    assert text.startswith("failed: 2")
    assert "Compared with the last good run, 1: 1 broke, 0 still bad, 0 fixed" in text
    assert "source good bad" in text
    assert "PRODUCT new error code 8 at ADDRESS" in text
    assert "do c1 An Author" in text


def test_failures_with_one_signature_are_one_group_and_the_products_stand_first(
    tmp_path: Path,
) -> None:
    cases = [case(f"a/lab{n}", Outcome.BROKEN, f"no answer after {n} s") for n in range(5)]
    cases += [case("a/x", Outcome.FAILED, "wrong state")]
    text = write_page(make_run(tmp_path, "1", {"xen1/tck": cases})).text
    assert text.index("PRODUCT wrong state") < text.index("LAB no answer after N s")
    assert "5 times · signature" in text


def test_a_failed_step_is_shown_with_its_evidence_and_the_command_that_comes_to_it(
    tmp_path: Path,
) -> None:
    failure = Failure(blame="product", message="does not build", detail="a.c:1: error: no x")
    folder = make_run(tmp_path, "1", {}, failed_steps=[("build", failure)])
    text = write_page(folder).text
    assert "PRODUCT does not build" in text
    assert "a.c:1: error: no x" in text
    assert "virtci run plans/demo.toml --until build" in text


def test_the_command_of_a_failed_behaviour_runs_its_area_alone(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {"xen1/tck": [case("memory/x", Outcome.FAILED)]})
    assert """--set 'suites.1.areas=["memory"]'""" in write_page(folder).text


def test_the_command_of_a_failure_in_a_loop_loops_long_enough_to_see_it(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {"xen1/stress": iterations(198, 2)})
    assert "--set suites.0.loops=300" in write_page(folder).text


def test_a_loop_shows_its_rate_and_its_timeline(tmp_path: Path) -> None:
    leak = case("leaks/memory", Outcome.FAILED, "the daemon leaks memory", suite="stress.lifecycle")
    folder = make_run(tmp_path, "1", {"xen1/stress": [*iterations(9, 1), leak]})
    page = write_page(folder)
    assert "PRODUCT the daemon leaks memory" in page.text
    assert "1 of 10 failed: rate 10 %" in page.text
    assert ("src", "xen1-stress-steps-light.svg") in page.attributes
    svg = (folder / "report" / "xen1-stress-steps-light.svg").read_text()
    assert "failed: 1" in svg
    assert "style" not in svg


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80).map(lambda drawn: HOSTILE + drawn))
def test_hostile_text_stays_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    safe = text.encode(errors="replace").decode()  # JSON holds no half of a surrogate pair
    cases = [case("area/<b>x</b>", Outcome.FAILED, safe, detail=safe, files=("../../etc/passwd",))]
    page = write_page(make_run(tmp_path_factory.mktemp("h"), "1", {"xen1/tck": cases}))
    assert {"script", "style", "b", "form"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    assert not [href for name, href in page.attributes if name == "href" and "passwd" in str(href)]
    assert "<script>alert(1)" in page.text
    assert "\u202e" not in page.text
    assert "\\u202e" in page.text


def test_the_page_is_bounded_whatever_fails(tmp_path: Path) -> None:
    words = ["".join(chr(97 + int(digit)) for digit in str(n)) for n in range(3000)]
    cases = [case(f"a/{w}", Outcome.FAILED, f"{w} broke", detail="x\n" * 99) for w in words]
    folder = make_run(tmp_path, "1", {"xen1/tck": cases})
    path = write(folder, load(folder))
    assert path.stat().st_size < 700_000
    assert "further failures" not in path.read_text()  # it is told as a count instead
    assert "more signatures are in the JUnit file" in path.read_text()


def test_the_pictures_of_a_long_loop_are_bounded(tmp_path: Path) -> None:
    steps = {f"step-{n}": n + 0.5 for n in range(20)}
    folder = make_run(tmp_path, "1", {"xen1/stress": iterations(5000, 1000, **steps)})
    write(folder, load(folder))
    for picture in (folder / "report").glob("*.svg"):
        assert picture.stat().st_size < 200_000


def test_the_first_screen_says_whose_fault_it_is_and_what_to_look_at_first(tmp_path: Path) -> None:
    good = [case("a/x"), case("a/y"), case("a/z", Outcome.UNSUPPORTED), case("a/w", Outcome.WAIVED)]
    make_run(tmp_path, "1", {"xen1/tck": good, "xen1/stress": iterations(30)})
    bad = [case("a/x", FAILED, "wrong state"), case("a/y", Outcome.BROKEN, "host gone")]
    suites = {"xen1/tck": bad, "xen1/stress": iterations(30)}
    folder = make_run(tmp_path, "2", suites, at=START + DAY, revision="r2")
    first = write_page(folder).text.partition("What changed")[0]
    assert "The product is to blame: 1 failure with 1 signature, 1 of them new." in first
    assert "Beside it the lab broke 1 thing" in first
    assert "Look first at" in first
    assert "wrong state PRODUCT new" in first
    assert "the last good run 1: 2 broke" in first
    assert "another source, packages" in first
    assert "0 of 30 failed: the rate is below 9.5 % at 95 %" in first
    assert "all 1 running modules on xen1 are what was built" in first


def test_the_lab_alone_is_never_called_the_products_fault(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {"xen1/tck": [case("a/y", Outcome.BROKEN, "host gone")]})
    text = write_page(folder).text
    assert "BROKEN The lab is to blame (1 time)" in text
    assert "product is to blame" not in text


@pytest.mark.parametrize("beside", [Outcome.UNSUPPORTED, Outcome.SKIPPED, Outcome.WAIVED])
def test_a_run_with_known_gaps_is_a_good_one(tmp_path: Path, beside: Outcome) -> None:
    """What is not supported or waived there must not hide the last good run."""
    folder = make_run(tmp_path, "1", {"xen1/tck": [case("a/x"), case("a/y", beside)]})
    assert load(folder).outcome is Outcome.PASSED
    assert write_page(folder).text.count("PASSED Everything that was tried holds.") == 1
    later = make_run(tmp_path, "2", {"xen1/tck": [case("a/x", FAILED, "no")]}, at=START + DAY)
    assert "the last good run 1:" in write_page(later).text


def test_gaps_alone_prove_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {"xen1/tck": [case("a/x", Outcome.SKIPPED)]})
    assert load(folder).outcome is Outcome.BROKEN


def test_a_monstrous_name_takes_a_line_in_page_and_console_and_moves_no_cursor(
    tmp_path: Path,
) -> None:
    name = "a/creates \x1b[2J" + "n" * 10_000
    folder = make_run(tmp_path, "1", {"xen1/tck": [case(name, FAILED, "no"), case("a/x")]})
    results = load(folder)
    assert "n" * 200 not in write_page(folder).text
    out = io.StringIO()
    summary(Console(file=out, width=100), results, exit_code=1)
    assert len(out.getvalue()) < 2000
    assert "\x1b" not in out.getvalue()


def test_suites_are_not_compared_with_each_other_but_hosts_are(tmp_path: Path) -> None:
    suites = {
        "xen1/tck": [case("a/x"), case("a/y")],
        "xen2/tck": [case("a/x"), case("a/y", Outcome.UNSUPPORTED)],
        "xen1/others": [case("b/z")],
    }
    text = write_page(make_run(tmp_path, "1", suites)).text
    assert "1 behaviours differ between the hosts" in text
    assert "a/y passed unsupported" in text


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    page = write_page(make_run(tmp_path, "1", {}, end="interrupted"))
    assert "INTERRUPTED" in page.text
    assert "exit 130" in page.text


def test_nothing_that_holds_a_secret_is_linked(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "1", {})
    (folder / "hosts").mkdir()
    (folder / "hosts" / "ssh.key").write_text("secret")
    assert not re.search(r"ssh\.key", write(folder, load(folder)).read_text())


@pytest.mark.real
@pytest.mark.timeout(300)
def test_a_browser_under_the_policy_of_jenkins_has_nothing_to_complain_about(
    tmp_path: Path,
) -> None:
    long = "/a-name-without-any-place-to-break-it" * 12
    suites = {
        "xen1/stress": [*iterations(400, 3)],
        "xen1/tck": [case("a/x", Outcome.FAILED, HOSTILE[:-12] + long, detail=long)]
        + [case(f"b/{n}") for n in range(50)],
        "xen2/tck": [case("a/x"), case("b/1", Outcome.UNSUPPORTED)],
    }
    make_run(tmp_path / "runs", "1", {"xen1/tck": [case("a/x")]}, revision=long)
    folder = make_run(tmp_path / "runs", "2", suites, at=START + DAY)
    write(folder, load(folder))
    with served(tmp_path / "runs") as address, chromium(tmp_path) as page:
        for width in (1280, 390):
            for dark in (False, True):
                page.look(width=width, dark=dark)
                page.open(f"{address}/2/report/index.html")
                content, window = page.widths()
                assert content <= window, f"scrolls sideways at {width}"
        page.look(width=800, dark=True, media="print")
        page.open(f"{address}/2/report/index.html")
        for theme in ("light", "dark"):
            page.open(f"{address}/2/report/xen1-stress-steps-{theme}.svg")
        assert page.complaints == []


@pytest.mark.real
@pytest.mark.timeout(300)
def test_the_browser_does_complain_about_a_page_that_breaks_the_policy(tmp_path: Path) -> None:
    bad = '<body style="color:red"><script>1</script><div>' + "x" * 3000 + "</div>"
    (tmp_path / "bad.html").write_text(bad)
    with served(tmp_path) as address, chromium(tmp_path) as page:
        page.look(width=390, dark=False)
        page.open(f"{address}/bad.html")
        content, window = page.widths()
        assert content > window
        assert any("inline style" in complaint for complaint in page.complaints)
