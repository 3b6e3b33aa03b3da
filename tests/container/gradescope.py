"""What Gradescope does with an autograder: build its image once, then one fresh container a submission."""

from __future__ import annotations

import json
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.container.engine import BUILD_WAIT_S, docker

CPUS, MEMORY = "2", "3g"
GRADING_WAIT_S = 300
DOCKERFILE = Path(__file__).resolve().parent.parent.parent / "Dockerfile"
IN_BUILD = """\
set -eu
mkdir -p /autograder/source /autograder/submission /autograder/results
unzip -q /tmp/bundle.zip -d /autograder/source
cp /autograder/source/run_autograder /autograder/run_autograder
chmod +x /autograder/run_autograder
cd /
bash /autograder/source/setup.sh
"""
METADATA = {
    "id": 123456789,
    "created_at": "2024-10-01T21:03:11.000000-07:00",
    "submission_method": "upload",
    "assignment": {
        "id": 4242,
        "title": "HW2",
        "course_id": 999,
        "release_date": "2024-09-15T00:00:00.000000-07:00",
        "due_date": "2024-10-02T23:59:00.000000-07:00",
        "late_due_date": None,
        "group_submission": False,
        "group_size": None,
        "total_points": "20.0",
    },
    "users": [{"id": 7, "name": "A Student", "email": "student@example.edu"}],
    "previous_submissions": [],
}


@dataclass(frozen=True, slots=True)
class Graded:
    """What one container left behind."""

    exit_code: int
    stdout: str
    results: dict[str, Any] | None
    """results.json, if it was written."""


@contextmanager
def image_from_zip(bundle: Path, base: str) -> Iterator[tuple[str, str]]:
    """The image as Gradescope makes it from an upload, and what its making printed."""
    tag = f"autograder-test-zip:{uuid.uuid4().hex[:12]}"
    container = docker(
        *("create", "--network", "host"),  # for apt-get; a grading gets no more than the default
        *("--volume", f"{bundle}:/tmp/bundle.zip:ro", base, "bash", "-c", IN_BUILD),
    ).strip()
    try:
        log = docker("start", "--attach", container, wait_s=BUILD_WAIT_S)
        docker("commit", "--change", "WORKDIR /autograder", container, tag, wait_s=BUILD_WAIT_S)
    finally:
        docker("rm", "--force", container)
    try:
        yield tag, log
    finally:
        docker("rmi", "--force", tag)


@contextmanager
def image_from_dockerfile(bundle: Path, base: str, scratch: Path) -> Iterator[tuple[str, str]]:
    """The image as our Dockerfile makes it, and what its making printed."""
    tag = f"autograder-test-dockerfile:{uuid.uuid4().hex[:12]}"
    context = scratch / "context"
    unpack(bundle, context)
    options = ["--network", "host", "--no-cache", "--build-arg", f"BASE={base}", "--tag", tag]
    log = docker("build", "--file", str(DOCKERFILE), *options, str(context), wait_s=BUILD_WAIT_S)
    try:
        yield tag, log
    finally:
        docker("rmi", "--force", tag)


def unpack(archive: Path, folder: Path) -> None:
    """Unzip as `unzip` does, with the files' modes, which Python's zipfile forgets."""
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            path = Path(packed.extract(info, folder))
            if mode := info.external_attr >> 16 & 0o777:
                path.chmod(mode)


def grade(image: str, submission: Path, scratch: Path, before: tuple[dict[str, Any], ...] = ()) -> Graded:
    """Grade one submission in a fresh container: root, the default profile, nothing added.

    ``before`` are the previous submissions that the metadata tell of.
    """
    scratch.mkdir(exist_ok=True)
    folder = scratch / "submission"
    if submission.is_dir():
        shutil.copytree(submission, folder, symlinks=True)
    else:
        unpack(submission, folder)
    metadata = scratch / "submission_metadata.json"
    metadata.write_text(json.dumps({**METADATA, "previous_submissions": before}))
    limits = ["--cpus", CPUS, "--memory", MEMORY]
    container = docker("create", *limits, image, "/autograder/run_autograder").strip()
    try:
        docker("cp", f"{folder}/.", f"{container}:/autograder/submission")
        docker("cp", str(metadata), f"{container}:/autograder/submission_metadata.json")
        docker("start", container)
        exit_code = int(docker("wait", container, wait_s=GRADING_WAIT_S))
        docker("cp", f"{container}:/autograder/results", str(scratch))
        stdout = docker("logs", container)
    finally:
        docker("rm", "--force", container)
    results = scratch / "results" / "results.json"
    return Graded(exit_code, stdout, json.loads(results.read_text()) if results.exists() else None)


def contents(image: str) -> str:
    """What an image holds that ours to put there: paths and modes, and the environment's packages."""
    listing = "find /autograder /opt/autograder -not -path '*/__pycache__*' -printf '%m %U %y %p\\n' | sort"
    packages = "/opt/autograder/env-*/bin/python -I -m pip freeze"
    return docker("run", "--rm", image, "bash", "-c", f"{listing}; {packages}")
