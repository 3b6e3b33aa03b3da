"""Fuzz one loader by coverage, for as long as wanted: see tests/fuzz/README.md.

python -m tests.fuzz.run TARGET [CORPUS] [libFuzzer's options]
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

# What is worth following; the libraries' own C code can't be.
FOLLOWED = [
    "autograder",
    "zipfile",
    "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.ImageFile",
    "onnx.checker",
]


def main(arguments: list[str]) -> None:
    atheris: Any = importlib.import_module("atheris")  # not among the project's dependencies
    with atheris.instrument_imports(include=FOLLOWED):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
        for name in ("zipfile", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "onnx.checker"):
            importlib.import_module(name)
    if not arguments or arguments[0] not in targets:
        raise SystemExit(f"Say what to fuzz: {', '.join(targets)}.")
    target, options = targets[arguments[0]], arguments[1:]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as seeds:
        for data in target.inputs():
            Path(seeds, hashlib.sha256(data).hexdigest()).write_bytes(data)
        # libFuzzer writes what it finds to the first folder, and only reads the others.
        folders = [one for one in options if not one.startswith("-")]
        flags = [one for one in options if one.startswith("-")]
        atheris.Setup(
            [sys.argv[0], *flags, "-timeout=10", "-rss_limit_mb=2048", *folders, seeds], target.try_input
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
