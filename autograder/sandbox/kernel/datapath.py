"""Batches of torchvision's small data sets from memory, equal to the student's own to the bit.

With torchvision's transforms, a loader makes an object of Pillow's of every picture, one at a time, and a
tensor of that again, which takes a good part of the time of training a small network. Here the same batches
are made at once. datapath_reading.py reads the transforms that datapath_known.py knows (with
datapath_values.py and datapath_shape.py), datapath_steps.py and datapath_affine.py do what they do,
datapath_batches.py knows the data sets, datapath_guard.py whether the libraries are what they were, and
datapath_trust.py compares. Whatever isn't known goes the student's own way.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.patching import patch_on_import


def install(context: Context) -> None:
    """Last of all parts: what they change in torch counts as usual."""
    patch_on_import(context, "torchvision", _patch_fetcher)


def _patch_fetcher(context: Context, _torchvision: Any) -> None:
    fetching = importlib.import_module("torch.utils.data._utils.fetch")
    trust = importlib.import_module("autograder.sandbox.kernel.datapath_trust")  # it needs torchvision
    plain = fetching._MapDatasetFetcher.fetch
    path = trust.DataPath(context, plain)

    @functools.wraps(plain)
    def fetch(fetcher: Any, possibly_batched_index: Any) -> Any:
        return path.fetch(fetcher, possibly_batched_index)

    fetching._MapDatasetFetcher.fetch = fetch
