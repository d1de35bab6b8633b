"""Runs, their hosts, commits, results and steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _key() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _of_run() -> sa.Column[int]:
    return sa.Column(
        "run_id", _key(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )


def _text(name: str, length: int = 0) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", _key(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        _text("fingerprint", 64),
        _text("plan"),
        _text("plan_digest", 64),
        _text("virtci", 50),
        _text("folder"),
        sa.Column("started", sa.Float(), nullable=False, index=True),
        sa.Column("ended", sa.Float(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        _text("outcome", 12),
        _text("source"),
        _text("packages"),
    )
    op.create_table(
        "run_hosts",
        _of_run(),
        sa.Column("host", sa.String(100), primary_key=True),
        _text("kernel"),
        _text("hypervisor"),
        _text("libvirt"),
    )
    op.create_table(
        "run_commits",
        _of_run(),
        sa.Column("position", sa.Integer(), primary_key=True),
        _text("commit_id", 64),
        _text("author"),
        _text("date", 40),
        _text("subject"),
    )
    op.create_table(
        "run_steps",
        _of_run(),
        sa.Column("suite", sa.String(100), primary_key=True),
        sa.Column("host", sa.String(100), primary_key=True),
        sa.Column("step", sa.String(200), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
    )
    _create_results()


def _create_results() -> None:
    op.create_table("signatures", sa.Column("id", sa.String(8), primary_key=True), _text("text"))
    op.create_table(
        "tests",
        sa.Column("id", _key(), primary_key=True),
        _text("suite", 100),
        _text("host", 100),
        _text("name", 500),
        sa.UniqueConstraint("suite", "host", "name"),
    )
    op.create_table(
        "results",
        _of_run(),
        sa.Column("test_id", _key(), sa.ForeignKey("tests.id"), primary_key=True),
        _text("outcome", 12),
        *(sa.Column(n, sa.Integer(), nullable=False) for n in ("passed", "failed")),
        *(sa.Column(n, sa.Integer(), nullable=False) for n in ("broken", "neutral")),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("signature", sa.String(8), nullable=True),
        _text("message"),
    )
    counts = ["passed", "failed", "broken", "neutral"]
    op.create_index("results_of_a_test", "results", ["test_id", "run_id", *counts])
    op.create_index("results_of_a_signature", "results", ["signature"])


def downgrade() -> None:
    for table in (
        "results",
        "tests",
        "signatures",
        "run_steps",
        "run_commits",
        "run_hosts",
        "runs",
    ):
        op.drop_table(table)
