"""Students' code with one slip each, as edits of the right code in tests/naive.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layer = Literal["conv", "pool"]
Edits = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SlippingStudent:
    layer: Layer
    output: str
    slip: str
    style: str
    edits: Edits
    tier: Literal["contract", "extended", "ties"] = "extended"

    def __str__(self) -> str:
        return f"{self.layer}-{self.output}-{self.slip}-{self.style}"


def _both(layer: Layer, output: str, slip: str, *edits: tuple[str, str]) -> list[SlippingStudent]:
    return [SlippingStudent(layer, output, slip, style, edits) for style in ("sliced", "scalar")]


def _one(layer: Layer, output: str, slip: str, style: str, *edits: tuple[str, str]) -> list[SlippingStudent]:
    return [SlippingStudent(layer, output, slip, style, edits)]


READ_CONV = 'stride, pad = conv_param["stride"], conv_param["pad"]'
READ_POOL = 'ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]'
H_CONV, W_CONV = "1 + (H + 2 * pad - HH) // stride", "1 + (W + 2 * pad - WW) // stride"
H_POOL, W_POOL = "1 + (H - ph) // stride", "1 + (W - pw) // stride"
START = "top, left = i * stride, j * stride"
CONV_SLICE = "i * stride:i * stride + HH, j * stride:j * stride + WW"
POOL_SLICE = "i * stride:i * stride + ph, j * stride:j * stride + pw"
CONV_SCALAR = "i * stride + k, j * stride + l"
CROP = "pad:pad + H, pad:pad + W]\n    return dx, dw, db"
RETURN_OUT = "    return out, (x"
SLICED_PAD = '((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant"'
SCALAR_PAD = "x_pad[:, :, pad:pad + H, pad:pad + W] = x"
SLICED_DX = "+= w[f] * dout"
SCALAR_DX = "dx_pad[n, c, top + k, left + l] += "

CONV_OUT = [
    *_both("conv", "out", "pad_fixed_1", (READ_CONV, 'stride, pad = conv_param["stride"], 1')),
    *_both("conv", "out", "pad_ignored", (READ_CONV, 'stride, pad = conv_param["stride"], 0')),
    *_both("conv", "out", "stride_fixed_1", (READ_CONV, 'stride, pad = 1, conv_param["pad"]')),
    *_one("conv", "out", "image_pad_fixed_1", "sliced", ("(pad, pad), (pad, pad)", "(1, 1), (1, 1)")),
    *_one("conv", "out", "pad_with_edge", "sliced", ("constant", "edge")),
    *_one("conv", "out", "pad_with_reflection", "sliced", ("constant", "reflect")),
    *_one("conv", "out", "pad_bottom_right", "scalar", (SCALAR_PAD, "x_pad[:, :, :H, :W] = x")),
    *_one("conv", "out", "pad_all_axes", "scalar", (SCALAR_PAD, "x_pad = np.pad(x, pad)")),
    *_both(
        "conv",
        "out",
        "size_without_pad",
        (H_CONV, H_CONV.replace(" + 2 * pad", "")),
        (W_CONV, W_CONV.replace(" + 2 * pad", "")),
    ),
    *_both("conv", "out", "size_without_one", (H_CONV, H_CONV[4:]), (W_CONV, W_CONV[4:])),
    *_both(
        "conv",
        "out",
        "one_added_before_division",
        (H_CONV, "(H + 2 * pad - HH + 1) // stride"),
        (W_CONV, "(W + 2 * pad - WW + 1) // stride"),
    ),
    *_one("conv", "out", "stride_ignored", "sliced", (CONV_SLICE, "i:i + HH, j:j + WW")),
    *_one("conv", "out", "stride_ignored", "scalar", (CONV_SCALAR, "i + k, j + l")),
    *_one("conv", "out", "kernel_flipped", "sliced", ("w[f])", "w[f, :, ::-1, ::-1])")),
    *_one("conv", "out", "kernel_flipped", "scalar", ("w[f, c, k, l]", "w[f, c, HH - 1 - k, WW - 1 - l]")),
    *_one("conv", "out", "kernel_transposed", "sliced", ("w[f])", "w[f].transpose(0, 2, 1))")),
    *_one("conv", "out", "kernel_transposed", "scalar", ("w[f, c, k, l]", "w[f, c, l, k]")),
    *_one(
        "conv",
        "out",
        "windows_transposed",
        "sliced",
        (CONV_SLICE, "j * stride:j * stride + HH, i * stride:i * stride + WW"),
    ),
    *_one("conv", "out", "windows_transposed", "scalar", (CONV_SCALAR, "j * stride + k, i * stride + l")),
    *_one(
        "conv",
        "out",
        "out_transposed",
        "sliced",
        ("(N, F, H_out, W_out)", "(N, F, W_out, H_out)"),
        ("out[n, f, i, j]", "out[n, f, j, i]"),
    ),
    *_both("conv", "out", "image_sizes_swapped", ("N, C, H, W = x", "N, C, W, H = x")),
    *_both("conv", "out", "kernel_sizes_swapped", ("F, C, HH, WW = w", "F, C, WW, HH = w")),
    *_both(
        "conv",
        "out",
        "out_sizes_swapped",
        ("H_out = 1", "W__out = 1"),
        ("W_out = 1 + (W ", "H_out = 1 + (W "),
        ("W__out", "W_out"),
    ),
    *_one("conv", "out", "bias_left_out", "sliced", (" + b[f]", "")),
    *_one(
        "conv",
        "out",
        "bias_per_channel",
        "scalar",
        ("+= b[f]", "+= 0"),
        ("c in range(C):", "c in range(C):\n                        out[n, f, i, j] += b[f]"),
    ),
    *_one(
        "conv",
        "out",
        "bias_per_product",
        "scalar",
        ("+= b[f]", "+= 0"),
        ("* w[f, c, k, l]", "* w[f, c, k, l] + b[f]"),
    ),
    *_one(
        "conv",
        "out",
        "last_channel_only",
        "sliced",
        ("np.sum(window * w[f])", "[np.sum(window[c] * w[f, c]) for c in range(C)][-1]"),
    ),
    *_one(
        "conv", "out", "last_product_only", "scalar", ("out[n, f, i, j] += x_pad", "out[n, f, i, j] = x_pad")
    ),
    *_one("conv", "out", "mean_for_sum", "sliced", ("np.sum", "np.mean")),
    *_both("conv", "out", "only_first_image", (RETURN_OUT, "    " + RETURN_OUT)),
    *_one("conv", "out", "whole_numbers", "sliced", ("H_out, W_out))", "H_out, W_out), dtype=int)")),
]
CONV_BACKWARD = [
    *_both("conv", "dx", "not_cropped", (CROP, "]\n    return dx, dw, db")),
    *_both("conv", "dx", "crop_to_minus_pad", (CROP, "pad:-pad, pad:-pad]\n    return dx, dw, db")),
    *_both("conv", "dx", "crop_fixed_1", (CROP, "1:-1, 1:-1]\n    return dx, dw, db")),
    *_both("conv", "dx", "crop_from_corner", (CROP, ":H, :W]\n    return dx, dw, db")),
    *_both("conv", "dx", "crop_ends_early", (CROP, "pad:H, pad:W]\n    return dx, dw, db")),
    *_one("conv", "dx", "assigned", "sliced", (SLICED_DX, SLICED_DX.replace("+=", "="))),
    *_one("conv", "dx", "assigned", "scalar", (SCALAR_DX, SCALAR_DX.replace("+=", "="))),
    *_both("conv", "dx", "pad_fixed_1", (READ_CONV, 'stride, pad = conv_param["stride"], 1')),
    *_both("conv", "dw", "pad_fixed_1", (READ_CONV, 'stride, pad = conv_param["stride"], 1')),
    *_both("conv", "dx", "stride_ignored", (START, "top, left = i, j")),
    *_both("conv", "dw", "stride_ignored", (START, "top, left = i, j")),
    *_both("conv", "dx", "windows_transposed", (START, "top, left = j * stride, i * stride")),
    *_both("conv", "dw", "windows_transposed", (START, "top, left = j * stride, i * stride")),
    *_one("conv", "dx", "kernel_flipped", "sliced", ("w[f] *", "w[f, :, ::-1, ::-1] *")),
    *_one("conv", "dx", "kernel_transposed", "scalar", ("* w[f, c, k, l]", "* w[f, c, l, k]")),
    *_one("conv", "dx", "kernel_transposed", "sliced", ("w[f] *", "w[f].transpose(0, 2, 1) *")),
    *_both(
        "conv",
        "dx",
        "dout_ones",
        ("F, H_out, W_out = dout.shape", "F, H_out, W_out = dout.shape; dout = 0 * dout + 1"),
    ),
    *_both(
        "conv",
        "dw",
        "dout_ones",
        ("F, H_out, W_out = dout.shape", "F, H_out, W_out = dout.shape; dout = 0 * dout + 1"),
    ),
    *_both(
        "conv",
        "db",
        "dout_ones",
        ("F, H_out, W_out = dout.shape", "F, H_out, W_out = dout.shape; dout = 0 * dout + 1"),
    ),
    *_both("conv", "dx", "divided_by_images", ("return dx, dw", "return dx / N, dw")),
    *_both("conv", "dw", "divided_by_images", ("return dx, dw", "return dx, dw / N")),
    *_one("conv", "dw", "assigned", "sliced", ("dw[f] +=", "dw[f] =")),
    *_one("conv", "dw", "assigned", "scalar", ("dw[f, c, k, l] +=", "dw[f, c, k, l] =")),
    *_both(
        "conv",
        "dw",
        "last_image_only",
        ("    for n in range(N):", "    for n in range(N):\n        dw = np.zeros(w.shape)"),
    ),
    *_one("conv", "dw", "pad_with_edge", "sliced", ("constant", "edge")),
    *_one("conv", "dw", "pad_bottom_right", "scalar", (SCALAR_PAD, "x_pad[:, :, :H, :W] = x")),
    *_one("conv", "dw", "kernel_transposed", "scalar", ("dw[f, c, k, l]", "dw[f, c, l, k]")),
    *_both("conv", "dw", "kernel_flipped", ("return dx, dw", "return dx, dw[:, :, ::-1, ::-1]")),
    *_both("conv", "db", "divided_by_images", ("dw, db", "dw, db / N")),
    *_one("conv", "db", "last_image_only", "sliced", ("db[f] +=", "db[f] =")),
    *_one("conv", "db", "assigned", "scalar", ("db[f] +=", "db[f] =")),
    *_both("conv", "db", "one_for_each_image", ("dw, db", "dw, np.sum(dout, axis=(1, 2, 3))")),
    *_both("conv", "db", "summed_over_images_alone", ("dw, db", "dw, np.sum(dout, axis=0)")),
    *_both("conv", "db", "mean_for_sum", ("dw, db", "dw, np.mean(dout, axis=(0, 2, 3))")),
    *_one(
        "conv",
        "db",
        "once_per_channel",
        "scalar",
        ("db[f] +=", "0 *"),
        ("c in range(C):", "c in range(C):\n                        db[f] += dout[n, f, i, j]"),
    ),
    *_one("conv", "db", "summed_over_everything", "sliced", ("np.sum(dout[n, f])", "np.sum(dout[n])")),
]
POOL = [
    *_one("pool", "out", "average", "sliced", ("np.max", "np.mean")),
    *_one("pool", "out", "at_least_0", "scalar", ("-np.inf", "0")),
    *_one("pool", "out", "across_channels", "sliced", ("x[n, c, i", "x[n, :, i")),
    *_one(
        "pool", "out", "window_fixed_2", "sliced", (READ_POOL, 'ph, pw, stride = 2, 2, pool_param["stride"]')
    ),
    *_both("pool", "out", "stride_fixed_2", ('pool_param["stride"]', "2")),
    *_one(
        "pool", "out", "height_for_both", "sliced", ('pool_param["pool_width"]', 'pool_param["pool_height"]')
    ),
    *_one(
        "pool", "out", "width_for_both", "sliced", ('pool_param["pool_height"]', 'pool_param["pool_width"]')
    ),
    *_both("pool", "out", "window_swapped", ("ph, pw, stride =", "pw, ph, stride =")),
    *_one(
        "pool",
        "out",
        "slice_swapped",
        "sliced",
        (POOL_SLICE, "i * stride:i * stride + pw, j * stride:j * stride + ph"),
    ),
    *_one(
        "pool",
        "out",
        "stride_from_window",
        "sliced",
        (H_POOL, "1 + (H - ph) // ph"),
        (W_POOL, "1 + (W - pw) // pw"),
        (POOL_SLICE, "i * ph:i * ph + ph, j * pw:j * pw + pw"),
    ),
    *_one("pool", "out", "stride_ignored", "sliced", (POOL_SLICE, "i:i + ph, j:j + pw")),
    *_one("pool", "out", "size_without_window", "sliced", (H_POOL, "H // stride"), (W_POOL, "W // stride")),
    *_one("pool", "out", "image_sizes_swapped", "sliced", ("N, C, H, W", "N, C, W, H")),
    *_both("pool", "out", "only_first_image", (RETURN_OUT, "    " + RETURN_OUT)),
    *_both("pool", "dx", "maximum_assigned", ("] += dout", "] = dout")),
    *_one(
        "pool",
        "dx",
        "window_assigned",
        "sliced",
        (
            "dx[n, c, top + k, left + l] += ",
            "dx[n, c, top:top + ph, left:left + pw] = (window == np.max(window)) * ",
        ),
    ),
    *_one("pool", "dx", "mask_of_first_channel", "sliced", ("window = x[n, c", "window = x[n, 0")),
    *_one("pool", "dx", "window_start_forgotten", "sliced", ("top + k, left + l", "k, l")),
    *_both("pool", "dx", "dout_ones", ("+= dout[n, c, i, j]", "+= 1")),
    *_one(
        "pool",
        "dx",
        "average",
        "sliced",
        (
            "dx[n, c, top + k, left + l] += dout[n, c, i, j]",
            "dx[n, c, top:top + ph, left:left + pw] += dout[n, c, i, j] / (ph * pw)",
        ),
    ),
    *_both("pool", "dx", "windows_transposed", ("+= dout[n, c, i, j]", "+= dout[n, c, j, i]")),
    *_one("pool", "dx", "window_swapped", "sliced", ("ph, pw, stride =", "pw, ph, stride =")),
    *_one(
        "pool", "dx", "window_fixed_2", "sliced", (READ_POOL, 'ph, pw, stride = 2, 2, pool_param["stride"]')
    ),
    *_one("pool", "dx", "stride_from_window", "sliced", (START, "top, left = i * ph, j * pw")),
    *_one("pool", "dx", "stride_ignored", "sliced", (START, "top, left = i, j")),
    *_one("pool", "dx", "stride_fixed_2", "sliced", ('pool_param["stride"]', "2")),
    *_both("pool", "dx", "only_first_image", ("    return dx", "        return dx")),
]
MASK = (
    "dx[n, c, top + k, left + l] += ",
    "dx[n, c, top:top + ph, left:left + pw] += (window == window.max()) * ",
)
TIES = [
    SlippingStudent("pool", "dx", "all_tied_credited", "sliced", (MASK,), "ties"),
    SlippingStudent(
        "pool",
        "dx",
        "tied_share_divided_whole",
        "sliced",
        ((MASK[0], MASK[1].replace("window.max())", "window.max()) // (window == window.max()).sum()")),),
        "ties",
    ),
    SlippingStudent(
        "pool",
        "dx",
        "found_in_whole_image",
        "sliced",
        (("dx[n, c, top + k, left + l] += ", "dx[n, c] += (x[n, c] == window.max()) * "),),
        "ties",
    ),
]
STUDENTS = [*CONV_OUT, *CONV_BACKWARD, *POOL, *TIES]
