"""A million predictions validated and scored: `python -m benchmarks.predictions`.

Beside it the way in which mle-bench's `grade_csv` scores accuracy: pandas reads the file and the answers,
both are sorted by id and compared, and scikit-learn counts. Each run is a process of its own, in turns; a
process reports what it took itself, and its peak of memory. The classes' names in place of their numbers are
the case that our quick way doesn't take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.figures import ratios, spread, table
from benchmarks.machine import ROOT, provenance

_NAMES = tuple(f"class {number}" for number in range(10))
_CLASSES = len(_NAMES)
_SEED = 11
_RIGHT = 0.72
_AIM_S, _AIM_MIB = 2.0, 300.0
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Run:
    """One process: its wall time from start to end, of that the imports and the work, and its peak."""

    whole_s: float
    imports_s: float
    work_s: float
    peak_mib: float
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--way", choices=sorted(_WAYS), help="only this, of the files in --folder")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(_measured(asked.way, asked.folder, asked.rows)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("in order", "shuffled", "names"):
            _write(Path(folder), asked.rows, kind)
            rows += _rows(kind, _in_turns(Path(folder), asked.rounds, asked.rows))
    print(provenance("Predictions", _versions(), rounds=asked.rounds, rows=asked.rows))
    print(table(_HEAD, rows))
    print()
    print(f"Aims for reading and scoring: less than {_AIM_S:g} s and {_AIM_MIB:g} MiB.")


_HEAD = [
    "rows",
    "way",
    "reading and scoring",
    "imports",
    "the whole process",
    "peak of memory",
    "time ÷ ours",
]


def _rows(order: str, runs: dict[str, list[Run]]) -> list[list[str]]:
    ours = runs["ours"]
    return [
        [
            order,
            {"ours": "this project", "pandas": "as mle-bench: pandas, scikit-learn"}[way],
            spread([run.work_s for run in ran], "s"),
            spread([run.imports_s for run in ran], "s"),
            spread([run.whole_s for run in ran], "s"),
            spread([run.peak_mib for run in ran], "MiB"),
            spread(ratios([run.work_s for run in ran], [run.work_s for run in ours])),
        ]
        for way, ran in runs.items()
    ]


def _in_turns(folder: Path, rounds: int, count: int) -> dict[str, list[Run]]:
    """Both ways in each round, after one that isn't counted; they must come to the same accuracy."""
    runs: dict[str, list[Run]] = {"ours": [], "pandas": []}
    for number in range(rounds + 1):
        found = {way: _process(way, folder, count) for way in runs}
        if len({run.accuracy for run in found.values()}) != 1:
            raise SystemExit(f"The two ways disagree, so there are no figures: {found}")
        if number:
            for way, run in found.items():
                runs[way].append(run)
    return runs


def _process(way: str, folder: Path, count: int) -> Run:
    command = [sys.executable, "-m", "benchmarks.predictions", "--way", way, "--folder", str(folder)]
    environment = {**os.environ, **dict.fromkeys(_VARIABLES, "1")}
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [*command, "--rows", str(count)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return Run(time.perf_counter() - began, **json.loads(done.stdout))


def _measured(way: str, folder: Path, count: int) -> dict[str, float]:
    began = time.perf_counter()
    run = _WAYS[way](folder, count)
    imported = time.perf_counter()
    accuracy = run()
    ended = time.perf_counter()
    return {
        "imports_s": imported - began,
        "work_s": ended - imported,
        "peak_mib": _peak_mib(),
        "accuracy": round(accuracy, 12),
    }


def _peak_mib() -> float:
    """Of this process alone: what getrusage says begins with its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _ours(folder: Path, count: int) -> Callable[[], float]:
    from sklearn import metrics  # noqa: F401, PLC0415  (else the first metric would import it)

    from autograder.checks.predictions.form import Form, Ids  # noqa: PLC0415  (its time is measured)
    from autograder.checks.predictions.metrics import measure  # noqa: PLC0415
    from autograder.checks.predictions.reading import read_predictions  # noqa: PLC0415

    def run() -> float:
        names = tuple((name,) for name in _NAMES)
        form = Form(Ids.numbered(count), names, max_bytes=1 << 28)
        read = read_predictions((folder / "predictions.csv").read_bytes(), "predictions.csv", form)
        with np.load(folder / "answers.npz") as kept:
            answers = kept["labels"]
        found = measure(["accuracy"], read.labels, None, answers, _NAMES)[0].value
        assert found is not None
        return found

    return run


def _pandas(folder: Path, count: int) -> Callable[[], float]:
    """What mle-bench does for a competition by accuracy: columns, lengths, sorted by id, compared, scored."""
    import pandas as pd  # noqa: PLC0415
    from sklearn.metrics import accuracy_score  # noqa: PLC0415

    def run() -> float:
        handed_in, answers = (pd.read_csv(folder / name) for name in ("predictions.csv", "answers.csv"))
        for frame in (handed_in, answers):
            if len(frame) != count or not {"image_id", "label"} <= set(frame.columns):
                raise ValueError("another number of rows, or another column")
        handed_in, answers = (frame.sort_values("image_id") for frame in (handed_in, answers))
        if (handed_in["image_id"].to_numpy() != answers["image_id"].to_numpy()).any():
            raise ValueError("other ids")
        return float(accuracy_score(answers["label"].to_numpy(), handed_in["label"].to_numpy()))

    return run


_WAYS = {"ours": _ours, "pandas": _pandas}


def _write(folder: Path, count: int, kind: str) -> None:
    draws = np.random.default_rng(_SEED)
    answers = draws.integers(0, _CLASSES, count)
    wrong = draws.random(count) >= _RIGHT
    labels = np.where(wrong, (answers + draws.integers(1, _CLASSES, count)) % _CLASSES, answers)
    order = draws.permutation(count) if kind == "shuffled" else np.arange(count)
    np.savez(folder / "answers.npz", labels=answers)
    for name, ids, values in (("predictions", order, labels[order]), ("answers", np.arange(count), answers)):
        shown = [_NAMES[value] if kind == "names" else value for value in values.tolist()]
        lines = [f"{number},{value}" for number, value in zip(ids.tolist(), shown, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["image_id,label", *lines, ""]), encoding="ascii")


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("pandas", "scikit-learn", "scipy")}


if __name__ == "__main__":
    main()
