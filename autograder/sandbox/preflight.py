"""Proof, before a grading, that the sandbox is closed: code in it tries to get out, and must fail.

A backend that can't prove every line is not used: this fails closed.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.outcome import EnvironmentFault, SandboxFault, SubmissionProblem
from autograder.sandbox.backend import Backend, data_folders, remove_folder
from autograder.sandbox.interpreter import interpreter
from autograder.sandbox.leftovers import run_folder
from autograder.sandbox.openbox import RunClock
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Submission

_PROBE = Path(__file__).with_name("probe.py")
_PROBE_LIMITS = BoxLimits(wall_s=20.0)
# Not found: in namespaces there is no such file and no such process. (It exists: we made it, or we are it.)
_REFUSED = (
    *("PermissionError", "FileNotFoundError", "ProcessLookupError"),
    *("EACCES", "EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS"),
)
_READABLE = "packages readable"
_DATA_READABLE = "data readable"
_PROCESSES = "processes limited"
_MAKE_READABLE = (
    "The interpreter and its packages must be readable by every user: put the environment where others can "
    "read it (AUTOGRADER_ENV), and run ./run_autograder doctor."
)
_SECRET = "the preflight's secret"  # noqa: S105  (it guards nothing)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing that was tried. ``found`` is what happened, in a few words."""

    name: str
    passed: bool
    found: str


def prove(backend: Backend) -> list[Probe]:
    """Try to get out of a box of ``backend``; raises SandboxFault unless every try failed.

    Raises EnvironmentFault where it is the other way round: what student code needs can't be read in there.
    """
    probes = probe(backend)
    open_doors = [probe for probe in probes if not probe.passed]
    if any(probe.name == _READABLE for probe in open_doors):
        raise EnvironmentFault(
            "The sandbox's user can't read Python and its packages, which lie in "
            f"{interpreter(backend.spec.python).prefix!r}.",
            remedy=_MAKE_READABLE,
        )
    if [probe.name for probe in open_doors] == [_DATA_READABLE] and open_doors[0].found.startswith("/"):
        raise EnvironmentFault(
            f"The sandbox's user can't read the course's data: {open_doors[0].found!r}.",
            remedy="Open it to everybody (`chmod -R a+rX FOLDER`), or make it again with "
            "`./run_autograder data`.",
        )
    if open_doors:
        listed = "; ".join(f"{probe.name} ({probe.found})" for probe in open_doors)
        raise SandboxFault(
            f"The sandbox {backend.name!r} does not hold on this machine: {listed}.",
            remedy="Nothing was run. `./run_autograder doctor` shows what is missing; Landlock needs Linux "
            "5.13 or later, and a container whose profile allows it.",
        )
    return probes


def probe(backend: Backend) -> list[Probe]:
    """Run the probe in a box of ``backend`` and judge, from outside, what it says and what it left."""
    folder = run_folder("preflight")
    try:
        folder.chmod(0o755)  # so that nothing but the sandbox keeps the probe from the secret
        secret = folder / "secret"
        secret.write_text(_SECRET, encoding="utf-8")
        secret.chmod(0o644)
        target = folder / "outside"
        target.mkdir()
        target.chmod(0o777)
        tree = folder / "tree"
        tree.mkdir()
        (tree / "probe.py").write_bytes(_PROBE.read_bytes())
        with socket.create_server(("127.0.0.1", 0)) as server:
            return _judge(backend, tree, secret, target, int(server.getsockname()[1]))
    finally:
        remove_folder(folder)


def _judge(backend: Backend, tree: Path, secret: Path, target: Path, port: int) -> list[Probe]:
    # The probe forks until the kernel refuses. What counts is the backend's own limit, and the watchdog,
    # which would otherwise keep to a smaller one, must not end the probe before.
    # Nor may its memory: torch, preloaded, counts once more in each process that the probe forks.
    wanted = backend.spec.limits
    memory_mib = max(_PROBE_LIMITS.memory_mib, wanted.memory_mib)
    limits = replace(_PROBE_LIMITS, processes=2 * wanted.processes, memory_mib=memory_mib)
    submission = Submission(backend, tree, limits, RunClock(_PROBE_LIMITS.wall_s * 2))
    try:
        with submission.module("probe.py").scene() as scene:
            targets = {
                "secret": str(secret),
                "engine": __file__,
                "outside": str(target),
                "port": port,
                "grader": os.getpid(),
                "processes": backend.spec.limits.processes,
                "forbidden": list(backend.spec.unavailable),
                "data": list(data_folders(backend.spec)),
            }
            answers = scene.call("run", targets).fetch()
    except SubmissionProblem as problem:
        raise EnvironmentFault(
            f"The sandbox's own probe did not run: {problem.message} {problem.staff}",
            remedy=_MAKE_READABLE,
        ) from problem
    finally:
        submission.close()
    if not isinstance(answers, dict):
        raise SandboxFault("The sandbox's probe gave no answers.", remedy="Run ./run_autograder doctor.")
    probes = [_one(name, check, answers) for name, check in _CHECKS.items()]
    most = backend.spec.limits.processes
    probes.append(_one(_PROCESSES, lambda found: type(found) is int and 0 <= found <= most, answers))
    left = [entry.name for entry in target.iterdir()]
    probes.append(Probe("nothing written outside", not left, json.dumps(left)))
    return probes


def _one(name: str, check: Callable[[Any], bool], answers: dict[str, Any]) -> Probe:
    found = answers.get(name)
    return Probe(name, check(found), str(found)[:200])


def _is_refused(found: Any) -> bool:
    return isinstance(found, str) and found.startswith(_REFUSED)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    # An ordinary user's enclosure keeps its user: what separates it are namespaces, which the others prove.
    "user dropped": lambda found: type(found) is int and found > 0,
    "groups dropped": lambda found: found in ("none", _UNMAPPED_GROUP),
    "no way back to root": lambda found: _is_refused(found) or found == _NO_SUCH_USER,
    "secret unreadable": _is_refused,
    "engine unreadable": _is_refused,
    "writing outside refused": _is_refused,
    "other processes hidden": _is_refused,
    "network refused": _is_refused,
    "signals refused": _is_refused,
    "tracing refused": _is_refused,
    "namespaces refused": _is_refused,
    "no new privileges": lambda found: found == 1,
    _READABLE: lambda found: found == "yes",
    _DATA_READABLE: lambda found: found == "none",
    "data can't be written": lambda found: found == "none",
    "forbidden packages closed": lambda found: found == "none",
}
_NO_SUCH_USER = "OSError EINVAL"  # what a user namespace without a root of its own says
_UNMAPPED_GROUP = "65534"  # how a user namespace shows a group that it knows nothing of
