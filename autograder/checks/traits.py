"""Says for which cases something went wrong, in terms of what the cases have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

MOST_TRAITS = 3  # an explanation with more parts than this explains nothing


def summarise(traits: Sequence[tuple[str, ...]], wrong: Sequence[bool], verb: str) -> str:
    """Such as "is right for pad 1 and pad 2, but is wrong for pad 0", where the verb is "is wrong".

    ``traits[k]`` describes case k and ``wrong[k]`` says how it went. A trait is blamed only if every case
    that has it went wrong, and praised only if every such case went well.
    """
    bad = [frozenset(case) for case, is_wrong in zip(traits, wrong, strict=True) if is_wrong]
    good = [frozenset(case) for case, is_wrong in zip(traits, wrong, strict=True) if not is_wrong]
    if not good:
        return {1: verb, 2: f"{verb} in both cases"}.get(len(bad), f"{verb} in all {len(bad)} cases")
    blamed, praised = _explain(bad, good), _explain(good, bad)
    if blamed and praised:
        return f"is right for {praised}, but {verb} for {blamed}"
    if blamed:
        return f"{verb} for {blamed}, and right otherwise"
    if praised:
        return f"is right for {praised}, but {verb} otherwise"
    return f"{verb} in {len(bad)} of {len(traits)} cases"


def describe(case: Iterable[str]) -> str:
    """A case in one phrase: "stride 2, pad 0, non-square images"."""
    return ", ".join(case)


def _explain(members: Sequence[frozenset[str]], others: Sequence[frozenset[str]]) -> str:
    """The fewest traits, or pairs of traits, of which every member and no other case has one; or nothing."""
    for size in (1, 2):
        groups = {group for case in members for group in combinations(sorted(case), size)}
        ours = [frozenset(g) for g in sorted(groups) if not any(case.issuperset(g) for case in others)]
        chosen = _cover(members, ours)
        if chosen:
            return _listed(sorted(" with ".join(sorted(group)) for group in chosen))
    return ""


def _cover(members: Sequence[frozenset[str]], groups: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """Greedily: at each step the group that explains most of the members that are still unexplained."""
    left = list(members)
    chosen: list[frozenset[str]] = []
    while left and groups and len(chosen) < MOST_TRAITS:
        best = max(groups, key=lambda group: sum(group <= case for case in left))
        chosen.append(best)
        left = [case for case in left if not best <= case]
    return [] if left else chosen


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
