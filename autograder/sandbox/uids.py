"""A user of its own for each box, leased so that two gradings on one machine never share one."""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.outcome import SandboxFault
from autograder.sandbox.processes import any_process_of, living_uids

# The range that systemd keeps for users made at run time (systemd.io/UIDS-GIDS): no account has one, and it
# lies below 65536, which is all that a container with remapped users may have.
FIRST_UID, LAST_UID = 61184, 65519
LOCK_FOLDER = Path("/run/lock/autograder")
_TRIES = 200


@dataclass(slots=True)
class UidLease:
    """Two users: ``uid`` runs student code, ``reaper_uid`` is the real user of the helper that kills it."""

    uid: int
    reaper_uid: int
    _lock_fd: int

    def release(self) -> None:
        """Give both back; the lock's file stays, because removing it would race with the next lease."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def lease() -> UidLease:
    """Two users that no process on this machine has. Raises SandboxFault when none is to be had."""
    try:
        LOCK_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SandboxFault(
            f"The folder {str(LOCK_FOLDER)!r} for the sandbox's locks can't be made: {error.strerror}.",
            remedy="Run as root in a container with a writable /run, or make the folder.",
        ) from error
    pairs = range((LAST_UID + 1 - FIRST_UID) // 2)
    for pair in random.SystemRandom().sample(pairs, min(_TRIES, len(pairs))):
        uid = FIRST_UID + 2 * pair
        found = _locked(uid)
        if found is None:
            continue
        if any_process_of(uid) or any_process_of(uid + 1):
            found.release()
            continue
        return found
    raise SandboxFault(
        f"No free user between {FIRST_UID} and {LAST_UID} was found for the sandbox in {_TRIES} tries.",
        remedy="End the gradings that still run on this machine, or restart it.",
    )


def abandoned() -> Iterator[UidLease]:
    """Users that have processes although no grading holds them: their grader and its fork server were killed.

    Each comes as a lease, so that no other grading takes it meanwhile.
    """
    if not LOCK_FOLDER.is_dir():
        return
    for uid in sorted({uid - uid % 2 for uid in living_uids() if FIRST_UID <= uid <= LAST_UID}):
        if (LOCK_FOLDER / str(uid)).exists() and (found := _locked(uid)) is not None:
            yield found


def _locked(uid: int) -> UidLease | None:
    """The pair that begins with ``uid``, if nobody else holds it."""
    fd = os.open(LOCK_FOLDER / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return UidLease(uid, uid + 1, fd)
