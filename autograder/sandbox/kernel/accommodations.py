"""What stands in for the machine that a notebook was written on. Each part reports when it is really used."""

from __future__ import annotations

from typing import Any

from autograder.sandbox.kernel import (
    colab,
    datapath,
    datasets,
    gpu,
    loading,
    magics,
    network,
    oldtorch,
    pretrained,
    rewriting,
    widgets,
)
from autograder.sandbox.kernel.commands import Commands
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.places import Places


def install_all(context: Context) -> None:
    """Install what needs no shell. Call it in the notebook's folder, before any of the student's code."""
    for part in (gpu, loading, datasets, pretrained, oldtorch, widgets, network, datapath):
        part.install(context)


def install_shell(shell: Any, context: Context) -> None:
    """Install what needs IPython's shell, in the notebook's folder."""
    places = Places(context)
    colab.install(context, places)
    shell.ast_transformers.append(rewriting.install(context, places))
    magics.install(shell, context, places, Commands(context, places))
