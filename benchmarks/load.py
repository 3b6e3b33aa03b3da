"""Many gradings at once, half of them hostile: every result there and right, nothing left, memory flat.

`python -m benchmarks.load [--gradings 200] [--at-once 4] [--laps 3] [--sandbox privdrop] [--each]`

So many commands run at once, each a `./run_autograder grade` with an equal share of the submissions. It
grades its share more than once, in laps, and its process is looked at after each result (see flatness.py).
With `--each` every submission has a command of its own instead. The exit code is 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import ValidationError

from autograder.document import ResultsDocument
from autograder.grading import PAGE
from autograder.results import RESULTS
from autograder.sandbox.choose import BACKENDS
from autograder.staff_files import READING
from benchmarks.crowd import Entry, Kind, draw, hand_in, quicker_grader
from benchmarks.figures import spread, table
from benchmarks.flatness import LAPS, Sample, growth, look_at, unsteady
from benchmarks.machine import ROOT, provenance
from benchmarks.traces import Traces, adopt_orphans

_LOOK_EVERY_S = 0.02
_LAST_WORDS = 3000  # characters of what a command said that ended badly


@dataclass(frozen=True, slots=True)
class Grading:
    """One that gave a result: how long after the one before it, and the trusted process then."""

    entry: Entry
    seconds: float
    sample: Sample


@dataclass(slots=True)
class Batch:
    """One command: what it is to grade, and how that went."""

    entries: list[Entry]
    folder: Path
    sandbox: str
    grader: Path
    lap: int  # entries, after which the same come again
    gradings: list[Grading] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def run(self, traces: Traces) -> None:
        """Start it, look at it whenever another result is there, and wait for its end."""
        sources = [str(entry.source) for entry in self.entries]
        command = ["./run_autograder", "grade", str(self.grader), *sources, "--sandbox", self.sandbox]
        log = self.folder / "log"
        with log.open("wb") as said:
            start = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603
                [*command, "--out", str(self.out)],
                cwd=ROOT,
                env=os.environ | {"TMPDIR": str(self.folder.parent / "tmp")},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            traces.grader(process.pid)
            self._follow(process, start)
        if process.returncode != 0:
            words = log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:]
            self.findings.append(f"a command ended with exit code {process.returncode}:\n{words}")
        for entry in self.entries:
            self.findings += judge(entry, self.results_of(entry))

    def _follow(self, process: subprocess.Popen[bytes], start: float) -> None:
        position = 0
        while process.poll() is None:
            time.sleep(_LOOK_EVERY_S)
            for index, entry in enumerate(self.entries[position:], position):
                if not (self.results_of(entry) / RESULTS).exists():
                    continue
                position, now = index + 1, time.perf_counter()
                if (sample := look_at(process.pid)) is not None:
                    self.gradings.append(Grading(entry, now - start, sample))
                start = now

    def unsteady(self) -> list[str]:
        return unsteady([one.sample for one in self.gradings], self.lap)

    @property
    def out(self) -> Path:
        return self.folder / "results"

    def results_of(self, entry: Entry) -> Path:
        """Where the command puts a submission's results: below --out, unless there is only one."""
        return self.out if len(self.entries) == 1 else self.out / entry.source.name.removesuffix(".zip")


def judge(entry: Entry, results: Path) -> list[str]:
    """What is wrong with one submission's results."""
    path = results / RESULTS
    try:
        # The model adds up: it takes no document in which a declared point is missing.
        document = ResultsDocument.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return [f"{entry.source.name}: no results"]
    except ValidationError as error:
        return [f"{entry.source.name}: {error}"]
    found = []
    if document.extra_data.partial:
        found.append(f"{entry.source.name}: the results are partial")
    if abs(document.score - entry.kind.score) > 1e-6:
        ended = [
            f"{test.name}: {test.output}" for test in document.tests if not test.score and test.max_score
        ]
        said = "\n".join(ended)[:_LAST_WORDS]
        found.append(f"{entry.source.name}: {document.score:g} points, not {entry.kind.score:g}\n{said}")
    if unexpected := {left.name for left in results.iterdir()} - {RESULTS, PAGE, READING}:
        found.append(f"{entry.source.name}: {sorted(unexpected)} beside its results")
    return found


def run_all(batches: list[Batch], at_once: int, traces: Traces) -> float:
    """Run them, so many at a time; returns how many seconds it took."""
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        for running in [pool.submit(batch.run, traces) for batch in batches]:
            running.result()
    return time.perf_counter() - start


