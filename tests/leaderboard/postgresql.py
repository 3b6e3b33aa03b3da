"""A real PostgreSQL server of this machine's own package, for as long as the tests need it.

It listens on a socket in a folder of its own and nowhere else, trusts whoever reaches it, and is gone with
that folder. As root it runs as another user, because PostgreSQL refuses to be root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import psycopg

REQUIRED = os.environ.get("AUTOGRADER_REQUIRE_POSTGRESQL") == "1"
MAX_CONNECTIONS = 20  # fewer than the tests want at once
USER = "staff"
START_WAIT_S = 60
_PACKAGED = Path("/usr/lib/postgresql")


class ServerError(Exception):
    """The server did not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    folder: Path

    def do(self, command: str) -> None:
        """What only the server's owner may do."""
        with psycopg.connect(
            host=str(self.folder), user=USER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(command.encode())

    def url(self, database: str = "postgres", *, user: str = USER) -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={quote_plus(str(self.folder))}"


def binaries() -> Path | None:
    """The folder of the newest server's programs; None where there is no server."""
    found = sorted(
        _PACKAGED.glob("*/bin/initdb"),
        key=lambda path: int(path.parent.parent.name.partition(".")[0]),
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    # Not below pytest's own folder: that is closed to other users, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        user = _server_user()
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        made = subprocess.run(
            [
                *_as(user),
                str(programs / "initdb"),
                *("--pgdata", str(data), "--username", USER),
                *("--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerError(f"initdb failed: {made.stderr}")
        server = _start(programs, data, user)
        try:
            _wait_until_ready(programs, folder, server)
            yield Server(folder)
        finally:
            server.send_signal(signal.SIGINT)  # it ends every session, and then itself
            server.wait()


def _server_user() -> pwd.struct_passwd | None:
    """Whom root lets the server run as."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as(user: pwd.struct_passwd | None, *options: str) -> list[str]:
    if user:
        options = (*options, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    return ["setpriv", *options, "--no-new-privs"]


def _start(programs: Path, data: Path, user: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(data.parent),
        "max_connections": str(MAX_CONNECTIONS),
        # So that a transaction sees, unless it asks for another level, only what was there when it began.
        "default_transaction_isolation": "repeatable read",
        "fsync": "off",  # nothing here outlives the server
        "shared_buffers": "16MB",
    }
    options = [each for name, value in settings.items() for each in ("-c", f"{name}={value}")]
    with (data.parent / "log").open("wb") as log:
        return subprocess.Popen(
            # It must not outlive tests that are killed.
            [*_as(user, "--pdeathsig=INT"), str(programs / "postgres"), "-D", str(data), *options],
            cwd=data.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _wait_until_ready(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WAIT_S
    asked = [str(programs / "pg_isready"), "--quiet", "--host", str(folder), "--dbname", "postgres"]
    while subprocess.run(asked, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise ServerError((folder / "log").read_text(errors="replace")[-4_000:])
        time.sleep(0.05)
