"""The real build service and the real message bus, once for all tests that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.obs_backend.backend import Backend, backend
from tests.obs_backend.rabbit import Rabbit, rabbit
from tests.root import need_root


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A whole Open Build Service with one worker, and osc configured for it."""
    need_root("the worker of a build service")
    before = dict(os.environ)
    with backend(idle=600) as made:
        os.environ["OSC_CONFIG"] = str(made.oscrc)
        os.environ["OSC_COOKIEJAR"] = str(tmp_path_factory.mktemp("osc") / "cookies")
        os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
        try:
            yield made
        finally:
            os.environ.clear()
            os.environ.update(before)


@pytest.fixture(scope="package")
def broker() -> Iterator[Rabbit]:
    with rabbit() as made:
        yield made
