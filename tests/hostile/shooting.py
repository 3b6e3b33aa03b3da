"""One attack at one backend: graded as any other submission, then everything is searched for what it got."""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from autograder.assignment import Assignment, Limits
from autograder.document import ResultsDocument, TestEntry
from autograder.grading import PAGE, Faulted, Graded, grade
from autograder.results import RESULTS
from autograder.staff_files import READING
from autograder.verdicts import message_of
from fixtures.hostile import Attack, build
from tests.contract import problems
from tests.hostile.canaries import ROOT, Planted
from tests.hostile.machine import Places, left_over, snapshot, sweep
from tests.hostile.spying import ListeningSubmission, SpyingBackend

GRACE_S = 10.0  # past the run's own limit, for the results to be written
INVISIBLE = {"Cc", "Cf", "Cs", "Co"}  # control, direction, lone surrogates, private use
LIVE_HTML = ("<script>alert", "<img src=x", "<svg onload")  # what the attacks write
OURS = frozenset({RESULTS, PAGE, READING})  # what a grading writes
EMPTY = Attack(name="empty", title="Empty functions", why="What an attack must not surpass.", line=[1])


@dataclass(slots=True)
class Outcome:
    """What one attack came to; ``findings`` are sentences, one for each thing that it got."""

    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    printed: str = ""


@dataclass
class Range:
    """The secrets, the assignment and a backend that is ready."""

    planted: Planted
    assignment: Assignment
    limits: Limits
    backend: SpyingBackend
    boxes: Path  # where boxes are made, and nothing else

    @cached_property
    def baseline(self) -> ResultsDocument:
        """What a submission with empty functions gets."""
        return self._grade(EMPTY).document

    def shoot(self, attack: Attack) -> Outcome:
        baseline = self.baseline
        before = snapshot(self._places)
        source = build(attack, self.planted.folder.parent / "in", self.planted.known)
        outcome = Outcome()
        started = time.monotonic()
        try:
            graded = self._grade_built(source)
            outcome.seconds = time.monotonic() - started
            outcome.findings += judge_score(graded, baseline, attack, self.assignment)
            outcome.findings += self._secrets_out(graded.staff_text, attack)
        except Faulted as fault:
            outcome.seconds = time.monotonic() - started
            outcome.findings.append(f"the grading ended as a fault of ours: {fault.faults[0].message}")
        if outcome.seconds > self.limits.run_wall_s + GRACE_S:
            outcome.findings.append(f"the results took {outcome.seconds:.0f} s")
        outcome.printed = "\n".join(ListeningSubmission.heard)
        reached = {
            line for line in outcome.printed.splitlines() if f"[{self.planted.known.mark}] BREACH" in line
        }
        outcome.findings += sorted(reached)
        outcome.findings += self.planted.heard()
        _clear(self._results)
        outcome.findings += left_over(before, self._places, self.backend.users, self.planted.known.mark)
        sweep(self.planted.known.mark)
        return outcome

    @property
    def _results(self) -> Path:
        return Path(self.planted.known.results)

    @property
    def _places(self) -> Places:
        return Places(
            own=(self.planted.folder, ROOT / "graders", ROOT / "reference"),
            boxes=self.boxes,
            keeps_a_spare=self.backend.name in ("bubblewrap", "docker"),
        )

    def _grade(self, attack: Attack) -> Graded:
        return self._grade_built(build(attack, self.planted.folder.parent / "in", self.planted.known))

    def _grade_built(self, source: Path) -> Graded:
        self.backend.forget()
        ListeningSubmission.heard.clear()
        return grade(self.assignment, source, self._results, limits=self.limits, backend=self.backend)

    def _secrets_out(self, staff_text: str, attack: Attack) -> list[str]:
        """Every secret in anything that came out: results, pages, prints, files."""
        places = [(path.name, path.read_bytes()) for path in self._results.iterdir() if path.is_file()]
        places += [("what staff read", staff_text.encode("utf-8", "replace"))]
        places += [("what it printed", text.encode("utf-8", "replace")) for text in ListeningSubmission.heard]
        places += self.backend.written
        found = [finding for where, data in places for finding in self.planted.seen_in(where, data)]
        page = (self._results / PAGE).read_text(encoding="utf-8")
        live = (f"<b>{self.planted.known.mark}", *LIVE_HTML)
        found += [f"the report holds the submission's HTML: {tag!r}" for tag in live if tag in page]
        unexpected = {path.name for path in self._results.iterdir()} - OURS
        found += [f"{name!r} lies beside the results" for name in sorted(unexpected)]
        return found + list(_published(self._results / RESULTS, page, attack))


