"""The tables. A loop is one result with counts; a test's row is shared by all its results."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
_Key = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER keys by itself


def _of_run() -> Column[int]:
    return Column("run_id", _Key, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


runs = Table(
    "runs",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("fingerprint", String(64), nullable=False),
    Column("plan", Text, nullable=False),
    Column("plan_digest", String(64), nullable=False),
    Column("virtci", String(50), nullable=False),
    Column("folder", Text, nullable=False),
    Column("started", Float, nullable=False, index=True),
    Column("ended", Float, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("source", Text, nullable=False),
    Column("packages", Text, nullable=False),
)
hosts = Table(
    "run_hosts",
    metadata,
    _of_run(),
    Column("host", String(100), primary_key=True),
    Column("kernel", Text, nullable=False),
    Column("hypervisor", Text, nullable=False),
    Column("libvirt", Text, nullable=False),
)
commits = Table(
    "run_commits",
    metadata,
    _of_run(),
    Column("position", Integer, primary_key=True),
    Column("commit_id", String(64), nullable=False),
    Column("author", Text, nullable=False),
    Column("date", String(40), nullable=False),
    Column("subject", Text, nullable=False),
)
tests = Table(
    "tests",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("suite", String(100), nullable=False),
    Column("host", String(100), nullable=False),
    Column("name", String(500), nullable=False),
    UniqueConstraint("suite", "host", "name"),
)
results = Table(
    "results",
    metadata,
    _of_run(),
    Column("test_id", _Key, ForeignKey("tests.id"), primary_key=True),
    Column("outcome", String(12), nullable=False),
    Column("passed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("broken", Integer, nullable=False),
    Column("neutral", Integer, nullable=False),  # skipped or unsupported
    Column("seconds", Float, nullable=False),
    Column("signature", String(8), nullable=True),
    Column("message", Text, nullable=False),
    # it holds all that rates and digests sum up, so that they need not look at the rows
    Index("results_of_a_test", "test_id", "run_id", "passed", "failed", "broken", "neutral"),
    Index("results_of_a_signature", "signature"),
)
signatures = Table(
    "signatures",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("text", Text, nullable=False),
)
steps = Table(
    "run_steps",
    metadata,
    _of_run(),
    Column("suite", String(100), primary_key=True),
    Column("host", String(100), primary_key=True),
    Column("step", String(200), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("seconds", Float, nullable=False),  # the median of one
)
