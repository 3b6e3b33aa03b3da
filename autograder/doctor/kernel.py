"""What the kernel offers to close a sandbox with: Landlock, seccomp, namespaces; and bubblewrap."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from autograder.doctor.finding import Finding
from autograder.doctor.trying import as_boxes_run, last_line
from autograder.outcome import Fault
from autograder.sandbox import landlock
from autograder.sandbox.bubblewrap import find_program

# What an ABI brought that the ones before lack, and what closes it here where it is lacking.
_LANDLOCK_BROUGHT = {
    2: "moving files between folders",
    3: "shortening files",
    4: "TCP (seccomp closes it)",
    5: "ioctl on devices",
    6: "abstract unix sockets and signals (seccomp and the box's user close them)",
}
_ROOT = Path("/")


def examine(root: Path = _ROOT) -> Iterator[Finding]:
    if sys.platform != "linux":
        yield Finding.warning(
            "kernel",
            f"{platform.system()} has neither Landlock nor seccomp nor namespaces",
            "Check your own work here with `./run_autograder check`; grade on Linux, or with Docker.",
        )
        return
    yield landlock_line(root)
    yield seccomp_line()
    yield namespaces(root)
    yield bubblewrap()


def landlock_line(root: Path = _ROOT) -> Finding:
    abi = landlock.abi_version()
    if abi:
        lacking = [what for since, what in _LANDLOCK_BROUGHT.items() if since > abi]
        return Finding.ok("Landlock", f"ABI {abi}" + (f", without {'; '.join(lacking)}" if lacking else ""))
    active = _read(root / "sys/kernel/security/lsm")
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit())
    if release < (5, 13):
        why, remedy = f"kernel {platform.release()} has none", "Use a kernel of 5.13 or later."
    elif active and "landlock" not in active.split(","):
        why = f"this kernel's security modules are {active!r}"
        remedy = f"Start the kernel with `lsm=landlock,{active}` on its command line."
    else:
        why = "the kernel, or the container's profile, refuses it"
        remedy = "Start the container with a current engine, whose profile allows Landlock."
    return Finding.warning("Landlock", f"none: {why}", f"{remedy} The sandbox of root, 'privdrop', needs it.")


def _read(path: Path) -> str:
    """A one-line file of the kernel's, or nothing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


# --- seccomp ------------------------------------------------------------------------------------------

_TRY_FILTER = """
import ctypes, errno, socket, sys
sys.path.insert(0, sys.argv[1])
from autograder.sandbox import seccomp
rules = seccomp.build_filter()
if ctypes.CDLL(None, use_errno=True).prctl(38, 1, 0, 0, 0):
    sys.exit("no-new-privs was refused")
rules.load()
try:
    socket.socket()
except OSError as error:
    sys.exit(0 if error.errno == errno.EOPNOTSUPP else f"a socket ended in {error}")
sys.exit("a socket could be opened in spite of the filter")
"""
_ENGINE = Path(__file__).resolve().parents[2]


class _Version(ctypes.Structure):
    _fields_ = tuple((part, ctypes.c_uint) for part in ("major", "minor", "micro"))


def seccomp_line() -> Finding:
    """Is libseccomp there, and does the kernel take our filter?"""
    version = libseccomp_version()
    if not version:
        return Finding.warning(
            "seccomp",
            "libseccomp is missing",
            "Run `sudo apt-get install libseccomp2` (Fedora: `sudo dnf install libseccomp`): every sandbox "
            "needs it.",
        )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-B", "-c", _TRY_FILTER, str(_ENGINE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return Finding.ok("seccomp", f"libseccomp {version}, and the kernel takes the filter")
    return Finding.warning(
        "seccomp",
        f"libseccomp {version}, but the filter does not hold: {last_line(done.stderr)}",
        "Use a kernel with CONFIG_SECCOMP_FILTER, in a container that may set filters (Docker's may).",
    )


def libseccomp_version() -> str:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        return ""
    try:
        ask = ctypes.CDLL(name).seccomp_version
    except (OSError, AttributeError):
        return ""
    ask.restype = ctypes.POINTER(_Version)
    found = ask().contents
    return f"{found.major}.{found.minor}.{found.micro}"


# --- namespaces ---------------------------------------------------------------------------------------

# A user namespace alone is no proof: AppArmor allows one without any right in it. 0x10020000 asks for one
# with mounts of its own; 0x44000 says MS_REC | MS_PRIVATE, which needs the right to mount.
_TRY_NAMESPACE = """
import ctypes, os, sys
library = ctypes.CDLL(None, use_errno=True)
if library.unshare(0x10020000):
    sys.exit("making one: " + os.strerror(ctypes.get_errno()))
if library.mount(b"none", b"/", None, 0x44000, None):
    sys.exit("mounting in one: " + os.strerror(ctypes.get_errno()))
"""
# A setting of the kernel's, the value that forbids, and the command that allows.
_SETTINGS = (
    ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


def namespaces(root: Path = _ROOT) -> Finding:
    """May the user that bubblewrap runs as make a user namespace, and mount in it?"""
    name = "user namespaces"
    try:
        uid, done = as_boxes_run([sys.executable, "-I", "-S", "-c", _TRY_NAMESPACE])
        if done.returncode and (program := shutil.which("bwrap")):
            # AppArmor may have a profile for bubblewrap that allows what it forbids to Python.
            _, wrapped = as_boxes_run([program, "--unshare-user", "--ro-bind", "/", "/", "true"])
            if wrapped.returncode == 0:
                return Finding.ok(name, f"bubblewrap may make them as user {uid}")
    except (Fault, OSError) as error:
        return Finding.warning(name, f"they could not be tried: {error}", "Mend what stands above first.")
    if done.returncode == 0:
        return Finding.ok(name, f"user {uid} may make them")
    said = f"user {uid} may not make them ({last_line(done.stderr)})"
    for setting, forbids, command in _SETTINGS:
        if _read(root / "proc/sys" / setting) == forbids:
            return Finding.warning(
                name, f"{said}: {setting} is {forbids}", f"For 'bubblewrap', run `{command}`."
            )
    return Finding.warning(
        name,
        f"{said}: a container's profile or limit forbids it",
        "'bubblewrap' can't be used in this container; as root in it, 'privdrop' needs no namespaces.",
    )


def bubblewrap() -> Finding:
    try:
        program = find_program()
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except (Fault, OSError) as error:
        remedy = error.remedy if isinstance(error, Fault) else "Install it again."
        return Finding.warning("bubblewrap", str(error), f"{remedy} Only an ordinary account needs it.")
    return Finding.ok("bubblewrap", f"{said.stdout.strip().removeprefix('bubblewrap ')} at {program}")
