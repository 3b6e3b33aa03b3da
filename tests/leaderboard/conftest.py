"""Stores to test with: SQLite in a new file, and a new database of a real PostgreSQL server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.leaderboard import postgresql

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    programs = postgresql.binaries()
    if programs is None:
        why = "there is no PostgreSQL server (apt-get install postgresql)"
        if postgresql.REQUIRED:
            pytest.fail(why)
        pytest.skip(why)
    with ExitStack() as ends:
        yield ends.enter_context(postgresql.running(programs))


@pytest.fixture
def postgresql_url(postgresql_server: postgresql.Server) -> str:
    """The URL of an empty database."""
    name = f"challenge_{os.getpid()}_{next(_numbers)}"
    postgresql_server.do(f"CREATE DATABASE {name}")
    return postgresql_server.url(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place with no store yet, once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'standings.sqlite'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
