"""Runs inside the sandbox as if it were a submission, and tries to get out. It imports nothing of ours."""

import ctypes
import errno
import os
import signal
import socket
import sys


def _try(action):
    """The exception that an action ends in, by name, or what it returned."""
    try:
        return action()
    except OSError as error:
        return f"{type(error).__name__} {errno.errorcode.get(error.errno, error.errno)}"


def _refused(call, *arguments):
    """An action that must fail, through the C library: the errno's name, or "allowed"."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, call)(*arguments) == -1:
        return errno.errorcode.get(ctypes.get_errno(), "?")
    return "allowed"


def _read(path):
    with open(path, "rb") as file:
        return f"read {len(file.read())} bytes"


def _write(folder):
    with open(os.path.join(folder, "written"), "wb") as file:
        return f"wrote {file.write(b'x')} bytes"


def _connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return "connected"


def _packages():
    import colorsys  # a module that nothing has imported yet, so its file is read now
    import numpy

    os.listdir(os.path.dirname(numpy.__file__))
    # A module that can't be found is stood in for, so an import alone proves nothing.
    return (
        "yes"
        if hasattr(colorsys, "rgb_to_hls") and os.path.isfile(getattr(colorsys, "__file__", ""))
        else "no"
    )


def _listed(found):
    return " ".join(sorted(map(str, found))) or "none"


def _forks(at_most):
    """How many children could be had at once, up to one more than ``at_most``."""
    children = []
    try:
        while len(children) <= at_most:
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return len(children)


def _forbidden(names):
    """Which of the packages that a homework forbids can be read. (Their names may be listed.)"""
    found = []
    for folder in sys.path:
        for name in names:
            for file in (os.path.join(folder, name, "__init__.py"), os.path.join(folder, name + ".py")):
                try:
                    with open(file, "rb"):
                        found.append(name)
                except OSError:
                    continue
    return found


def _first_files(folder, failed):
    """The folder and those below it, each with its first file: not all, for some data sets have many."""
    for looked_at, (parent, _, names) in enumerate(os.walk(folder, onerror=failed.append)):
        yield parent, names[:1]
        if looked_at >= 200:
            return


def _unreadable(folders):
    """Something of the course's data that can't be read."""
    failed = []
    for folder in folders:
        for parent, names in _first_files(folder, failed):
            for name in names:
                try:
                    open(os.path.join(parent, name), "rb").close()
                except OSError as error:
                    failed.append(error)
    return str(failed[0].filename) if failed else "none"


def _writable(folders):
    """A folder or file of the course's data that can be written. (Opening them changes nothing.)"""
    for folder in folders:
        for parent, names in _first_files(folder, []):
            ways = [(parent, os.O_TMPFILE), *((os.path.join(parent, name), 0) for name in names)]
            for path, how in ways:
                try:
                    os.close(os.open(path, os.O_WRONLY | how))
                except OSError:
                    continue
                return path
    return "none"


def run(targets):
    """What happened to each try, by name; the trusted side knows which answer each must be."""
    secret, engine, outside, grader = (targets[name] for name in ("secret", "engine", "outside", "grader"))
    return {
        "user dropped": os.getuid(),
        "groups dropped": _listed({*os.getgroups()} - {os.getgid()}),
        "no way back to root": _try(lambda: os.setresuid(0, 0, 0)),
        "secret unreadable": _try(lambda: _read(secret)),
        "engine unreadable": _try(lambda: _read(engine)),
        "writing outside refused": _try(lambda: _write(outside)),
        "other processes hidden": _try(lambda: _read(f"/proc/{grader}/environ")),
        "network refused": _connect(targets["port"]),
        "signals refused": _try(lambda: os.kill(grader, signal.SIGCONT) or "sent"),
        "namespaces refused": _refused("unshare", 0x10000000),
        "no new privileges": ctypes.CDLL(None).prctl(39, 0, 0, 0, 0),
        "packages readable": _try(_packages),
        "processes limited": _forks(targets["processes"]),
        "data readable": _unreadable(targets["data"]),
        "data can't be written": _writable(targets["data"]),
        "forbidden packages closed": _listed(_forbidden(targets["forbidden"])),
        # Of itself: were it the grader, and went it through, the grader would stop and never judge it. Last,
        # because each signal stops a process that is traced.
        "tracing refused": _refused("ptrace", 0, 0, 0, 0),
    }
