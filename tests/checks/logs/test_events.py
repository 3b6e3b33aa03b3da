"""TensorBoard's files: those of its own writer, and what a hostile one could hold."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.compat.proto.tensor_pb2 import TensorProto  # type: ignore[import-untyped]
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c  # type: ignore[import-untyped]
from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-untyped]
    EventFileWriter,
)

from autograder.checks.logs.events import MAX_BYTES, Scalar, scalars_of
from autograder.checks.logs.reading import parse_log, read_logs, survey
from autograder.loaders.problems import Malformed

PATH = "runs/a/events.out.tfevents.1700000000.host.1.0"


def framed(event: bytes) -> bytes:
    head = struct.pack("<Q", len(event))
    return head + struct.pack("<I", masked_crc32c(head)) + event + struct.pack("<I", masked_crc32c(event))


def scalar(tag: str, step: int, value: float, wall: float = 1.7e9, *, tensor: bool = False) -> bytes:
    if tensor:
        held = Summary.Value(tag=tag, tensor=TensorProto(dtype=1, float_val=[value]))
    else:
        held = Summary.Value(tag=tag, simple_value=value)
    made: bytes = Event(wall_time=wall, step=step, summary=Summary(value=[held])).SerializeToString()
    return framed(made)


def start() -> bytes:
    made: bytes = Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString()
    return framed(made)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("abc/_ 1é", min_size=1, max_size=20).filter(lambda tag: tag.strip() == tag),
            st.integers(0, 2**40),
            st.floats(width=32, allow_nan=False, allow_infinity=False),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_what_the_library_writes_is_read(points: list[tuple[str, int, float, bool]]) -> None:
    data = start() + b"".join(scalar(tag, step, value, tensor=tensor) for tag, step, value, tensor in points)
    found = list(scalars_of(data, PATH))
    assert [(one.tag, one.step, one.value) for one in found] == [
        (tag, step, value) for tag, step, value, _ in points
    ]
    assert all(isinstance(one, Scalar) and one.wall_time == 1.7e9 for one in found)


def test_its_own_writer(tmp_path: Path) -> None:
    writer = EventFileWriter(str(tmp_path))

    def add(tag: str, step: int, value: float) -> None:
        held = Summary.Value(tag=tag, simple_value=value)
        writer.add_event(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=[held])))

    for epoch in range(4):
        for step in range(10):
            add("Loss/train", 10 * epoch + step, 2.0 - epoch / 4 - step / 100)
        add("Accuracy/val", 10 * epoch + 9, 0.25 + epoch / 8)
        add("Loss/val", 10 * epoch + 9, 1.5 - epoch / 8)
    writer.close()
    (file,) = tmp_path.iterdir()
    (log,) = read_logs({f"runs/{file.name}": file.read_bytes()})
    assert log.format == "TensorBoard's event files"
    assert [one.top1 for one in log.epochs] == [0.25, 0.375, 0.5, 0.625]
    assert [one.loss for one in log.epochs] == [1.5, 1.375, 1.25, 1.125]
    assert log.epochs[-1].train_loss == pytest.approx(2.0 - 0.75 - 0.09, abs=1e-6)


def test_keras_two_folders_are_one_run() -> None:
    train = start() + b"".join(
        scalar("epoch_accuracy", n, 0.5 + n / 10, 1.7e9 + n, tensor=True) for n in range(3)
    )
    valid = start() + b"".join(
        scalar("epoch_accuracy", n, 0.25 + n / 8, 1.7e9 + n, tensor=True) for n in range(3)
    )
    files = {
        f"logs/{part}/events.out.tfevents.1": data for part, data in (("train", train), ("validation", valid))
    }
    (log,) = read_logs(files)
    assert [one.top1 for one in log.epochs] == [0.25, 0.375, 0.5]
    assert [round(one.train_top1 or 0, 6) for one in log.epochs] == [0.5, 0.6, 0.7]


def test_a_file_that_was_still_written_is_read_to_there() -> None:
    data = start() + scalar("val_acc", 0, 0.25) + scalar("val_acc", 1, 0.5) + scalar("val_acc", 2, 0.75)
    assert len(list(scalars_of(data[:-5], PATH))) == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (start() + struct.pack("<QI", 2**63, 0) + b"x" * 20, "length doesn't fit"),
        (
            start()
            + struct.pack("<Q", 2**63)
            + struct.pack("<I", masked_crc32c(struct.pack("<Q", 2**63)))
            + b"x" * 9,
            "length",
        ),
        (start() + scalar("a", 1, 1.0)[:-1] + b"\x00", "doesn't fit its checksum"),
        (framed(b"\xff" * 20), "no event"),
        (framed(b"\x2a\xff\xff\xff\xff\x0f"), "no event"),
        (b"x" * 100, "length"),
    ],
)
def test_damaged_files_are_malformed(data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        parse_log(data, PATH)
    assert survey({PATH: data}).refused[0].path == PATH


def test_infinite_values_and_negative_steps_are_no_epochs() -> None:
    data = start() + b"".join(
        scalar("val_acc", step, value)
        for step, value in ((-5, 0.5), (0, float("nan")), (1, float("inf")), (2, 0.5), (3, 7e30))
    )
    assert all(one.top1 is None or 0 <= one.top1 <= 1 for log in parse_log(data, PATH) for one in log.epochs)


def test_too_large() -> None:
    with pytest.raises(Malformed, match="large"):
        parse_log(start() + b"\0" * MAX_BYTES, PATH)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for held in (data, framed(data), framed(b"\x2a" + bytes([min(len(data), 127)]) + data[:127])):
        with contextlib.suppress(Malformed):
            assert all(log.epochs for log in parse_log(held, PATH))
