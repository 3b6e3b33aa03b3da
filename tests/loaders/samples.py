"""Small valid files of every kind that is loaded, and pieces to make invalid ones of."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import safetensors.numpy
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
ARRAYS = {
    "w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "flags": np.array([True, False]),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3), np.int64),
    "complex": np.array([1j, 2.0]),
}


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=True)
    return file.getvalue()


def npy_of(header: str, data: bytes = b"", *, version: int = 1, length: int | None = None) -> bytes:
    """An .npy with any header at all."""
    text = header.encode("latin-1")
    said = len(text) if length is None else length
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", said) + text + data
    )


def npz(arrays: dict[str, np.ndarray], *, packed: bool = True) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def tensors(arrays: dict[str, np.ndarray]) -> bytes:
    return safetensors.numpy.save({k: v for k, v in arrays.items() if v.dtype.kind != "c"})


def tensors_of(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file with any header at all."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype: object = "F64", shape: object = (1,), offsets: object = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def chunk(kind: bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    said = len(data) if length is None else length
    return struct.pack(">I", said) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, bits: int = 8, colours: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))


def png(pieces: Iterable[bytes]) -> bytes:
    return PNG + b"".join(pieces)


def picture(mode: str = "RGB", size: tuple[int, int] = (3, 2), kind: str = "PNG", **options: Any) -> bytes:
    """A picture whose pixels all differ a little, as Pillow writes it."""
    file = io.BytesIO()
    bands = 4 if mode in {"RGBA", "CMYK"} else 3
    values = np.arange(size[0] * size[1] * bands, dtype=np.uint8).reshape(size[1], size[0], bands)
    image = Image.fromarray(values).convert(mode)
    image.save(file, kind, **options)
    return file.getvalue()


def code(source: str = "print(1)", *outputs: object, count: int | None = 1) -> dict[str, Any]:
    return {
        **{"cell_type": "code", "id": "a", "metadata": {}, "source": source.splitlines(keepends=True)},
        **{"execution_count": count, "outputs": list(outputs)},
    }


def markdown(source: str = "# Title", **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "b", "metadata": {}, "source": source, **more}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def result(**media: Any) -> dict[str, Any]:
    data = {name.replace("_", "/"): value for name, value in media.items()}
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}


def error(name: str = "ValueError", value: str = "bad") -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": ["line 1", "line 2"]}


def notebook(*cells: object, **more: Any) -> bytes:
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells), **more}
    return json.dumps(document).encode()


def notebook_3() -> bytes:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["A ", "title"], "metadata": {}},
        {"cell_type": "markdown", "source": "text", "metadata": {}},
        {
            **{"cell_type": "code", "language": "python", "input": ["x = 1\n", "x"], "metadata": {}},
            "prompt_number": 3,
            "outputs": [
                {"output_type": "stream", "stream": "stdout", "text": ["printed"]},
                {
                    "output_type": "pyout",
                    "prompt_number": 3,
                    "text": "1",
                    "png": "aGk=",
                    "html": ["<b>1</b>"],
                },
                {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["t"]},
            ],
        },
    ]
    sheets = [{"cells": cells, "metadata": {}}]
    return json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": sheets}
    ).encode()
