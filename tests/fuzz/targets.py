"""What is fuzzed: each loader with small limits, so that they are reached, and what may come of any bytes.

A target's ``load`` returns or raises `Malformed`; everything else, a value outside the limits too, is a
finding. Half of the inputs go in as they are. The other half, told by their first byte, are put into order
first, with right lengths and checksums, so that the mutations reach what lies behind those.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.checks.logs.events import scalars_of
from autograder.checks.logs.reading import parse_log
from autograder.checks.predictions.form import Form, Ids
from autograder.checks.predictions.reading import read_predictions
from autograder.loaders.arrays import ArrayLimits, load_npy, load_npz
from autograder.loaders.jsonfile import JsonLimits, load_json
from autograder.loaders.network import NetworkLimits, load_network
from autograder.loaders.notebook import NotebookLimits, load_notebook
from autograder.loaders.picture import PictureLimits, load_picture
from autograder.loaders.problems import Malformed
from autograder.loaders.table import TableLimits, load_table
from autograder.loaders.tensors import TensorLimits, load_tensors
from autograder.outcome import CheckFailed
from autograder.sandbox import wire
from fixtures.imagenet_scratch import logs
from fixtures.imagenet_scratch.curves import curve
from tests.loaders import networks, samples
from tests.zipmaker import Raw, raw_zip

KIB = 1024
JSON = JsonLimits(max_bytes=64 * KIB, max_depth=8, max_values=200, max_text=500, max_digits=30)
TENSORS = TensorLimits(max_bytes=64 * KIB, max_header_bytes=16 * KIB, max_tensors=10)
ARRAYS = ArrayLimits(max_bytes=64 * KIB, max_arrays=5, max_header_bytes=KIB)
TABLE = TableLimits(max_bytes=64 * KIB, max_line_bytes=300, max_rows=50, max_columns=20)
PREDICTIONS = Form(Ids.numbered(2), (("cat",), ("dog", "hound")), probabilities=True, max_bytes=64 * KIB)
PICTURE = PictureLimits(max_bytes=64 * KIB, max_pixels=10_000, max_side=500, max_chunks=30, max_scans=10)
NETWORK = NetworkLimits(max_bytes=64 * KIB, max_fields=2_000, max_depth=20, max_nodes=100)
NOTEBOOK = NotebookLimits(
    max_bytes=64 * KIB,
    max_values=2_000,
    max_cells=20,
    max_source_chars=2_000,
    max_outputs=5,
    max_output_chars=300,
    max_picture_chars=500,
    max_kept_chars=1_000,
)
NOTE_CHARS = 60  # what says how much was cut


@dataclass(frozen=True)
class Target:
    """One thing to fuzz: ``check`` raises on a finding; ``ordered`` makes a mutated input reach deeper."""

    check: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    ordered: Callable[[bytes], bytes]

    def try_input(self, data: bytes) -> None:
        """What the fuzzer calls: the first byte says how the rest is taken."""
        data = self.ordered(data[1:]) if data[:1] > b"\x7f" else data[1:]
        with contextlib.suppress(Malformed):
            self.check(data)

    def inputs(self) -> Iterable[bytes]:
        """The seeds, as `try_input` takes them."""
        return (lead + seed for seed in self.seeds for lead in (b"\0", b"\xff"))


def check_json(data: bytes) -> object:
    value = load_json(data, "x.json", JSON)
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()  # no half of a surrogate pair
    assert load_json(text.encode(), "x.json", JsonLimits(max_bytes=10**6)) == value
    assert depth_of(value) <= JSON.max_depth
    return value


def depth_of(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + depth_of(item) for item in items), default=int(isinstance(value, (dict, list))))


def check_arrays(arrays: dict[str, np.ndarray], kinds: str, max_bytes: int) -> object:
    assert sum(array.nbytes for array in arrays.values()) <= max_bytes
    for array in arrays.values():
        assert array.dtype.kind in kinds
        assert array.dtype.isnative
        assert array.flags.writeable
        assert not array.dtype.hasobject
        if array.dtype.kind == "b":
            assert set(array.tobytes()) <= {0, 1}
    return arrays


def check_npy(data: bytes) -> object:
    return check_arrays({"": load_npy(data, "x.npy", ARRAYS)}, "biufc", ARRAYS.max_bytes)


def check_npz(data: bytes) -> object:
    return check_arrays(load_npz(data, "x.npz", ARRAYS), "biufc", ARRAYS.max_bytes)


def check_tensors(data: bytes) -> object:
    return check_arrays(load_tensors(data, "x.safetensors", TENSORS), "biuf", TENSORS.max_bytes)


def check_table(data: bytes) -> object:
    rows = list(load_table(data, "x.csv", TABLE))
    numbers = [line for line, _ in rows]
    assert numbers == sorted(set(numbers))
    assert len(rows) <= TABLE.max_rows
    assert all(len(fields) <= TABLE.max_columns for _, fields in rows)
    for _, fields in rows:
        "".join(fields).encode()
    return rows


def check_predictions(data: bytes) -> object:
    try:
        read = read_predictions(data, "x.csv", PREDICTIONS)
    except Malformed:
        raise
    except CheckFailed as problem:  # its defects, line by line
        told = problem.student_text
        assert told.replace("\n", "").isprintable()
        assert len(told) < 4_000
        raise Malformed("x.csv", "has defects") from problem
    assert all(0 <= label < 2 for label in read.labels)
    assert read.probabilities is None or np.allclose(read.probabilities.sum(axis=1), 1)
    return read


def check_picture(data: bytes) -> object:
    picture = load_picture(data, "x.png", PICTURE)
    assert picture.pixels.shape == (picture.height, picture.width, 3)
    assert picture.pixels.dtype == np.uint8
    assert 0 < picture.width * picture.height <= PICTURE.max_pixels
    return picture


def check_network(data: bytes) -> object:
    model = load_network(data, "x.onnx", NETWORK)
    assert len(model.graph.node) <= NETWORK.max_nodes
    return model


def check_notebook(data: bytes) -> object:
    notebook = load_notebook(data, "x.ipynb", NOTEBOOK)
    assert len(notebook.cells) <= NOTEBOOK.max_cells
    for cell in notebook.cells:
        assert len(cell.source) <= NOTEBOOK.max_source_chars
        assert len(cell.outputs) <= NOTEBOOK.max_outputs
        for output in cell.outputs:
            assert len(output.text) <= NOTEBOOK.max_output_chars + NOTE_CHARS
            for text in output.data.values():
                assert isinstance(text, str)
                assert len(text) <= NOTEBOOK.max_picture_chars + NOTE_CHARS
    repr(notebook).encode()
    return notebook


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_exactly(self, size: int) -> bytes:
        if size > len(self._data):
            raise EOFError
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def check_events(data: bytes) -> object:
    """TensorBoard's files: finite numbers under names that can be shown, and few epochs for few bytes."""
    path = "events.out.tfevents.1.x"
    scalars = list(scalars_of(data, path))
    assert len(scalars) <= len(data)
    for one in scalars:
        one.tag.encode()
        assert all(map(math.isfinite, (one.value, one.wall_time)))
    for log in parse_log(data, path):
        assert len(log.epochs) <= len(data)
        assert all(0 <= epoch.top1 <= 1 for epoch in log.epochs if epoch.top1 is not None)
    return scalars


