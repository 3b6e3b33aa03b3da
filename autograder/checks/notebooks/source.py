"""Reads a notebook's source for what it asks for: data, epochs, optimizer, weights, and where test data goes.

The parts: `source_cells` makes trees of the cells, `source_run` follows the names through them,
`source_calls`, `source_settings`, `source_weights` and `source_training` know the libraries' calls, and
`source_record` notes what is found. Nothing is run. What a name holds can't always be followed: every finding
says whether it is certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autograder.checks.notebooks import source_library as library
from autograder.checks.notebooks import source_weights
from autograder.checks.notebooks.source_cells import Parsed, parse
from autograder.checks.notebooks.source_facts import Function, SourceFacts
from autograder.checks.notebooks.source_functions import accuracy_computers
from autograder.checks.notebooks.source_record import Record
from autograder.checks.notebooks.source_run import OutOfSteps, Reader
from autograder.loaders.notebook import Notebook

_NO_MODULES: Mapping[str, str] = MappingProxyType({})


def read_source(notebook: Notebook, modules: Mapping[str, str] = _NO_MODULES) -> SourceFacts:
    """What the notebook's code says; ``modules`` are the files beside it, path and source."""
    parsed = parse(notebook, modules)
    record = Record()
    reader = Reader(record, parsed.modules)
    _read_shell(parsed, record)
    try:
        for unit in parsed.cells:
            reader.read(unit)
        reader.read_uncalled()
    except OutOfSteps:
        reader.note("The source is too long to be followed to its end; what was read up to there is listed.")
    own = source_weights.settle(record)
    return SourceFacts(
        frameworks=tuple(reader.frameworks),
        data=tuple(record.data),
        trained_on=tuple(record.trained_on),
        epochs=tuple(record.epochs),
        steps=tuple(record.steps),
        batch_sizes=tuple(record.batch_sizes),
        learning_rates=tuple(record.learning_rates),
        optimizers=tuple(record.optimizers),
        schedulers=tuple(record.schedulers),
        augmentations=tuple(record.augmentations),
        pretrained=tuple(record.pretrained),
        own_checkpoints=own,
        downloads=tuple(record.downloads),
        leaks=tuple(record.leaks),
        functions=_functions(reader),
        hard_coded=tuple(record.hard_coded),
        notes=(*parsed.notes, *record.notes),
    )


def _functions(reader: Reader) -> tuple[Function, ...]:
    computing = accuracy_computers(reader.functions)
    return tuple(
        Function(
            function.name,
            tuple(function.parameters),
            function.unit.place(function.node.lineno),
            computes_accuracy=function in computing,
            trains=function.trains,
            reads=frozenset(function.reads),
        )
        for function in reader.functions
    )


def _read_shell(parsed: Parsed, record: Record) -> None:
    for line in parsed.shell:
        found = library.SHELL_DOWNLOAD.search(line.command[:2_000])
        if found and "pip install" not in line.command:
            record.named(record.downloads, found[0], line.place)
