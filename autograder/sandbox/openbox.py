"""One running box as the trusted side holds it: its channel, its guard, its clocks, and why it ended."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from autograder.outcome import Fault, LimitExceeded, ProcessEnded, SandboxFault, SubmissionProblem
from autograder.sandbox import wire
from autograder.sandbox.backend import Jail
from autograder.sandbox.channel import Channel, DeadlineExceeded
from autograder.sandbox.explain import Trusted, explain_exit
from autograder.sandbox.guard import Guard
from autograder.sandbox.policy import MIB, BoxLimits
from autograder.sandbox.shortage import kills, ran_short

_SEND_S = 30.0  # a box that doesn't read what it is sent for so long is hung
_MESSAGES_A_SECOND = 4  # that a cell may send while it runs; ours sends one
_FIRST_MESSAGES = 20


class RunClock:
    """The time that a whole grading may take, so that it ends before the platform ends it."""

    def __init__(self, run_wall_s: float) -> None:
        self.allowed = run_wall_s
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float:
        return self.allowed - self.spent


OnProgress = Callable[[dict[str, Any]], None]


class OpenBox:
    """A running box, its guard, and the time that student code has used in it."""

    def __init__(
        self, jail: Jail, limits: BoxLimits, clock: RunClock, trusted: Trusted, *, first_try: bool
    ) -> None:
        self.jail, self.limits, self.clock, self.trusted = jail, limits, clock, trusted
        self._first_try, self._kills = first_try, kills()
        self.guard = Guard(jail, limits)
        self.alive, self._owned_up = True, False
        self.fault: Fault | None = None  # that ended it, if one did

    def ask(  # noqa: PLR0913  (what is asked, and what to do while and after the answer is late)
        self,
        channel: Channel,
        message: dict[str, Any],
        *,
        budget_s: float,
        doing: str,
        on_progress: OnProgress | None = None,
        on_deadline: Callable[[], None] | None = None,
        **extra: Any,
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """One request and its answer. Whatever goes wrong, the box is dead afterwards.

        ``on_progress`` gets the messages that come before the answer; what it raises passes through.
        ``on_deadline`` is called in place of `kill`, where less than the whole box is to end.
        """
        seconds = min(budget_s, self.clock.remaining)
        try:
            channel.send(message, seconds=_SEND_S, **extra)
            return self._answer(channel, max(seconds, 0.0), on_progress)
        except DeadlineExceeded as error:
            (on_deadline or self.kill)()
            if self.clock.remaining <= 0:
                raise LimitExceeded("run_wall_s", self.clock.allowed, doing=doing) from error
            raise LimitExceeded("wall_s", self.limits.wall_s, doing=doing) from error
        except wire.FrameTooLarge as error:
            self.kill()
            allowed, used = error.allowed / MIB, math.ceil(error.announced / MIB)
            raise LimitExceeded("message_mib", allowed, used, doing=doing) from error
        except wire.WireError as error:
            self.kill()
            raise ProcessEnded(
                f"The answer of {doing} could not be read.",
                hint="Return arrays and numbers, and leave the grader's own channel alone.",
                staff=str(error),
            ) from error
        except (EOFError, OSError) as error:
            raise self._why_it_ended(doing) from error

    def _answer(
        self, channel: Channel, seconds: float, on_progress: OnProgress | None
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        started, messages = time.monotonic(), 0
        most = self.limits.message_mib * MIB
        if on_progress is not None:  # what tells of a running cell, and its answer, have no arrays
            most = min(most, wire.MAX_JSON_BYTES)
        while True:
            left = started + seconds - time.monotonic()
            answer = channel.receive(most, seconds=max(left, 0.0))
            if on_progress is None or "progress" not in answer[0]:
                return answer
            messages += 1
            if messages > _FIRST_MESSAGES + _MESSAGES_A_SECOND * (time.monotonic() - started):
                raise wire.WireError("more messages than a running cell sends")
            on_progress(answer[0])

    def _why_it_ended(self, doing: str) -> SubmissionProblem:
        self._own_up()
        if self.guard.exceeded is not None:
            self.kill()
            found = self.guard.exceeded
            return LimitExceeded(found.limit, found.allowed, found.used, doing=doing)
        if self.jail.ran_out_of_memory():
            self.kill()
            return LimitExceeded("memory_mib", self.limits.memory_mib, doing=doing)
        return ProcessEnded("", staff="the channel was closed")

    def explain_exit(self, status: int | None, doing: str) -> ProcessEnded:
        """The problem of a process that ended without an answer. Raises SandboxFault where that may not have
        been the submission's doing.

        A process that was killed doesn't tell by whom: by its own code, by the kernel because the machine ran
        out of memory, or by somebody from outside. The kernel counts its own kills. For the rest, once is no
        proof: code that kills itself does so again when the test is tried once more, and then it counts.
        """
        if status in (None, -signal.SIGKILL):
            short = ran_short(self._kills, kills(), self.guard.least_available_mib)
            if short and self.guard.peak_mib <= self.limits.memory_mib:
                self._give_up(
                    f"The machine ran out of memory in the middle of {doing}, although the submission kept "
                    f"to its limit of {self.limits.memory_mib} MiB.",
                    "Take a machine with more memory, or grade fewer submissions at once.",
                )
            if self._first_try:
                self._give_up(
                    f"A process of the sandbox was killed in the middle of {doing}, perhaps from outside.",
                    "Grade again, and look for whoever kills processes on this machine.",
                )
        return explain_exit(status, doing)

    def _give_up(self, message: str, remedy: str) -> NoReturn:
        self.kill()
        self.fault = SandboxFault(message, remedy=remedy)
        raise self.fault

    def kill(self) -> None:
        """End the box. Raises SandboxFault where it had ended already through us."""
        self.alive = False
        self.jail.kill()
        self._own_up()

    def _own_up(self) -> None:
        """Raise SandboxFault where we broke: the submission must not pay for a box that died through us."""
        watchdog, orphaned = self.guard.error, self.jail.orphaned()
        if watchdog is None and not orphaned:
            return
        self.alive, self._owned_up = False, True  # another try gets another box
        if watchdog is not None:
            self.fault = SandboxFault(
                f"The watchdog of a sandbox failed: {type(watchdog).__name__}: {watchdog}.",
                remedy="Report this with the traceback; the grading was not counted.",
            )
            raise self.fault from watchdog
        self.fault = SandboxFault(
            "What a sandbox ran on died, and the sandbox with it.",
            remedy="Grade again; if it happens again, look in the machine's log for an out-of-memory kill "
            "or for a container engine that was stopped.",
        )
        raise self.fault

    def close(self) -> str:
        """End the box; returns what it printed. Raises SandboxFault if its guard failed and nobody knows."""
        self.alive = False
        try:
            self.jail.kill()
        finally:
            self.guard.stop()  # before its descriptors are closed under it
            self.jail.close()
        if self.guard.error is not None and not self._owned_up:
            self._own_up()
        return self.guard.output
