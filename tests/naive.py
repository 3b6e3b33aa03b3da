"""Students' layers as text, in the two styles that they are written in, so that a slip is one small edit.

``SLICED`` cuts windows out with slices; ``SCALAR`` has seven nested loops and no slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograder.checks.gradients import Case, CasePack, Observed
from autograder.outcome import StudentException

SLICED = """
import numpy as np

def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)

def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    N, F, H_out, W_out = dout.shape
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    dx_pad = np.zeros_like(x_pad)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += np.sum(dout[n, f])
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    dw[f] += x_pad[n, :, top:top + HH, left:left + WW] * dout[n, f, i, j]
                    dx_pad[n, :, top:top + HH, left:left + WW] += w[f] * dout[n, f, i, j]
    dx = dx_pad[:, :, pad:pad + H, pad:pad + W]
    return dx, dw, db

def max_pool_forward_naive(x, pool_param):
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    H_out = 1 + (H - ph) // stride
    W_out = 1 + (W - pw) // stride
    out = np.zeros((N, C, H_out, W_out))
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    out[n, c, i, j] = np.max(x[n, c, i * stride:i * stride + ph, j * stride:j * stride + pw])
    return out, (x, pool_param)

def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H_out, W_out = dout.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    window = x[n, c, top:top + ph, left:left + pw]
                    k, l = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, top + k, left + l] += dout[n, c, i, j]
    return dx
"""

SCALAR = """
import numpy as np

def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    x_pad[:, :, pad:pad + H, pad:pad + W] = x
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    for c in range(C):
                        for k in range(HH):
                            for l in range(WW):
                                out[n, f, i, j] += x_pad[n, c, i * stride + k, j * stride + l] * w[f, c, k, l]
                    out[n, f, i, j] += b[f]
    return out, (x, w, b, conv_param)

def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    N, F, H_out, W_out = dout.shape
    x_pad = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    x_pad[:, :, pad:pad + H, pad:pad + W] = x
    dx_pad = np.zeros(x_pad.shape)
    dw = np.zeros(w.shape)
    db = np.zeros(F)
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    db[f] += dout[n, f, i, j]
                    for c in range(C):
                        for k in range(HH):
                            for l in range(WW):
                                top, left = i * stride, j * stride
                                dw[f, c, k, l] += dout[n, f, i, j] * x_pad[n, c, top + k, left + l]
                                dx_pad[n, c, top + k, left + l] += dout[n, f, i, j] * w[f, c, k, l]
    dx = dx_pad[:, :, pad:pad + H, pad:pad + W]
    return dx, dw, db

def max_pool_forward_naive(x, pool_param):
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    H_out = 1 + (H - ph) // stride
    W_out = 1 + (W - pw) // stride
    out = np.zeros((N, C, H_out, W_out))
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    largest = -np.inf
                    for k in range(ph):
                        for l in range(pw):
                            largest = max(largest, x[n, c, i * stride + k, j * stride + l])
                    out[n, c, i, j] = largest
    return out, (x, pool_param)

def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H_out, W_out = dout.shape
    dx = np.zeros(x.shape)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    largest = -np.inf
                    for k in range(ph):
                        for l in range(pw):
                            if x[n, c, i * stride + k, j * stride + l] > largest:
                                largest = x[n, c, i * stride + k, j * stride + l]
                                row, column = i * stride + k, j * stride + l
                    dx[n, c, row, column] += dout[n, c, i, j]
    return dx
"""

STYLES = {"sliced": SLICED, "scalar": SCALAR}


FUNCTIONS = {
    ("conv", "out"): "conv_forward_naive",
    ("conv", "dx"): "conv_backward_naive",
    ("conv", "dw"): "conv_backward_naive",
    ("conv", "db"): "conv_backward_naive",
    ("pool", "out"): "max_pool_forward_naive",
    ("pool", "dx"): "max_pool_backward_naive",
}


def edited(source: str, function: str, edits: Sequence[tuple[str, str]]) -> str:
    """The source with every edit made in this one function, where each must be met exactly once."""
    parts = source.split("\ndef ")
    (k,) = (k for k, part in enumerate(parts) if part.startswith(f"{function}("))
    for old, new in edits:
        assert parts[k].count(old) == 1, f"{old!r} stands {parts[k].count(old)} times in {function}"
        parts[k] = parts[k].replace(old, new)
    return "\ndef ".join(parts)


class Student:
    """A student's module, called case by case as the sandbox would."""

    def __init__(self, source: str) -> None:
        self._module: dict[str, Callable[..., Any]] = {}
        exec(source, self._module)  # noqa: S102  # the text above

    def answers(self, pack: CasePack, output: str) -> list[Observed]:
        return [self._answer(case, output) for case in pack.cases_for(output)]

    def _answer(self, case: Case, output: str) -> Observed:
        inputs = {name: array.copy() for name, array in case.inputs.items()}
        try:
            return Observed(self._call(inputs, dict(case.params), case, output))
        except Exception as error:  # as the sandbox reports it
            return Observed(problem=StudentException(str(error), exception=type(error).__name__))

    def _call(self, inputs: dict[str, Any], params: dict[str, int], case: Case, output: str) -> object:
        if "pad" in params:
            x, w, b = inputs["x"], inputs["w"], inputs["b"]
            if output == "out":
                return self._module["conv_forward_naive"](x, w, b, params)[0]
            gradients = self._module["conv_backward_naive"](case.dout, (x, w, b, params))
            return gradients[("dx", "dw", "db").index(output)]
        if output == "out":
            return self._module["max_pool_forward_naive"](inputs["x"], params)[0]
        return self._module["max_pool_backward_naive"](case.dout, (inputs["x"], params))
