"""Shares of a plan's work."""

from __future__ import annotations

import pytest

from ci.errors import UsageError
from ci.shard import WHOLE, Shard, parse_shard


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_every_unit_is_in_exactly_one_share(count: int) -> None:
    shards = [Shard(index, count) for index in range(1, count + 1)]
    for position in range(2500):
        assert sum(shard.has(position) for shard in shards) == 1


def test_a_share_is_written_as_it_is_read() -> None:
    assert str(parse_shard("2/8")) == "2/8"
    assert parse_shard("1/1") == WHOLE


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "a/b", "-1/2", "1/0"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected i/n"):
        parse_shard(text)
