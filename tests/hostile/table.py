"""Writes the table of docs/security.md from what the last runs of the suite recorded.

    python -m tests.hostile.table

It refuses where an attack has no record for a backend that ran, or got through without being listed as open.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fixtures.hostile import BACKENDS, CATALOGUE, NOT_TRIED, Attack, load, names
from tests.hostile.record import NOT_TRIED as NOT_HERE
from tests.hostile.record import OPEN, Records, Shot, versions

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
BEGIN = "<!-- begin: written by `python -m tests.hostile.table` -->"
END = "<!-- end -->"
_ROW = re.compile(r"^\| ([\d, ]+) \| `(\w+)` \| .* \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


class Incomplete(Exception):
    """The records can't be made into a table that is true."""


def render(records: Records) -> str:
    """The generated part of the page."""
    shots = records.shots()
    attacks = sorted(map(load, names()), key=lambda attack: (attack.line, attack.name))
    ran = [backend for backend in BACKENDS if any(name == backend for _, name in shots)]
    _refuse_gaps(attacks, ran, shots)
    return "\n".join(
        [
            *_provenance(shots, len(attacks)),
            "",
            f"| lines | attack | what it does | {' | '.join(BACKENDS)} |",
            "|---|---|---|" + "---|" * len(BACKENDS),
            *(_row(attack, shots) for attack in attacks),
            "",
            *_notes(attacks, records, ran),
        ]
    )


def rows(page: str) -> dict[str, tuple[list[int], list[str]]]:
    """The page's table: attack -> its lines of the catalogue, and its verdicts in the order of `BACKENDS`."""
    return {
        name: ([int(line) for line in lines.split(", ")], [cell.strip() for cell in cells])
        for lines, name, *cells in _ROW.findall(page)
    }


def _refuse_gaps(attacks: list[Attack], ran: list[str], shots: dict[tuple[str, str], Shot]) -> None:
    missing = [f"{a.name} on {b}" for a in attacks for b in ran if (a.name, b) not in shots]
    if missing:
        raise Incomplete(f"run the suite again, nothing is known of {', '.join(missing[:5])}")
    wild = [
        f"{attack.name} on {backend} ({shots[attack.name, backend].why})"
        for attack in attacks
        for backend in ran
        if shots[attack.name, backend].verdict == OPEN and not attack.open_on(backend)
    ]
    if wild:
        raise Incomplete(f"mend, or list as open with the reason: {'; '.join(wild[:5])}")


def _provenance(shots: dict[tuple[str, str], Shot], count: int) -> Iterator[str]:
    dates = sorted({shot.date for shot in shots.values()})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    listed = ", ".join(f"{name} {version}" for name, version in versions().items())
    yield f"{count} attacks, run {when} as root on one machine: {listed}."


def _row(attack: Attack, shots: dict[tuple[str, str], Shot]) -> str:
    cells = [
        shots[attack.name, backend].verdict if (attack.name, backend) in shots else NOT_HERE
        for backend in BACKENDS
    ]
    lines = ", ".join(map(str, attack.line))
    title = attack.title.replace("|", "\\|").replace("<", "&lt;")
    return f"| {lines} | `{attack.name}` | {title} | {' | '.join(cells)} |"


def _notes(attacks: list[Attack], records: Records, ran: list[str]) -> Iterator[str]:
    yield "Open, and why:"
    yield ""
    for attack in attacks:
        for backend, why in attack.open.items():
            where = "every backend" if backend == "all" else backend
            yield f"* `{attack.name}`, on {where}: {why}"
    yield ""
    yield "Not tried here, and why:"
    yield ""
    for number, why in NOT_TRIED.items():
        yield f"* Line {number}, {CATALOGUE[number]}: {why}."
    for backend in BACKENDS:
        if backend not in ran:
            yield f"* {backend}: {records.why_absent(backend)}"


def main() -> int:
    try:
        generated = render(Records.below(ROOT))
    except Incomplete as error:
        print(f"tests.hostile.table: {error}", file=sys.stderr)
        return 1
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
