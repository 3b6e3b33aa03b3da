"""The tables in which standings are kept, for SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

VERSION = 1


class Moment(TypeDecorator[datetime]):
    """A time, in UTC on its way in and out: SQLite keeps no zone, and PostgreSQL gives the session's."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData()

# One row: which version of these tables this is.
version_table = Table(
    "challenge_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

entries_table = Table(
    "challenge_entries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("challenge", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("received", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("public", Double, nullable=False),
    Column("private", Double, nullable=False),
    Column("shown", Double, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("points", JSON, nullable=False),
    Column("fault", Boolean, nullable=False),
    Column("labels", LargeBinary, nullable=False),  # packed 16-bit numbers
    UniqueConstraint("challenge", "team", "at", "digest"),  # the index of every query, too
)
