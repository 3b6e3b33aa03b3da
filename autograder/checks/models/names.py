"""Which tensor of a graph is which of the module's, by what the box reported; never how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autograder.checks.models.graph import Graph, Source
from autograder.sandbox.exported import Reported, ReportedTensor


class Names:
    """The reported names, found again in a graph, whose names may have one prefix more ("model.")."""

    def __init__(self, reported: Reported, graph: Graph) -> None:
        held = {source.name for source in graph.sources.values() if source.initializer}
        self._prefix = _prefix({tensor.name for tensor in reported.tensors}, held)
        self._tensors: dict[str, ReportedTensor] = {}
        self._aliases: dict[str, set[str]] = {}
        for tie in reported.ties:
            group = {self._prefix + name for name in tie}
            for name in group:
                group |= self._aliases.get(name, set())
            for name in group:
                self._aliases[name] = group
        for tensor in reported.tensors:
            for name in self._all(self._prefix + tensor.name):
                known = self._tensors.get(name)
                if known is None or (tensor.parameter and not known.parameter):
                    self._tensors[name] = tensor

    @property
    def any(self) -> bool:
        """Whether anything was reported at all."""
        return bool(self._tensors)

    def _all(self, name: str) -> set[str]:
        return self._aliases.get(name, {name})

    def is_parameter(self, name: str, shape: tuple[int, ...]) -> bool:
        tensor = self._tensors.get(name)
        return tensor is not None and tensor.parameter and tensor.shape == shape

    def is_buffer(self, name: str) -> bool:
        tensor = self._tensors.get(name)
        return tensor is not None and not tensor.parameter

    def is_frozen(self, name: str) -> bool:
        tensor = self._tensors.get(name)
        return tensor is not None and tensor.parameter and not tensor.trainable

    def parameters(self) -> Iterator[ReportedTensor]:
        """Each once, however many names it has."""
        seen: set[str] = set()
        for name, tensor in self._tensors.items():
            if tensor.parameter and name not in seen:
                seen |= self._all(name)
                yield tensor

    def aliases(self, name: str) -> set[str]:
        """All names in the graph that a reported tensor may have there."""
        return self._all(self._prefix + name)

    def copies(self, sources: Sequence[Source]) -> list[Source]:
        """Those that are another's double: said to be tied, and holding the same numbers."""
        seen: set[tuple[frozenset[str], bytes]] = set()
        found = []
        for source in sources:
            group = self._aliases.get(source.name)
            if group is not None:
                told = (frozenset(group), source.digest())
                if told in seen:
                    found.append(source)
                seen.add(told)
        return found

    def tie(self, source: Source, sources: Sequence[Source]) -> str:
        """What there is to say of a tensor that has several names, or nothing."""
        group = self._aliases.get(source.name)
        if not group:
            return ""
        others = [one for one in sources if one is not source and one.name in group]
        if any(one.digest() != source.digest() for one in others):
            return "said to be tied, and other numbers than its double: counted on its own"
        names = sorted(group - {source.name})
        return f"the same as {', '.join(names[:3])}, counted once" if names else ""


def _prefix(reported: set[str], held: set[str]) -> str:
    """What stands before every reported name in the graph; "" where they are as they are."""
    if not reported or reported & held:
        return ""
    first = min(reported)
    for name in sorted(held):
        if name.endswith("." + first):
            prefix = name.removesuffix(first)
            if sum(prefix + one in held for one in reported) * 2 > len(reported):
                return prefix
    return ""
