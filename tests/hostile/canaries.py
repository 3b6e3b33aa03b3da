"""Secrets laid out where attackers look, and the search for them in everything that comes out."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.hostile import HOMEWORK, Known

ROOT = Path(__file__).resolve().parents[2]
GRADERS = ROOT / "graders"
VARIABLE = "AUTOGRADER_CANARY"
# What students are not given: hidden tests, their cases, the reference.
HIDDEN_SOURCES = (
    GRADERS / HOMEWORK / "test_extended.py",
    GRADERS / HOMEWORK / "conftest.py",
    ROOT / "reference" / "conv_cases.py",
    ROOT / "reference" / "layers.py",
)
_LINES_EACH = 6  # of a hidden source: whoever read it has one of its longest lines
_DIGITS = 24  # of a secret; each half of them alone gives it away
_SHORTEST_BASE64 = 8


@dataclass(slots=True)
class Planted:
    """The secrets of one process's tests; ``known`` is what the attacks are told about them."""

    folder: Path
    known: Known
    traces: Mapping[str, tuple[bytes, ...]]  # what is secret -> every way in which it could be written
    listeners: Mapping[str, socket.socket]
    held: bytes = field(repr=False)  # in this process's memory for as long as it runs
    _clean: set[bytes] = field(default_factory=set, repr=False)  # digests of what was searched in vain

    def seen_in(self, where: str, data: bytes) -> list[str]:
        """The secrets that ``data`` gives away."""
        digest = hashlib.sha256(data).digest()
        if digest in self._clean:  # most files that a box holds are those that were handed in
            return []
        found = self._search(where, data)
        if not found:
            self._clean.add(digest)
        return found

    def _search(self, where: str, data: bytes) -> list[str]:
        data += data.replace(b'\\"', b'"') + html.unescape(data.decode("latin-1")).encode(
            "latin-1", "replace"
        )
        return [
            f"{what} came out in {where}"
            for what, traces in self.traces.items()
            if any(trace in data for trace in traces)
        ]

    def heard(self) -> list[str]:
        """What arrived at the sockets since the last look."""
        found = []
        for name, listener in self.listeners.items():
            reached = False
            with suppress(BlockingIOError):
                while True:
                    if listener.type == socket.SOCK_DGRAM:
                        listener.recv(1)
                    else:
                        listener.accept()[0].close()
                    reached = True
            if reached:
                found.append(f"something reached the {name} socket")
        return found


@contextmanager
def plant(folder: Path) -> Iterator[Planted]:
    """Lay everything out below ``folder``, which everybody may walk into and read."""
    tokens = {
        name: f"canary-in-{name}-{secrets.token_hex(_DIGITS // 2)}"
        for name in ("file", "labels", "metadata", "environment", "arguments", "memory")
    }
    grader = folder / "graders" / HOMEWORK
    shutil.copytree(GRADERS / HOMEWORK, grader, ignore=shutil.ignore_patterns("__pycache__"))
    paths = {"file": folder / "canary.txt", "labels": grader / "labels.csv"}
    paths["metadata"] = folder / "submission_metadata.json"
    paths["file"].write_text(tokens["file"])
    paths["labels"].write_text(f"image_id,label\n0,{tokens['labels']}\n")
    paths["metadata"].write_text(f'{{"previous_submissions": [{{"results": "{tokens["metadata"]}"}}]}}')
    (folder / "results").mkdir()
    engine = _copy_of_the_engine(folder / "engine")  # attacks that got out would spoil only this one
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv(VARIABLE, tokens["environment"])
        neighbour = stack.enter_context(_neighbour(tokens))
        listeners = {name: stack.enter_context(one) for name, one in _listeners(folder).items()}
        yield Planted(
            folder=folder,
            known=Known(
                canary=str(paths["file"]),
                labels=str(paths["labels"]),
                grader=str(grader),
                engine=str(engine),
                results=str(folder / "results"),
                metadata=str(paths["metadata"]),
                tcp=str(listeners["TCP"].getsockname()[1]),
                udp=str(listeners["UDP"].getsockname()[1]),
                unix=str(folder / "socket"),
                abstract=_abstract(),
                parent=str(os.getpid()),
                neighbour=str(neighbour.pid),
                mark=f"mark-{secrets.token_hex(6)}",
            ),
            traces={name: _of_token(token) for name, token in tokens.items()} | dict(_of_sources()),
            listeners=listeners,
            held=bytes(bytearray(tokens["memory"].encode())),
        )


@contextmanager
def _neighbour(tokens: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that was started with secrets: /proc shows of ours only what it was started with."""
    command = ["/bin/sh", "-c", "read line", tokens["arguments"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={VARIABLE: tokens["environment"]}) as process:
        yield process
        process.kill()


def _copy_of_the_engine(folder: Path) -> Path:
    for name in ("autograder", "reference", "graders"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_autograder", "setup.sh"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _abstract() -> str:
    return f"autograder-canary-{os.getpid()}"


def _listeners(folder: Path) -> dict[str, socket.socket]:
    made = {
        "TCP": socket.create_server(("127.0.0.1", 0)),
        "UDP": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix": socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        "abstract unix": socket.socket(socket.AF_UNIX),
    }
    made["UDP"].bind(("127.0.0.1", 0))
    made["unix"].bind(str(folder / "socket"))
    made["abstract unix"].bind("\0" + _abstract())
    made["abstract unix"].listen()
    (folder / "socket").chmod(0o777)
    for listener in made.values():
        listener.setblocking(False)
    return made


def _of_token(token: str) -> tuple[bytes, ...]:
    """The traces of a secret's random digits, whole or cut in half on the way."""
    digits = token.rpartition("-")[2]
    halves = (digits[: _DIGITS // 2], digits[_DIGITS // 2 :])
    return tuple(trace for half in halves for trace in _spellings(half))


def _of_sources() -> Iterator[tuple[str, tuple[bytes, ...]]]:
    for path in HIDDEN_SOURCES:
        lines = {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
        plain = [line for line in lines if line.isascii() and not line.startswith('"""')]  # a test's name
        longest = sorted(plain, key=len)[-_LINES_EACH:]
        traces = tuple(trace for line in longest for trace in _spellings(line))
        yield f"the source {path.relative_to(ROOT)}", traces


def _spellings(text: str) -> Iterator[bytes]:
    """A text as attackers would write it to get it past a search."""
    data = text.encode()
    yield data
    yield data[::-1]
    yield data.hex().encode()
    yield data.decode().encode("utf-16-le")
    for before in range(3):  # base64 looks different by where the text starts in its groups of three bytes
        coded = base64.b64encode(bytes(before) + data)
        middle = coded[4 if before else 0 : len(coded) - 4]
        if len(middle) >= _SHORTEST_BASE64:
            yield middle
    for between in (",", ", ", " ", ".0, ", ". "):
        yield between.join(map(str, data)).encode()
