"""The system calls that student code may not make.

Allowed by default: torch, numpy and a notebook's kernel make too many different calls for an allow-list to
survive an update of any of them. What is denied is every way to another process, to the network, to the
kernel's own interfaces, and to memory that outlives the process or that no limit counts. libseccomp builds
the filter, and kills whoever calls through another architecture's table (i386, x32).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import socket
from typing import Any

# Denied with EPERM, as a container's default profile does, so that libraries that try and fall back do so.
_DENIED = (
    # other processes
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_open pidfd_getfd pidfd_send_signal "
    # interfaces that go around a socket filter, or deep into the kernel
    "io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd "
    "add_key request_key keyctl open_by_handle_at name_to_handle_at fanotify_init lookup_dcookie "
    # mounts and namespaces
    "mount umount2 move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr pivot_root chroot "
    "unshare setns "
    # SysV and POSIX IPC: it stays behind for the next run
    "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl "
    "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr "
    # the machine
    "personality mknod mknodat init_module finit_module delete_module kexec_load kexec_file_load reboot "
    "swapon swapoff syslog acct quotactl settimeofday clock_settime adjtimex clock_adjtime sethostname "
    "setdomainname iopl ioperm vhangup "
    # marks on files that others may write: Landlock guards what is in a file, not what is attached to it
    "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat "
    # what happens in folders that Landlock closes, the names in them included
    "inotify_init inotify_init1 inotify_add_watch "
    # memory that a pipe holds, and that counts for nobody (measured: 3.5 GB in one process)
    "vmsplice"
).split()
# No such call: memory without a process that it counts for, and clone3, whose flags lie behind a pointer
# that no filter can read (glibc then falls back to clone).
_ABSENT = ("memfd_create", "memfd_secret", "clone3")
# CLONE_NEWTIME shares its bits with plain clone's exit signal: only clone3 could ask for it.
_NAMESPACE_FLAGS = (
    0x00020000,  # CLONE_NEWNS
    0x02000000,  # CLONE_NEWCGROUP
    0x04000000,  # CLONE_NEWUTS
    0x08000000,  # CLONE_NEWIPC
    0x10000000,  # CLONE_NEWUSER
    0x20000000,  # CLONE_NEWPID
    0x40000000,  # CLONE_NEWNET
)
# A datagram socket can send to any path, also one end of a pair (AF_UNIX makes SOCK_RAW one too).
_DATAGRAM_TYPES = (socket.SOCK_DGRAM, socket.SOCK_RAW)
_TYPE_MASK = 0xF  # the type's other bits are flags
_LOW_HALF = 0xFFFFFFFF  # the kernel takes an int of these registers; the other half may hold anything
# Shared memory without a file stays when it is unmapped page by page, and then counts for nobody.
_SHARED_ANONYMOUS = 0x01 | 0x20  # MAP_SHARED, MAP_ANONYMOUS
_SONAMES = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


def prepare() -> Any:
    """Import what `build_filter` needs, in the fork server and so once for all boxes.

    Raises OSError or RuntimeError where libseccomp is missing.
    """
    usual = ctypes.util.find_library

    def find_library(name: str) -> str | None:
        """The loader's own search first: ctypes' starts programs, which an enclosure may not have."""
        try:
            ctypes.CDLL(_SONAMES[name])
        except (KeyError, OSError):
            return usual(name)
        return _SONAMES[name]

    ctypes.util.find_library = find_library
    try:
        import pyseccomp  # noqa: PLC0415  (fails on import without libseccomp)
    finally:
        ctypes.util.find_library = usual
    return pyseccomp


def build_filter() -> Any:
    """The filter, ready for ``load()``; building it needs no privilege and takes a quarter millisecond."""
    pyseccomp = prepare()
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    denied = pyseccomp.ERRNO(errno.EPERM)
    for name in _DENIED:
        _deny(rules, denied, name)
    for name in _ABSENT:
        _deny(rules, pyseccomp.ERRNO(errno.ENOSYS), name)
    # EOPNOTSUPP, not EACCES: libzmq aborts on the latter.
    no_family = pyseccomp.ERRNO(errno.EOPNOTSUPP)
    # Not even AF_UNIX: Landlock doesn't guard connecting to a path, and machines have sockets that everybody
    # may write to (/dev/log). A connected pair leads nowhere else, and asyncio needs one.
    rules.add_rule(no_family, "socket")
    rules.add_rule(no_family, "socketpair", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
    for kind in _DATAGRAM_TYPES:
        rules.add_rule(no_family, "socketpair", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _TYPE_MASK, int(kind)))
    for flag in _NAMESPACE_FLAGS:
        rules.add_rule(denied, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for request in _TERMINAL_INJECTION:
        rules.add_rule(denied, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _LOW_HALF, request))
    shared = pyseccomp.Arg(3, pyseccomp.MASKED_EQ, _SHARED_ANONYMOUS, _SHARED_ANONYMOUS)
    rules.add_rule(denied, "mmap", shared)
    # What waits in a socket counts for nobody either, so its size is not the box's to choose.
    size = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _LOW_HALF, int(socket.SO_SNDBUF))
    rules.add_rule(denied, "setsockopt", size)
    return rules


def _deny(rules: Any, action: int, name: str) -> None:
    import pyseccomp  # noqa: PLC0415

    # Negative: this architecture, or this libseccomp, doesn't know a call of that name.
    if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) >= 0:
        rules.add_rule(action, name)