def judge_score(
    graded: Graded, baseline: ResultsDocument, attack: Attack, assignment: Assignment
) -> list[str]:
    """What is wrong with the results: points gained, tests lost, text that no student should meet."""
    data = (graded.out / RESULTS).read_bytes()
    document = ResultsDocument.model_validate_json(data)
    found = [f"results.json: {problem}" for problem in problems(data)]
    if document != graded.document:
        found.append("results.json is not what the grading returned")
    if document.score != baseline.score:
        found.append(f"the score is {document.score!r}, and an empty submission's is {baseline.score!r}")
    declared = assignment.total_points + assignment.total_extra_credit
    if not math.isclose(math.fsum(test.max_score or 0.0 for test in document.tests), declared, abs_tol=1e-6):
        found.append("the tests of results.json don't add up to the assignment's points")
    if document.extra_data.partial:
        found.append("the results are partial")
    found += _gained(document, baseline)
    if attack.refused:
        found += [
            f"the upload was to be refused, and {_key(test)!r} says {message_of(test)!r}"
            for test in document.tests
            if test.extra_data and test.extra_data.graded and attack.refused not in message_of(test)
        ]
    formats: set[str | None] = {
        document.output_format,
        document.test_output_format,
        document.test_name_format,
    }
    formats |= {test.output_format for test in document.tests} | {test.name_format for test in document.tests}
    if not formats <= {"text", None}:
        found.append(f"the platform is told to render the submission's text: {formats!r}")
    texts = (document.output, *(test.output for test in document.tests))
    odd = {char for text in texts for char in text if unicodedata.category(char) in INVISIBLE} - {"\n", "\t"}
    return found + ([f"control characters reach the student: {sorted(odd)!r}"] if odd else [])


def _gained(document: ResultsDocument, baseline: ResultsDocument) -> Iterator[str]:
    before = {_key(test): test for test in baseline.tests}
    now = {_key(test): test for test in document.tests}
    if before.keys() != now.keys():
        yield f"tests are missing or new: {sorted(before.keys() ^ now.keys())!r}"
    for key in before.keys() & now.keys():
        if (now[key].score or 0.0) > (before[key].score or 0.0):
            yield f"{key!r} gave {now[key].score!r} points"
        if _passed(now[key]) and not _passed(before[key]):
            yield f"{key!r} passed"


def _published(results: Path, page: str, attack: Attack) -> Iterator[str]:
    document = ResultsDocument.model_validate_json(results.read_bytes())
    text = "\n".join([document.output, *(test.output for test in document.tests), page])
    for word in attack.unpublished:
        if word in text:
            yield f"the student reads {word!r}"
    seconds = max((test.extra_data.seconds for test in document.tests if test.extra_data), default=0.0)
    if attack.delay_s and seconds >= attack.delay_s:
        yield f"the results show that a test took {attack.delay_s:g} s or more"


def _key(test: TestEntry) -> str:
    return test.extra_data.key if test.extra_data else test.name


def _passed(test: TestEntry) -> bool:
    return test.extra_data is not None and test.extra_data.outcome == "passed"


def _clear(folder: Path) -> None:
    for name in (*OURS, "fault.txt"):
        (folder / name).unlink(missing_ok=True)
