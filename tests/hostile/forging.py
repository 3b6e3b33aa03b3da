"""Cells that speak on the grader's own channel: what they forge, and how the run must take it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

PRELUDE = """
import json, os, signal, struct, sys, time
def frame(body, blob=b''):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack('>II', len(body), len(blob)) + body + blob
def say(data):
    data = memoryview(data)
    while data:
        data = data[os.write(3, data):]
def heard():
    def exactly(size):
        got = b''
        while len(got) < size:
            part = os.read(3, size - len(got))
            if not part:
                os._exit(0)
            got += part
        return got
    size, blob = struct.unpack('>II', exactly(8))
    request = json.loads(exactly(size))
    exactly(blob)
    return request
"""

# A cell that becomes the holder itself: it answers every later request with the next line of a file, and the
# requests after the last cell with what is told of them.
SERVER = (
    PRELUDE
    + """
answers = open('answers.jsonl', 'rb').read().split(b'\\n')
rest = json.load(open('rest.json'))
say(frame({'cell': {'outputs': [], 'error': None}}))
while True:
    request = heard()
    if request['do'] == 'cell':
        say(frame(answers.pop(0)))
    elif request['do'] in rest:
        say(frame(json.dumps(rest[request['do']]).encode()))
"""
)


def cell(**reply: Any) -> bytes:
    return json.dumps({"cell": reply}).encode()


def outputs(*listed: Any) -> bytes:
    return cell(outputs=list(listed))


def _deep(depth: int) -> bytes:
    return b'{"cell": {"outputs": [' + b"[" * depth + b"]" * depth + b"]}}"


_STREAM = {"output_type": "stream", "name": "stdout"}
_MEDIA = "text/plain"

# What comes as the answer of one cell, each a JSON object; none of it may be more than a lie.
FORGED_ANSWERS: Mapping[str, bytes] = {
    "nothing": b"{}",
    "no cell": b'{"cell": null}',
    "a list": b'{"cell": [1, 2]}',
    "a number": b'{"cell": 5}',
    "another's": b'{"pid": 1, "names": [], "status": 0, "opened": false}',
    "outputs: null": cell(outputs=None),
    "outputs: text": cell(outputs="x" * 1000),
    "outputs: an object": cell(outputs={"output_type": "stream"}),
    "outputs: nulls": outputs(None, 5, "x"),
    "outputs: empty": outputs({}),
    "outputs: no text": outputs(_STREAM),
    "outputs: odd text": outputs(_STREAM | {"text": {"a": 1}}),
    "outputs: odd name": outputs(_STREAM | {"name": ["x"], "text": "x"}),
    "outputs: odd type": outputs({"output_type": ["stream"], "text": "x"}),
    "outputs: odd media": outputs({"output_type": "display_data", "data": [1], "metadata": 5}),
    "outputs: odd forms": outputs({"output_type": "display_data", "data": {_MEDIA: 5, "image/png": {}}}),
    "outputs: odd traceback": outputs({"output_type": "error", "ename": 5, "evalue": [], "traceback": 7}),
    "outputs: no picture": outputs({"output_type": "display_data", "data": {"image/png": "%%%"}}),
    "outputs: deep": _deep(50),
    "outputs: deeper": _deep(600),
    "outputs: many": outputs(*[_STREAM | {"text": "x"}] * 20_000),
    "outputs: a million lists": b'{"cell": {"outputs": [' + b"[]," * 1_000_000 + b"[]]}}",
    "outputs: long": outputs(_STREAM | {"text": "x" * 3_900_000}),
    "outputs: digits": b'{"cell": {"outputs": [' + b"9" * 4200 + b"]}}",
    "outputs: infinite": b'{"cell": {"outputs": [1e999, -1e999]}}',
    "outputs: surrogates": b'{"cell": {"outputs": [{"output_type": "stream", "text": "\\ud800\\udfff"}]}}',
    "outputs: twice": b'{"cell": {"outputs": [], "outputs": 5, "outputs": [[]]}}',
    "uses: odd": cell(outputs=[], uses={"a": 1}),
    "uses: in a list": cell(outputs=[], uses=[None, [], ["a"], ["a", "b", True], [1, 2, 3], ["a", "b", -1]]),
    "uses: long": cell(outputs=[], uses=[["\x1b[2J" * 100_000, "\u202e" * 100_000, 10**9]]),
    "uses: digits": b'{"cell": {"uses": [["a", "b", ' + b"9" * 4200 + b"]]}}",
    "training: text": cell(training="x"),
    "training: odd": cell(
        training={"runs": [{"steps": "x", "losses": [[1]], "cells": {}, "feeds": [5]}] * 50}
    ),
    "training: large": cell(training={"runs": [{"steps": 10**300, "lr_most": 1e308}], "errors": -1}),
    "training: infinite": b'{"cell": {"training": {"runs": [{"lr_most": 1e999, "losses": [[1, 1e999]]}]}}}',
    "training: many": cell(
        training={"loaders": [{"parts": [{"folders": ["\u202e" * 10] * 60}] * 20}] * 20, "runs": [{}] * 5000}
    ),
    "seconds: odd": cell(seconds="x", outputs=[]),
    "interrupted at once": cell(interrupted=True, outputs=[]),
    "interrupted: odd": cell(interrupted="yes", outputs=[]),
    "raised: null": cell(raised=None),
    "raised: text": cell(raised="x"),
    "raised: a list": cell(raised=[1]),
    "raised: odd": cell(raised={"type": 5, "bases": "x", "text": [], "frames": {}, "replaced": 1}),
    "raised: far away": cell(raised={"type": "ValueError", "frames": [["/etc/passwd", 10**9]], "text": "x"}),
    "raised: in a cell": cell(
        raised={"type": "ValueError", "frames": [["cell 1", -1]], "text": "x" * 100_000}
    ),
    "raised: to be ours": cell(raised={"type": "OperatorMissing", "text": "torchvision::nms"}),
    "raised: at the limit": cell(raised={"type": "BlockingIOError", "text": "[Errno 11] no"}),
    "raised: dunder": cell(raised={"type": "__import__", "bases": ["__debug__", "KeyboardInterrupt"]}),
    "ran and raised": b'{"raised": 5, "cell": {"outputs": []}}',
    "told of progress": b'{"so_far": [], "outputs": []}',
}

# What is no answer at all: the run ends with it, at once and named. The second is what is sent after it.
BROKEN: Mapping[str, str] = {
    "no JSON": "say(frame(b'\\xff{'))",
    "a list": "say(frame([1]))",
    "a text": "say(frame(b'\"x\"'))",
    "endless nesting": "say(frame(b'[' * 3_000_000))",
    "nested objects": "say(frame(b'{\"a\":' * 600_000))",
    "NaN": "say(frame(b'{\"cell\": NaN}'))",
    "digits": "say(frame(b'{\"cell\": ' + b'9' * 100_000 + b'}'))",
    "4 GiB": "say(struct.pack('>II', 2**32 - 1, 2**32 - 1))",
    "arrays": "say(struct.pack('>II', 2, 2**25) + b'{}' + bytes(2**20))",
    "arrays that lie": "say(frame({}, struct.pack('<Q', 2**60) + b'{}'))",
    "closed": "os.close(3)",
    "half and closed": "say(frame({'cell': {}})[:-2]); os._exit(0)",
    "a flood of progress": "\nwhile True: say(frame({'progress': {}, 'so_far': []}))",
    "a flood of large progress": "\nwhile True: say(frame({'progress': {}, 'so_far': ['x' * 3_000_000]}))",
}

# Progress that is none, as a cell may send it; then it goes on, and ends well.
PROGRESS: Sequence[bytes] = (
    b'{"progress": null}',
    b'{"progress": [], "so_far": {}}',
    b'{"progress": {"steps_per_epoch": 1e999, "rate": -1e999, "elapsed_s": 1e9}}',
    b'{"progress": {"steps_per_epoch": 1000000000000, "rate": 1e-300, "elapsed_s": 11, "between_s": 1e300}}',
    b'{"progress": {"steps_per_epoch": 1, "rate": 1e-323, "elapsed_s": 11}, "so_far": ['
    + b"[]," * 1000
    + b"1]}",
    b'{"progress": {"elapsed_s": true, "rate": "x", "steps_per_epoch": [1]}, "so_far": "x"}',
)