def report(batches: list[Batch], took_s: float, left: list[str], users: int) -> tuple[str, bool]:
    """A table and what does not hold, and whether all holds."""
    gradings = [grading for batch in batches for grading in batch.gradings]
    count = sum(len(batch.entries) for batch in batches)
    kinds = {entry.kind.name for batch in batches for entry in batch.entries}
    hostile = sum(entry.kind.hostile for batch in batches for entry in batch.entries)
    judged = [finding for batch in batches for finding in batch.findings]
    uneven = [finding for batch in batches for finding in batch.unsteady()]
    rows = [
        ["submissions (different ones; hostile)", f"{count} ({len(kinds)}; {hostile})"],
        ["all together", f"{took_s:.1f} s"],
        ["gradings a minute", f"{60 * count / took_s:.1f}"],
        ["one grading of a class's", _seconds(gradings, hostile=False)],
        ["… of a hostile one", _seconds(gradings, hostile=True)],
        ["users that boxes had", str(users)],
        *_trusted_rows(gradings),
        *_growth_rows(batches),
        ["results that are missing or wrong", str(len(judged))],
        ["left over", str(len(left))],
    ]
    text = table(["what", "found"], rows)
    for title, findings in (("wrong", judged), ("left over", left), ("not flat", uneven)):
        text += "".join(f"\n- {title}: {finding}" for finding in findings)
    return text, not (judged or left or uneven)


def _seconds(gradings: list[Grading], *, hostile: bool) -> str:
    """A command's first grading carries the command's start as well."""
    values = [one.seconds for one in gradings if one.entry.kind.hostile is hostile]
    return spread(values, "s") if values else ""


def _trusted_rows(gradings: list[Grading]) -> list[list[str]]:
    if not gradings:
        return []
    samples = [one.sample for one in gradings]
    return [
        ["trusted process: resident memory", spread([one.rss_kib / 1024 for one in samples], "MiB")],
        ["… its share of it (PSS)", spread([one.pss_kib / 1024 for one in samples], "MiB")],
        ["… descriptors", spread([one.descriptors for one in samples])],
        ["… threads", spread([one.threads for one in samples])],
    ]


def _growth_rows(batches: list[Batch]) -> list[list[str]]:
    found = [growth([one.sample for one in batch.gradings], batch.lap, "rss_kib") for batch in batches]
    kib = [step / batch.lap for batch, step in zip(batches, found, strict=True) if step is not None]
    return [["… its growth for each grading, from a lap to the next", spread(kib, "KiB")]] if kib else []


def write_gradings(batches: list[Batch], path: Path) -> None:
    """For whoever looks for the one that takes memory."""
    lines = [
        {"batch": number, "name": one.entry.kind.name, "seconds": one.seconds, **asdict(one.sample)}
        for number, batch in enumerate(batches)
        for one in batch.gradings
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.load")
    parser.add_argument("--gradings", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=4, help="commands that run at the same time")
    parser.add_argument("--laps", type=int, default=LAPS, help="how often each command grades its share")
    parser.add_argument("--sandbox", choices=list(BACKENDS), default="privdrop")
    parser.add_argument("--each", action="store_true", help="a command for each submission")
    parser.add_argument("--wall-s", type=float, default=4.0, help="what an endless loop takes")
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="submissions with such names alone"
    )
    parser.add_argument("--seed", type=int, default=0, help="another one draws another crowd")
    parser.add_argument("--gradings-to", type=Path, metavar="FILE", help="each grading, as JSON lines")
    options = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        for path in (folder, folder / "tmp"):
            path.mkdir(exist_ok=True)
            path.chmod(0o711)  # boxes' users walk through it
        laps = 1 if options.each else options.laps
        kinds = draw(options.gradings // laps, options.sandbox, only=options.only or ["*"], seed=options.seed)
        shares = [[kind] for kind in kinds] if options.each else dealt(kinds, options.at_once)
        grader = quicker_grader(folder, options.wall_s)
        batches = prepared([share for share in shares if share], laps, folder, options.sandbox, grader)
        counts = {"gradings": laps * len(kinds), "at_once": options.at_once, "laps": laps}
        print(provenance(f"Load, `{options.sandbox}`", **counts), flush=True)
        with Traces(folder / "tmp") as traces:
            took_s = run_all(batches, options.at_once, traces)
            text, holds = report(batches, took_s, traces.left_over(), traces.users)
    print(text)
    if options.gradings_to is not None:
        write_gradings(batches, options.gradings_to)
    sys.exit(0 if holds else 1)


def dealt(kinds: list[Kind], parts: int) -> list[list[Kind]]:
    """An equal share for each, with honest and hostile ones in each."""
    pairs = [kinds[k : k + 2] for k in range(0, len(kinds), 2)]
    return [[kind for pair in pairs[part::parts] for kind in pair] for part in range(parts)]


def prepared(shares: list[list[Kind]], laps: int, folder: Path, sandbox: str, grader: Path) -> list[Batch]:
    """A command for each share, with its submissions written down as often as it grades them."""
    batches = []
    for number, share in enumerate(shares):
        own = folder / f"command-{number}"
        entries = [hand_in(kind, own / "in", k) for k, kind in enumerate(share * laps)]
        batches.append(Batch(entries, own, sandbox, grader, len(share)))
    return batches


if __name__ == "__main__":
    main()
