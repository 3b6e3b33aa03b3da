"""Runs a network that came out of a sandbox, in a box of ours: images in, scores out.

No student code is here, only the graph as ONNX Runtime computes it, and no label. The box still bounds its
time and memory, since a graph that is sound to look at can ask for any amount of either.

    load(network)            # the file's bytes, uint8
    logits(images)           # a batch, float32 -> (n, classes), float32
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]

_FATAL = 4  # what ONNX Runtime has to say about a student's graph goes nowhere
_MOST_OUTPUTS = 8
_KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_loaded: list[ort.InferenceSession] = []


def load(network: np.ndarray) -> int:
    """The network whose file's bytes these are takes the place of the one before; returns how many outputs it
    has."""
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    ort.set_default_logger_severity(_FATAL)
    session = ort.InferenceSession(network.tobytes(), options, providers=["CPUExecutionProvider"])
    _loaded[:] = [session]
    return min(len(session.get_outputs()), _MOST_OUTPUTS)


def logits(images: np.ndarray, output: int = 0) -> np.ndarray:
    """What one of its outputs is for a batch: float32, one image a row."""
    session = _loaded[0]
    given, wanted = session.get_inputs()[0], session.get_outputs()[output].name
    images = images.astype(_KINDS.get(given.type, np.float32), copy=False)
    fixed = given.shape[0] if given.shape and isinstance(given.shape[0], int) else 0
    step = fixed if fixed > 0 else len(images)
    answers = []
    for start in range(0, len(images), step):
        part = images[start : start + step]
        full = (
            part if len(part) == step else np.concatenate([part, np.repeat(part[-1:], step - len(part), 0)])
        )
        answers.append(np.asarray(session.run([wanted], {given.name: full})[0])[: len(part)])
    return np.ascontiguousarray(np.concatenate(answers), dtype=np.float32)