def check_wire(data: bytes) -> object:
    """The sandbox's messages: its errors are of its own kind."""
    with contextlib.suppress(EOFError, wire.WireError):
        message, arrays = wire.receive(_Stream(data), 64 * KIB)
        return [wire.decode(tree, arrays) for tree in message.values()]
    return None


# --- putting mutated bytes into order -----------------------------------------------------------------


def as_they_are(data: bytes) -> bytes:
    return data


def with_length(data: bytes) -> bytes:
    """A safetensors file: the header ends where its JSON seems to."""
    end = data.rfind(b"}}", 8) + 2
    end += len(data[end:]) - len(data[end:].lstrip(b" "))  # writers fill up with spaces
    return struct.pack("<Q", max(end - 8, 0)) + data[8:]


def with_npy_length(data: bytes) -> bytes:
    """An .npy of version 1 whose header ends at the first line end."""
    body = data[10:]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", min(body.find(b"\n") + 1, 0xFFFF)) + body


def zipped(data: bytes) -> bytes:
    """An .npz of the parts between the magic words."""
    parts = data.split(b"\x93NUMPY")[1:7]
    return raw_zip([Raw(f"{number}.npy", b"\x93NUMPY" + part) for number, part in enumerate(parts)])


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have right checksums, and lengths within the file."""
    position, made = 8, [samples.PNG]
    while position + 12 <= len(data):
        length = min(int.from_bytes(data[position : position + 4], "big"), len(data) - position - 12)
        body = data[position + 4 : position + 8 + length]
        made.append(struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)))
        position += 12 + length
    return b"".join(made)


def as_records(data: bytes) -> bytes:
    """Records of an event file with right sums, and lengths within the file."""
    position, made = 0, []
    while position + 16 <= len(data):
        length = min(int.from_bytes(data[position : position + 8], "little"), len(data) - position - 16)
        made.append(logs.record(data[position + 12 : position + 12 + length]))
        position += 16 + length
    return b"".join(made)


def framed(data: bytes) -> bytes:
    """A frame whose JSON ends at the first line end; a blob, with its own length, follows."""
    text, _, blob = data[8:].partition(b"\n")
    blob = with_length(blob) if blob else b""
    return struct.pack(">II", len(text), len(blob)) + text + blob


FRAME = wire.pack(
    {"a": ["tuple", [["int", "1"], ["array", "0"], ["dict", [[["str", "k"], ["float", "0x1p0"]]]]]]},
    {"0": samples.ARRAYS["w"]},
)
TEXT_SIZE = int.from_bytes(FRAME[:4], "big") + 8
TARGETS = {
    "json": Target(
        check_json,
        (b'{"a": [1, -2.5e3, true, null, "\\ud83d\\ude00 \\ud800"], "b": {"c": [[]]}}', b"[1e999, NaN]"),
        as_they_are,
    ),
    "tensors": Target(
        check_tensors,
        (samples.tensors(samples.ARRAYS), samples.tensors_of({"a": samples.tensor()})),
        with_length,
    ),
    "npy": Target(
        check_npy,
        (*(samples.npy(array) for array in samples.ARRAYS.values()), samples.npy(np.zeros(2), (3, 0))),
        with_npy_length,
    ),
    "npz": Target(
        check_npz,
        (samples.npz(samples.ARRAYS), samples.npz(samples.ARRAYS, packed=False)),
        zipped,
    ),
    "table": Target(
        check_table,
        (b"image_id,label\n0,3\n1,4\n", b'\xef\xbb\xbfa;"b\r\nc"\r\n\r\n"d""e",\xc3\xa9\r\n', b"a\rb\r"),
        as_they_are,
    ),
    "predictions": Target(
        check_predictions,
        (
            b"image_id,label\n0,1\n1,0\n",
            b'\xef\xbb\xbflabel,Image ID\r\nhound,"1"\r\n\r\n CAT ,0\r\n',
            b"image_id,prob_cat,prob_dog\n1,0.25,0.75\n0,1,0",
            b"image_id,label\n1,3.0\n1,tensor(1)\n=1,\n0,nan\nx.png,[0]\n",
        ),
        as_they_are,
    ),
    "picture": Target(
        check_picture,
        (
            *(samples.picture(mode) for mode in ("RGB", "L", "P", "1", "RGBA", "LA", "I;16")),
            *(samples.picture("RGB", kind="JPEG", progressive=way) for way in (False, True)),
        ),
        with_checksums,
    ),
    "network": Target(check_network, tuple(networks.samples()), as_they_are),
    "notebook": Target(
        check_notebook,
        (
            samples.notebook(samples.code("x", samples.stream("1\n"), samples.error()), samples.markdown()),
            samples.notebook(samples.code("x", samples.result(text_plain="1", image_png="aGk="))),
            samples.notebook_3(),
        ),
        as_they_are,
    ),
    "events": Target(
        check_events,
        (logs.events(curve(30, epochs=3, images=50)), logs.events(curve(3, epochs=1, images=5))[:-9]),
        as_records,
    ),
    "wire": Target(check_wire, (FRAME, FRAME[:TEXT_SIZE] + b"\n" + FRAME[TEXT_SIZE:]), framed),
}
