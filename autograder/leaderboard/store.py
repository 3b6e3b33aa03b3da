"""Where a challenge's entries are kept: SQLite in one file, or a PostgreSQL server.

Many gradings may write at once, and two of one team must not both take its last submission of the day. So
counting and writing are one transaction that no other of the same team can enter: on SQLite it begins with
the lock on the whole file (BEGIN IMMEDIATE; who comes second waits), on PostgreSQL with an advisory lock on
the challenge and the team. READ COMMITTED is asked for, because under a stricter level the second would still
see the table as it was before it waited.

Each operation opens a connection of its own and closes it: a `Store` may be used by many threads, and by
children that were forked after it was opened.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, Select, func, insert, inspect, select, text, update

from autograder.challenge.limits import Allowance, counted, has_room, in_window, next_possible
from autograder.leaderboard.connect import BUSY_S, connected, opened, told
from autograder.leaderboard.entry import Entry, NewEntry, OverLimit, known_as, name_key, settled
from autograder.leaderboard.schema import VERSION, entries_table, metadata, version_table
from autograder.outcome import EnvironmentFault, UsageError
from autograder.text import quote

_FAST = 1  # zlib's level: labels shrink to a third at any
_SHOWN = [column for column in entries_table.columns if column.name != "labels"]


class Store:
    """The entries of any number of challenges. Made by `open`; a context manager."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str | Path) -> Store:
        """The store at ``url``, a path or a database's URL; made where there is none yet."""
        store = cls(connected(url))
        with store._reading() as connection:
            made = inspect(connection).has_table(version_table.name)
        if not made:
            with store._writing("") as connection:
                _make_tables(connection)
        with store._reading() as connection:
            _check_version(connection)
        return store

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, new: NewEntry, allowance: Allowance | None = None) -> Entry:
        """Keep an entry, unless the team's ``allowance`` is used up: then `OverLimit`.

        The same file at the same time is the same submission, graded again: it uses up nothing, and its
        scores are replaced, unless the new grading broke by our fault.
        """
        new = settled(new)
        with self._writing(f"{new.challenge}\n{new.team}") as connection:
            known = _known(connection, new)
            if known and new.fault:
                return known
            if allowance and not new.fault and (known is None or known.fault):
                _check_limit(connection, new, allowance)
            if known:
                change = update(entries_table).where(entries_table.c.id == known.id)
                connection.execute(change.values(_graded(new)))
                return _kept(connection, known.id)
            return _kept(connection, _insert(connection, new))

    def entries(self, challenge: str, *, team: str = "", until: datetime | None = None) -> tuple[Entry, ...]:
        """All entries, or a team's, by the time at which they were handed in."""
        asked = select(*_SHOWN).where(entries_table.c.challenge == known_as(challenge, "A challenge"))
        if team:
            asked = asked.where(entries_table.c.team == known_as(team, "A team"))
        if until:
            asked = asked.where(entries_table.c.at <= until)
        with self._reading() as connection:
            found = connection.execute(asked.order_by(entries_table.c.at, entries_table.c.id))
            return tuple(_entry(row) for row in found)

    def teams(self, challenge: str) -> tuple[str, ...]:
        """The teams, in the order in which the store first heard of them."""
        asked = (
            select(entries_table.c.team)
            .where(entries_table.c.challenge == known_as(challenge, "A challenge"))
            .group_by(entries_table.c.team)
            .order_by(func.min(entries_table.c.id))
        )
        with self._reading() as connection:
            return tuple(connection.execute(asked).scalars())

    def spelling(self, challenge: str, team: str) -> str:
        """The team's name as it was written first. "owls" beside "Owls" could enter twice as often."""
        team = known_as(team, "A team")
        return next((known for known in self.teams(challenge) if name_key(known) == name_key(team)), team)

    def labels(self, entry: Entry) -> NDArray[np.int16]:
        """What an entry predicted, in the order of the manifest's ids."""
        with self._reading() as connection:
            packed = connection.execute(
                select(entries_table.c.labels).where(entries_table.c.id == entry.id)
            ).scalar_one()
        return np.frombuffer(zlib.decompress(packed), "<i2").astype(np.int16)

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(writes=False)

    @contextmanager
    def _writing(self, lock: str) -> Iterator[Connection]:
        """A transaction beside which no other of the same ``lock`` runs."""
        with self._transaction(writes=True) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_S}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_number(lock)})
            yield connection

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with (
            told(self._engine.url),
            opened(self._engine) as connection,
            connection.execution_options(writes=writes).begin(),
        ):
            yield connection


def _make_tables(connection: Connection) -> None:
    names = inspect(connection).get_table_names()
    if version_table.name in names:  # another was faster
        return
    if connection.dialect.name == "sqlite" and names:
        raise UsageError(
            f"The store is a database of something else, with a table {quote(names[0])}. Name another file."
        )
    metadata.create_all(connection)
    connection.execute(insert(version_table).values(version=VERSION))


def _check_version(connection: Connection) -> None:
    version = connection.execute(select(version_table.c.version)).scalar_one()
    if version != VERSION:
        raise EnvironmentFault(
            f"The standings are of version {version}; this autograder knows version {VERSION}.",
            remedy="Use the autograder that made them, or name another place with --store.",
        )


def _check_limit(connection: Connection, new: NewEntry, allowance: Allowance) -> None:
    rows = connection.execute(
        _of_team(new).where(~entries_table.c.fault).order_by(entries_table.c.at, entries_table.c.id)
    )
    entries = [_entry(row) for row in rows]
    times = [entry.at for entry in entries]
    if has_room(counted(times, allowance), new.at, allowance):
        return
    before = [entry for entry in entries if entry.at <= new.at]
    raise OverLimit(
        next_possible(times, new.at, allowance),
        in_window(times, new.at, allowance),
        standing=before[-1] if before else None,
    )


def _known(connection: Connection, new: NewEntry) -> Entry | None:
    """The entry of the same file at the same time."""
    same = _of_team(new).where(entries_table.c.at == new.at, entries_table.c.digest == new.digest)
    row = connection.execute(same).one_or_none()
    return _entry(row) if row else None


def _kept(connection: Connection, number: int) -> Entry:
    return _entry(connection.execute(select(*_SHOWN).where(entries_table.c.id == number)).one())


def _insert(connection: Connection, new: NewEntry) -> int:
    values = {
        "challenge": new.challenge,
        "team": new.team,
        "at": new.at,
        "digest": new.digest,
        "received": datetime.now(UTC),
        **_graded(new),
    }
    key = connection.execute(insert(entries_table).values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _graded(new: NewEntry) -> dict[str, Any]:
    """The columns that another grading of the same file may change."""
    return {
        "public": float(new.public),
        "private": float(new.private),
        "shown": float(new.shown),
        "metrics": {name: float(value) for name, value in new.metrics.items()},
        "points": {name: float(value) for name, value in new.points.items()},
        "fault": new.fault,
        "labels": zlib.compress(new.labels.astype("<i2").tobytes(), _FAST),
    }


def _of_team(new: NewEntry) -> Select[Any]:
    return select(*_SHOWN).where(entries_table.c.challenge == new.challenge, entries_table.c.team == new.team)


def _entry(row: Row[Any]) -> Entry:
    return Entry(**row._mapping)


def _lock_number(name: str) -> int:
    """PostgreSQL's locks are numbers of 64 bits. Two names that share one would only wait for each other."""
    digest = hashlib.sha256(b"autograder challenge\n" + name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], signed=True)
