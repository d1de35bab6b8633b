"""Scenarios are data, or a function of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.errors import UsageError
from suites.stress.scenario import load_scenario
from suites.stress.shipped import shipped


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_can_be_loaded_and_says_what_it_does(name: str) -> None:
    assert load_scenario(name).description.endswith(".")


def test_the_lifecycle_is_among_them() -> None:
    assert {"lifecycle", "destroy-storm", "save-restore", "job-abort", "walk"} <= set(shipped())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match='no scenario "lifecicle"') as caught:
        load_scenario("lifecicle")
    assert "lifecycle" in caught.value.hint


def test_a_misspelt_operation_lists_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('description = "Mine."\nsteps = ["create", "rebot"]\n')
    with pytest.raises(UsageError, match='no operation "rebot"') as caught:
        load_scenario(str(file))
    assert "reboot" in caught.value.hint


def test_a_misspelt_key_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('description = "Mine."\nstep = ["create"]\n')
    with pytest.raises(UsageError, match=r'mine\.toml:2: step: unknown key; did you mean "steps"'):
        load_scenario(str(file))


def test_a_python_function_is_a_scenario(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text('def storm(play):\n    """Storm."""\n')
    assert load_scenario(f"{file}:storm").description == "Storm."
    with pytest.raises(UsageError, match='no function "calm"'):
        load_scenario(f"{file}:calm")
