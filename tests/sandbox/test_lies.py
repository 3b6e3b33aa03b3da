"""A box whose code speaks for us on our own channel: whatever it says is a value, or its own problem."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder.outcome import SubmissionProblem
from autograder.sandbox import wire
from autograder.sandbox.submission import Scene
from tests.sandbox.boxes import LIMITS, Watched, opened

LIAR = """
import gc, os, struct
from autograder.sandbox import channel


def channels():
    return [thing for thing in gc.get_objects() if isinstance(thing, channel.Channel)]


def say(frame):
    for one in channels():
        try:
            one._sock.sendall(frame)
        except OSError:
            pass
    return 1


def reply(text):
    return say(struct.pack('>II', len(text), 0) + text.encode())


def frame(text_size, blob_size, rest):
    return say(struct.pack('>II', text_size, blob_size) + rest.encode())
"""
LIES = [
    ("reply", "[]"),
    ("reply", "{}"),
    ("reply", '{"raised": 5}'),
    ("reply", '{"raised": {"type": [[]], "bases": 5, "text": {}, "frames": [[1]], "replaced": 7}}'),
    ("reply", '{"kind": ' + "[" * 900 + "]" * 900 + "}"),
    ("reply", '{"raised": {"text": ' + "[" * 900 + "]" * 900 + "}}"),
    ("reply", '{"handle": 1e400, "kind": "tuple", "length": -3}'),
    ("reply", '{"handle": true, "kind": null, "length": ' + "9" * 4000 + "}"),
    ("reply", '{"missing": {}}'),
    ("reply", '{"values": [["handle", 3, []]]}'),
    ("reply", "NaN"),
    ("reply", '{"a": NaN}'),
    ("reply", "not json"),
    ("frame", 2**32 - 1, 2**32 - 1, ""),
    ("frame", 2, 8, "{}lies    "),
    ("frame", 5, 0, "{}"),
]


def outcome(scene: Scene, name: str, *arguments: Any) -> Any:
    """What a call returns, or the problem that it ends in."""
    try:
        handle = scene.call(name, *arguments)
        assert isinstance(handle.kind, str)
        assert handle.length is None or 0 <= handle.length < 2**31
        return handle.fetch()
    except SubmissionProblem as problem:
        return problem


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_reply_that_lies_is_a_problem_or_a_value(
    backend: Watched, tmp_path: Path, lie: tuple[Any, ...]
) -> None:
    """Whatever a box says: never a fault of ours, never anything but plain values."""
    name, *arguments = lie
    with opened(backend, tmp_path, LIAR, replace(LIMITS, wall_s=1.0)) as module, module.scene() as scene:
        for _ in range(2):
            found = outcome(scene, name, *arguments)
            if isinstance(found, SubmissionProblem):
                assert 0 < len(found.student_text) < 1000
            else:
                assert isinstance(found, (int, wire.Opaque, type(None)))


def test_a_lie_about_names_is_no_fault(backend: Watched, tmp_path: Path) -> None:
    source = LIAR + '\nreply(\'{"names": 5, "replaced": {"a": 1}}\')\n'
    with opened(backend, tmp_path, source) as module:
        module.load()
        assert (module.names, module.replaced) == ((), ())
