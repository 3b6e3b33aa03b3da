"""How a process gives up everything: the order matters more than the parts.

Theory of operation. A child forked from the fork server starts as root, with no secret in its memory, no
descriptor but its own channel, and a clean environment. It then

1. becomes the first victim of the kernel's out-of-memory killer, which only root may ask for;
2. sets its limits while it may still set them;
3. builds the seccomp filter, because building opens libseccomp, which may be out of reach later;
4. drops its groups, then its group, then its user, each real, effective and saved: with one of the three
   left behind, it could climb back. The user is fresh, so that the limit on processes, which the kernel
   counts for a user over the whole machine, counts this box alone, and so that no other box's files,
   processes or signals are in reach;
5. sets no-new-privs, then Landlock (files), then seccomp (everything else). Seccomp comes last because it
   denies calls that the steps before need.

A process that bubblewrap or a container's engine started comes with the steps 1 and 4 done, and in namespaces
that show it no more than it may use; the others it makes itself (`confine_enclosed`).

Every step raises on failure and the caller exits: there is no way to reach student code with a step left
out. tests/sandbox/ takes each step away in turn and sees what comes open.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

from autograder.sandbox import landlock, seccomp
from autograder.sandbox.policy import (
    ADDRESS_SPACE_SLACK_MIB,
    DEVICES_WRITE,
    MIB,
    OPEN_FILES,
    Box,
)

_PR_SET_PDEATHSIG = 1
_CPU_BACKSTOP = 4  # CPU seconds for each second of wall time: the watchdog's clock decides, this is a net


def confine(box: Box, parent: int) -> None:
    """Drop everything that ``box`` doesn't allow, for good, as a child of ``parent``.

    Raises OSError where a step is refused.
    """
    if box.uid is None:
        die_with_parent(parent)
        limit_resources(box)
        enter_home(box)
        return
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    limit_resources(box)
    rules = seccomp.build_filter()
    os.setgroups([])
    os.setresgid(box.uid, box.uid, box.uid)
    os.setresuid(box.uid, box.uid, box.uid)
    if os.getresuid() != (box.uid,) * 3 or os.getresgid() != (box.uid,) * 3 or os.getgroups():
        raise OSError("the user could not be dropped")
    die_with_parent(parent)
    enter_home(box)
    _close_files(box)
    rules.load()


def confine_enclosed(box: Box) -> None:
    """The same for a process that namespaces enclose already, and that was started as the user it stays.

    Landlock is a second wall here where the kernel has it; the first one is what was mounted.
    """
    limit_resources(box)
    rules = seccomp.build_filter()
    enter_home(box)
    if landlock.abi_version() > 0:
        _close_files(box)
    else:
        landlock.forbid_new_privileges()
    rules.load()


def _close_files(box: Box) -> None:
    landlock.restrict(
        readable=[Path(path) for path in (*box.readable, *box.data)],
        listable=[Path(path) for path in box.listable],
        writable=[Path(box.home), *(Path(path) for path in DEVICES_WRITE)],
    )


def limit_resources(box: Box) -> None:
    """Set the kernel's limits; a limit that this system doesn't know is left out (macOS lacks some).

    Raises OSError where this machine's own limits leave less than the manifest promises: the submission must
    not be the one to find out.
    """
    limits = box.limits
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_FSIZE": limits.disk_mib * MIB,
        "RLIMIT_CPU": int((limits.wall_s + limits.notebook_wall_s) * _CPU_BACKSTOP * limits.threads) + 60,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_RTPRIO": 0,
    }
    if sys.platform == "linux":
        wanted["RLIMIT_AS"] = (limits.memory_mib + ADDRESS_SPACE_SLACK_MIB) * MIB
    if box.counts_processes:  # without a user of its own, this would count the student's whole desktop
        wanted["RLIMIT_NPROC"] = limits.processes + (1 if box.enclosed else 0)  # the namespace's init
    for name, value in wanted.items():
        which = getattr(resource, name, None)
        if which is not None:
            _, hard = resource.getrlimit(which)
            isolates = box.uid is not None or box.enclosed
            if isolates and hard != resource.RLIM_INFINITY and hard < value:
                raise OSError(
                    f"{name} is {hard} on this machine, and {value} is needed: raise it (ulimit -H)"
                )
            allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (allowed, allowed))


def enter_home(box: Box) -> None:
    """Point everything that looks for a home, a user or a temporary folder at the box's own."""
    scratch = Path(box.home) / "tmp"
    scratch.mkdir(exist_ok=True)
    for name, value in {
        "HOME": box.home,
        "TMPDIR": str(scratch),
        "USER": "student",  # getpass.getuser() fails for a uid without a passwd entry
        "LOGNAME": "student",
        "MPLCONFIGDIR": str(scratch),
        "MPLBACKEND": "Agg",
    }.items():
        os.environ[name] = value
    tempfile.tempdir = None
    os.chdir(box.home)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when ``parent`` dies; undone by a change of user, so set after."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it has died already, before it was asked for
            os._exit(1)
