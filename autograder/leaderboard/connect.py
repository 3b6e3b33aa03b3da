"""From a path or a URL to a database that can be used, and from its errors to what staff can do."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from autograder.outcome import EnvironmentFault, UsageError
from autograder.text import one_line, quote

BUSY_S = 60  # how long one waits for others: fifty that come at once are through in a few seconds
CONNECT_S = 10
MAX_ERROR_CHARS = 300
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_KINDS = "Say a path, sqlite:///PATH, or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."
_FULL = ("too many clients", "too many connections", "remaining connection slots")

_LOCAL = "See that the disk works. SQLite's file must lie on a local disk, not on a network's."
_BUSY = "Another program holds the database open for writing. Wait until it is done, and try again."

# What an error says, in lower case -> what to do
_REMEDIES = (
    ("not a database", "Another file has this name. Move it away, or name another place with --store."),
    ("malformed", "The file is damaged. Put a copy of it from a backup in its place."),
    ("locked", _BUSY),
    ("lock timeout", _BUSY),
    ("readonly", "Let the user who grades write the file, and the folder that it lies in."),
    ("unable to open", "Let the user who grades write the file, and the folder that it lies in."),
    ("disk", "See that there is room on the disk."),
    ("i/o", _LOCAL),
    ("locking protocol", _LOCAL),
    ("password", "See that the user and the password in the URL are right."),
    ("does not exist", "Make the database and its user first, with `createdb` and `createuser`."),
    ("encoding", "Make the database with `createdb --encoding=UTF8`: names have letters of every language."),
    ("permission", "Let this user make and write tables in the database."),
    *((words, "Let the server take more connections (max_connections).") for words in _FULL),
)
_OTHERWISE = "See that the server runs and can be reached from here, and that the URL is right."

_making = threading.Lock()


def connected(url: str | Path) -> Engine:
    """An engine for ``url``; a server is not asked yet, a missing file is made."""
    parsed = _parsed(url)
    return _sqlite(parsed) if parsed.drivername == "sqlite" else _postgresql(parsed)


def opened(engine: Engine) -> Connection:
    """A connection. A server that has no more to give is asked again for a while."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return engine.connect()
        except OperationalError as error:
            if time.monotonic() > deadline or not any(words in str(error.orig) for words in _FULL):
                raise
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311  (so that they don't all come back at once)


@contextlib.contextmanager
def told(url: URL) -> Iterator[None]:
    """Turns a database's error into a fault that says what to do. Passwords are left out."""
    try:
        yield
    except DBAPIError as error:
        says = one_line(str(error.orig), MAX_ERROR_CHARS)
        otherwise = _LOCAL if url.drivername == "sqlite" else _OTHERWISE
        remedy = next((do for words, do in _REMEDIES if words in says.lower()), otherwise)
        raise EnvironmentFault(
            f"The standings in {_shown(url)} can't be used: {says}", remedy=remedy
        ) from None


def _parsed(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return _file_url(Path(url))
    scheme = url.partition("://")[0]
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the text may hold a password: only its beginning is quoted
        raise UsageError(f"The store's URL, {quote(scheme)}://…, can't be read. {_KINDS}") from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.query or parsed.host:
            raise UsageError(f"The store's URL, {quote(url)}, has more to it than a path. {_KINDS}")
        return _file_url(Path(parsed.database or ""))
    if parsed.drivername not in _POSTGRESQL:
        raise UsageError(
            f"The store's URL begins with {quote(scheme)}, which is no database of ours. {_KINDS}"
        )
    return parsed.set(drivername="postgresql+psycopg")


def _file_url(path: Path) -> URL:
    if path == Path() or path.name == ":memory:":
        raise UsageError(f"The store would be forgotten at once: {quote(str(path))} is no file. {_KINDS}")
    return URL.create("sqlite", database=str(path))


def _sqlite(url: URL) -> Engine:
    _make_file(Path(url.database or ""))
    # We begin and end the transactions ourselves: left alone, the driver begins them late, after the reading.
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S, "isolation_level": None})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(path: Path) -> None:
    """An empty file, which SQLite takes for an empty database, that only its owner can read.

    One thread at a time: closing a file would set free the locks that another thread has on it.
    """
    try:
        if path.is_dir():
            raise UsageError(f"The store can't be {quote(str(path))}: that is a folder. Name a file.")
        if not path.parent.is_dir():
            raise UsageError(
                f"There is no folder {quote(str(path.parent))} for the store. Make it, or name another."
            )
        with _making, contextlib.suppress(FileExistsError):
            path.touch(0o600, exist_ok=False)
    except OSError as error:
        raise EnvironmentFault(
            f"The store {quote(str(path))} can't be made or used: {error.strerror}.",
            remedy="Let the user who grades write in that folder, or name another place with --store.",
        ) from None


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    """Readers and the writer don't wait for each other (WAL), and what was committed survives a power cut."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:  # the first switch waits for nobody by itself
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL) -> Engine:
    wait = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_S}
    try:
        return create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED", connect_args=wait)
    except ImportError:
        raise EnvironmentFault(
            "Standings in PostgreSQL need the package psycopg, which this environment lacks.",
            remedy=f"Run `{sys.executable} -m pip install 'psycopg[binary]'`, or keep them in SQLite.",
        ) from None


def _shown(url: URL) -> str:
    """The URL without password and options, which may hold another."""
    if url.drivername == "sqlite":
        return quote(url.database or "")
    return quote(url.set(query={}).render_as_string(hide_password=True))
