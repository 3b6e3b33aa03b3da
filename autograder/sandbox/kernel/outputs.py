"""What one cell puts out, as a notebook keeps it, within a size that no cell can exceed.

A printed text keeps its beginning and its end: a training log says most in its last lines. A carriage return
takes back the line that it stands in, as on a terminal, so a progress bar of a thousand states is one line.
"""

from __future__ import annotations

import base64
import io
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

TEXT_CHARS = 200_000  # kept of what one cell prints to one stream without a break
OUTPUTS = 400  # of one cell; the middle ones are left out
CELL_CHARS = 3_000_000  # of all outputs of one cell together: a frame of the wire holds 4 MiB of JSON
_LONGEST_LINE = 8_000  # that a carriage return can still take back
_FRAME_CHARS = 200  # of an output's own keys
_KEPT_MEDIA = ("text/plain", "text/html", "text/latex", "text/markdown", "image/png", "image/jpeg")

Output = dict[str, Any]  # as nbformat 4 writes it


class Text:
    """A text that grows at its end and is cut in its middle."""

    def __init__(self, most: int = TEXT_CHARS) -> None:
        self._half = most // 2
        self._head: list[str] = []
        self._head_room = self._half
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._line = ""
        self._returned = False  # the next character begins the line anew
        self._cut = 0  # characters left out

    def write(self, text: str) -> None:
        *lines, last = text.split("\n")
        for line in lines:
            self._extend(line)
            self._keep(self._line + "\n")
            self._line, self._returned = "", False
        self._extend(last)
        if len(self._line) > _LONGEST_LINE:
            self._keep(self._line)
            self._line = ""

    def _extend(self, text: str) -> None:
        """Go on with the current line; after a carriage return it stands until something is written over."""
        for number, state in enumerate(text.split("\r")):
            self._returned = self._returned or number > 0
            if state:
                self._line = state if self._returned else self._line + state
                self._returned = False

    def _keep(self, text: str) -> None:
        if self._head_room:
            first, text = text[: self._head_room], text[self._head_room :]
            self._head.append(first)
            self._head_room -= len(first)
        if text:
            self._tail.append(text)
            self._tail_size += len(text)
        while self._tail_size > self._half:
            over = self._tail_size - self._half
            first = self._tail.popleft()
            if len(first) > over:
                self._tail.appendleft(first[over:])
            dropped = min(len(first), over)
            self._tail_size -= dropped
            self._cut += dropped

    def value(self) -> str:
        gap = f"\n… ({self._cut:,} characters cut out here) …\n" if self._cut else ""
        return "".join([*self._head, gap, *self._tail, self._line])


class Collector:
    """The outputs of the cell that runs. ``changed`` is called after each, for whoever tells of progress."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._clear_next = False
        self.clear()

    def clear(self) -> None:
        self._outputs: list[Output] = []
        self._text: Text | None = None
        self._stream = ""
        self._by_id: dict[str, int] = {}
        self._left_out = 0

    def clear_output(self, wait: bool) -> None:
        """What IPython.display.clear_output asks for."""
        if wait:
            self._clear_next = True
        else:
            self.clear()

    def write(self, stream: str, text: str) -> None:
        if not text:
            return
        self._make_way()
        if self._text is None or self._stream != stream:
            self._text, self._stream = Text(), stream
            self._append({"output_type": "stream", "name": stream, "text": self._text})
        self._text.write(text)
        self.changed()

    def show(self, kind: str, data: Mapping[str, Any], display_id: str = "", *, update: bool = False) -> None:
        """A display ("display_data") or a cell's result ("execute_result")."""
        output: Output = {"output_type": kind, "data": _media(data), "metadata": {}}
        if kind == "execute_result":
            output["execution_count"] = None
        known = self._by_id.get(display_id) if display_id else None
        if known is not None and known < len(self._outputs):
            self._outputs[known] = output
        elif not update:
            self._make_way()
            if display_id:
                self._by_id[display_id] = len(self._outputs)
            self._append(output)
        self.changed()

    def error(self, name: str, text: str, traceback: list[str]) -> None:
        self._make_way()
        self._append({"output_type": "error", "ename": name, "evalue": text, "traceback": traceback})

    def _make_way(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self.clear()

    def _append(self, output: Output) -> None:
        if output["output_type"] != "stream":
            self._text = None
        if len(self._outputs) >= OUTPUTS:
            del self._outputs[OUTPUTS // 2]
            self._by_id.clear()  # their places have changed
            self._left_out += 1
        self._outputs.append(output)

    def outputs(self, most_chars: int = CELL_CHARS) -> list[Output]:
        """The outputs as JSON can carry them; a picture that there is no room for is named in its place."""
        room, taken = most_chars, []
        for output in self._outputs:
            written = {key: _written(value) for key, value in output.items()}
            size = _size(written)
            if size > room:
                written = {"output_type": "stream", "name": "stderr", "text": "(an output was too large)\n"}
                size = _size(written)
            room -= size
            taken.append(written)
            if room < 0:
                break
        if self._left_out:
            note = f"({self._left_out:,} outputs of this cell were left out here)\n"
            taken.insert(
                min(OUTPUTS // 2, len(taken)), {"output_type": "stream", "name": "stderr", "text": note}
            )
        return taken


class Stream(io.TextIOBase):
    """What stands in for sys.stdout or sys.stderr while cells run."""

    encoding = "utf-8"  # code asks for it before it prints a bar
    errors = "replace"

    def __init__(self, name: str, collector: Collector, descriptor: int) -> None:
        super().__init__()
        self.name, self._collector, self._descriptor = name, collector, descriptor

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._collector.write(self.name, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._descriptor  # faulthandler and subprocess ask for one

    @property
    def buffer(self) -> _Bytes:
        return _Bytes(self)


class _Bytes(io.RawIOBase):
    """``sys.stdout.buffer``, for those who write bytes."""

    def __init__(self, text: Stream) -> None:
        super().__init__()
        self._stream = text

    def write(self, data: Any, /) -> int:
        raw = bytes(data)
        self._stream.write(raw.decode("utf-8", "replace"))
        return len(raw)

    def writable(self) -> bool:
        return True


def _media(data: Mapping[str, Any]) -> dict[str, str]:
    """The forms that are kept; a picture may come as bytes."""
    kept: dict[str, str] = {}
    for media in _KEPT_MEDIA:
        value = data.get(media)
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode("ascii")
        if isinstance(value, str):
            kept[media] = value if media.startswith("image/") else _cut(value)
    return kept


def _cut(text: str) -> str:
    """A text's beginning and end."""
    whole = Text()
    whole.write(text)
    return whole.value()


def _written(value: Any) -> Any:
    if isinstance(value, Text):
        return value.value()
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, list):
        return [_cut(str(line)) for line in value[:200]]
    return value


def _size(output: Output) -> int:
    """Characters of an output, as its JSON holds them at most: a control character takes six."""
    texts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", ())]
    texts += output.get("data", {}).values()
    return (
        sum(len(text) if text.isascii() and text.isprintable() else _json_size(text) for text in texts) + 100
    )


def _json_size(text: str) -> int:
    if text.isascii() and text.isprintable():
        return len(text)
    # As the wire writes it: a letter that isn't ASCII takes six characters, an emoji twelve.
    return len(json.dumps(text))
