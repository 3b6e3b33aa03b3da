"""What privdrop keeps student code from. Each way out is tried; test_layers.py says which layer closes it."""

from __future__ import annotations

import os
import platform
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import autograder
from autograder.outcome import ProcessEnded, SandboxFault, SubmissionProblem
from autograder.sandbox.policy import MIB
from autograder.sandbox.submission import Module
from tests.sandbox.attacks import SOURCE
from tests.sandbox.boxes import LIMITS, Watched, call, exists, needs_root, opened, pids_of, soon

pytestmark = needs_root

ENGINE = Path(autograder.__file__).parent
SECRET = "the-answer-is-" + str(os.getpid())


@pytest.fixture(scope="module", autouse=True)
def secret_environment() -> Iterator[None]:
    """A secret in our own environment, set before the fork server starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOGRADER_TEST_SECRET", SECRET)
        yield


@pytest.fixture(scope="module")
def module(privdrop: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Module]:
    with opened(privdrop, tmp_path_factory.mktemp("tree"), SOURCE) as found:
        found.load()
        yield found
    privdrop.assert_nothing_left()


@pytest.fixture
def outside(scratch: Path) -> Path:
    """A folder outside every box that everybody may read and write, as far as its mode goes."""
    folder = Path(str(scratch), f"outside{time.monotonic_ns()}")
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "file").write_text("secret", encoding="utf-8")
    (folder / "file").chmod(0o666)
    return folder


def uid_of(module: Module) -> int:
    assert module._box is not None
    return module._box.jail.home.stat().st_uid


def assert_closed(found: str, *reasons: str) -> None:
    assert found.startswith("closed: "), found
    assert not reasons or found.removeprefix("closed: ") in reasons


# --- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/hostname",
        "/proc/self/status",
        "/proc/1/environ",
        "/proc/meminfo",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        str(ENGINE / "outcome.py"),
        str(ENGINE / "sandbox" / "policy.py"),
        str(ENGINE.parent / "pyproject.toml"),
        str(ENGINE.parent / "graders" / "gatech_convnet" / "assignment.toml"),
        str(ENGINE.parent / "reference" / "layers.py"),
        str(ENGINE.parent / "fixtures" / "__init__.py"),
        __file__,
    ],
)
def test_no_file_outside_can_be_read(module: Module, path: str) -> None:
    assert Path(path).exists()
    assert_closed(call(module, "read", path), "EACCES")


@pytest.mark.parametrize("path", ["/", "/tmp", "/etc", "/proc", "/dev", "/dev/shm", "/root", str(ENGINE)])  # noqa: S108
def test_no_folder_outside_can_be_listed(module: Module, path: str) -> None:
    assert_closed(call(module, "listing", path), "EACCES")


def test_the_grader_itself_can_not_be_read(module: Module) -> None:
    for name in ("environ", "mem", "maps", "cmdline", "fd", "cwd"):
        assert_closed(call(module, "read", f"/proc/{os.getpid()}/{name}"), "EACCES")


def test_what_python_needs_can_be_read(module: Module) -> None:
    assert call(module, "read", os.__file__).startswith("open")
    assert call(module, "read", "/dev/urandom").startswith("open")
    assert call(module, "write", "/dev/null").startswith("open")


@pytest.mark.parametrize(
    ("attack", "name"),
    [
        ("read", "file"),
        ("write", "file"),
        ("write", "new"),
        ("make_folder", "new"),
        ("remove", "file"),
        ("mark", "file"),
    ],
)
def test_nothing_outside_can_be_changed(module: Module, outside: Path, attack: str, name: str) -> None:
    assert_closed(call(module, attack, str(outside / name)), "EACCES", "EPERM")
    assert [(entry.name, entry.read_text(encoding="utf-8")) for entry in outside.iterdir()] == [
        ("file", "secret")
    ]


@pytest.mark.parametrize("folder", ["/dev/shm", "/tmp", "/var/tmp", "/run/lock"])  # noqa: S108
def test_the_folders_that_everybody_writes_in_are_closed(module: Module, folder: str) -> None:
    name = Path(folder, f"autograder-test-{os.getpid()}")
    assert_closed(call(module, "write", str(name)), "EACCES")
    assert not name.exists()


def test_the_limits_hold_in_programs_that_it_starts(module: Module) -> None:
    program = "import sys\ntry:\n open('/etc/passwd')\nexcept OSError:\n sys.exit(7)"
    assert call(module, "run_program", sys.executable, "-I", "-c", program) == "open: 7"


def test_another_box_is_out_of_reach(privdrop: Watched, module: Module, tmp_path: Path) -> None:
    with opened(privdrop, tmp_path, "x = 1\n") as other:
        other.load()
        (pid,) = pids_of(uid_of(other))
        home = privdrop.boxes[-1][1]
        assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home.parent)] == [0o700, 0o711]
        for path in (home, home / "tree", home.parent):
            assert_closed(call(module, "listing", str(path)), "EACCES")
            assert_closed(call(module, "write", str(path / "new")), "EACCES")
        assert_closed(call(module, "read", str(home / "tree" / "m.py")), "EACCES")
        assert_closed(call(module, "signal_to", pid, signal.SIGKILL), "EPERM")
        assert pids_of(uid_of(other)) == [pid]


# --- the network --------------------------------------------------------------------------------------


def test_there_is_no_tcp(module: Module) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert_closed(call(module, "tcp", server.getsockname()[1]), "EOPNOTSUPP", "ENOTSUP")
    assert_closed(call(module, "listen"))


def test_there_is_no_udp(module: Module) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        assert_closed(call(module, "udp", server.getsockname()[1]))
        with pytest.raises(TimeoutError):
            server.recv(1)


@pytest.mark.parametrize(
    "number", [1, 2, 10, 16, 17, 38, 40]
)  # unix, IPv4, IPv6, netlink, packet, alg, vsock
def test_there_is_no_socket_of_any_family(module: Module, number: int) -> None:
    assert_closed(call(module, "family", number), "EOPNOTSUPP", "ENOTSUP")


def test_no_unix_socket_can_be_reached(module: Module, outside: Path) -> None:
    stream, datagram, name = outside / "stream", outside / "datagram", f"autograder-test-{os.getpid()}"
    with (
        socket.socket(socket.AF_UNIX) as one,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as two,
        socket.socket(socket.AF_UNIX) as three,
    ):
        one.bind(str(stream))
        two.bind(str(datagram))
        three.bind(f"\0{name}")
        for path in (stream, datagram):
            path.chmod(0o777)
        one.listen()
        three.listen()
        two.settimeout(0.05)
        assert_closed(call(module, "unix", str(stream)))
        assert_closed(call(module, "abstract", name))
        assert_closed(call(module, "unix_datagram", str(datagram)))
        with pytest.raises(TimeoutError):
            two.recv(1)


def test_a_connected_pair_works(module: Module) -> None:
    assert call(module, "pair") == "hello"


# --- system calls -------------------------------------------------------------------------------------

DENIED = """
ptrace process_vm_readv process_vm_writev kcmp pidfd_open pidfd_getfd pidfd_send_signal
io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd
add_key request_key keyctl open_by_handle_at name_to_handle_at fanotify_init
mount umount2 move_mount open_tree fsopen fsmount mount_setattr pivot_root chroot unshare setns
shmget shmat shmctl semget semop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
personality mknod mknodat init_module finit_module delete_module kexec_load syslog acct settimeofday
clock_settime adjtimex sethostname setdomainname iopl ioperm vhangup
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
inotify_init inotify_init1 inotify_add_watch vmsplice
"""


def number_of(name: str) -> int:
    seccomp = pytest.importorskip("pyseccomp")
    number = int(seccomp.resolve_syscall(seccomp.system_arch(), name))
    if number < 0:
        pytest.skip(f"this machine has no {name}")
    return number


@pytest.mark.parametrize("name", DENIED.split())
def test_a_system_call_is_denied(module: Module, name: str) -> None:
    assert call(module, "syscall", number_of(name), -1, 0, 0, 0, 0, 0) == "closed: EPERM"


@pytest.mark.parametrize("name", ["memfd_create", "memfd_secret", "clone3"])
def test_a_system_call_is_not_there(module: Module, name: str) -> None:
    assert call(module, "syscall", number_of(name), 0, 0, 0, 0, 0, 0) == "closed: ENOSYS"


@pytest.mark.parametrize(
    "flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
)
def test_no_namespace_can_be_made(module: Module, flag: int) -> None:
    assert call(module, "syscall", number_of("clone"), flag | signal.SIGCHLD, 0, 0, 0, 0) == "closed: EPERM"


def test_no_memory_is_to_be_had_that_counts_for_nobody(module: Module) -> None:
    assert call(module, "shared_memory") == "closed: EPERM"
    assert call(module, "larger_socket") == "closed: EPERM"
    assert call(module, "memfd") == "closed: ENOSYS"


def test_nothing_is_typed_into_a_terminal(module: Module) -> None:
    assert call(module, "type_into_terminal") == "closed: EPERM"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")
@pytest.mark.parametrize(
    "code",
    [
        "b814000000cd80c3",  # mov eax, 20; int 0x80; ret: i386's getpid
        "b8270000400f05c3",  # mov eax, 0x40000027; syscall; ret: x32's getpid
    ],
    ids=["i386", "x32"],
)
def test_another_architectures_calls_end_the_process(module: Module, code: str) -> None:
    with pytest.raises(ProcessEnded, match="SIGSYS") as caught:
        call(module, "foreign_call", code)
    assert "no homework needs" in caught.value.hint


# --- who it is ----------------------------------------------------------------------------------------


def test_the_user_is_dropped_for_good(module: Module) -> None:
    module.load()
    uid = uid_of(module)
    assert uid >= 61184
    assert call(module, "users") == [uid] * 6
    assert set(call(module, "become_root")) == {"closed: EPERM"}
    assert call(module, "new_privileges") == 1


def test_nothing_is_left_of_root(module: Module) -> None:
    with module.scene() as scene:
        pid = scene.call("me").fetch()
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Groups"].strip() == ""
        assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == "2"
        assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii").strip() == "1000"


def test_every_box_has_a_user_of_its_own(privdrop: Watched, module: Module, tmp_path: Path) -> None:
    with opened(privdrop, tmp_path, SOURCE) as other:
        mine, others = call(module, "users"), call(other, "users")
    assert set(mine).isdisjoint(others)


def test_it_is_given_nothing_but_its_channel(module: Module) -> None:
    with module.scene() as scene:
        found = scene.call("descriptors").fetch()
    assert found.pop(0) == "c"  # /dev/null
    assert (found.pop(1), found.pop(2)) == ("p", "p")
    assert list(found.values()) == ["s"]


def test_its_surroundings_hold_nothing_of_ours(module: Module) -> None:
    environment, cwd, argv, path = call(module, "surroundings")
    threads = {name for name in environment if name.endswith("_THREADS")}
    assert set(environment) - threads - {"LC_CTYPE"} == {
        "PATH",
        "LANG",
        "PYTHONHASHSEED",
        "HOME",
        "TMPDIR",
        "USER",
        "LOGNAME",
        "MPLCONFIGDIR",
        "MPLBACKEND",
    }
    assert {environment[name] for name in threads} == {"1"}
    assert cwd == environment["HOME"]
    assert not any(str(ENGINE.parent) == place for place in path)
    assert SECRET not in repr((environment, argv))
    assert not call(module, "environment_in_memory", SECRET[::-1])


def test_nothing_of_ours_is_in_its_memory(module: Module) -> None:
    """What it searches for is in the searching function's own variables, so a few finds are always there."""
    known = "/home/tree"[::-1]
    unknown = SECRET.replace("answer", "reward")[::-1]
    assert call(module, "hunt", SECRET[::-1]) == call(module, "hunt", unknown) < call(module, "hunt", known)


@pytest.mark.parametrize("name", ["autograder", "graders", "reference", "fixtures", "tests"])
def test_our_packages_can_not_be_imported(module: Module, name: str) -> None:
    assert call(module, "finds", name) is False


@pytest.mark.usefixtures("module")
def test_the_command_line_tells_nothing(privdrop: Watched) -> None:
    server = privdrop.fork_server_pid
    words = Path(f"/proc/{server}/cmdline").read_text(encoding="utf-8").split("\0")
    assert words[:4] == [sys.executable, "-I", "-B", "-c"]
    assert words[5] == str(ENGINE.parent)
    assert words[6].isdigit()
    assert words[7:] == ["numpy", ""]
    variables = Path(f"/proc/{server}/environ").read_text(encoding="utf-8")
    assert SECRET not in variables


# --- limits -------------------------------------------------------------------------------------------


def test_the_kernels_limits(module: Module) -> None:
    found = call(module, "limits")
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_FSIZE": LIMITS.disk_mib * MIB,
        "RLIMIT_CPU": LIMITS.wall_s * 4 + 60,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_AS": (LIMITS.memory_mib + 1024) * MIB,
        "RLIMIT_NPROC": LIMITS.processes,
    }
    assert {name: found[name] for name in wanted} == {name: (value, value) for name, value in wanted.items()}
    assert call(module, "raise_limits").startswith("closed")


def test_the_limit_on_processes(module: Module) -> None:
    with module.scene() as scene:
        made = scene.call("fork_many", 40).fetch()
    assert made == LIMITS.processes - 2  # the box's first process and the scene


def test_threads_count_as_processes(module: Module) -> None:
    assert call(module, "start_threads", 40) == LIMITS.processes - 2


def test_a_fork_bomb(privdrop: Watched, tmp_path: Path) -> None:
    with opened(privdrop, tmp_path, SOURCE, replace(LIMITS, wall_s=0.7)) as module:
        with pytest.raises(SubmissionProblem):
            call(module, "bomb")
        assert pids_of(privdrop.boxes[-1][2]) == []
        assert call(module, "me") > 0


def test_one_huge_mapping_and_many_open_files(module: Module) -> None:
    assert_closed(call(module, "big_mapping", 2 * 2**30), "ENOMEM")
    assert_closed(call(module, "open_many", 300), "EMFILE")


# --- what outlives it ---------------------------------------------------------------------------------


def test_a_daemon_is_gone_with_its_scene(privdrop: Watched, tmp_path: Path) -> None:
    with opened(privdrop, tmp_path, SOURCE) as module:
        pid = call(module, "daemon")
        assert not exists(pid)
        assert call(module, "me") > 0
        with module.scene() as scene:
            pid = scene.call("daemon").fetch()
            assert exists(pid)
            module.close()  # the whole box, in the middle of a test
            assert not exists(pid)


def test_killing_everybody_kills_nobody_else(privdrop: Watched, tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "9"]) as bystander, opened(privdrop, tmp_path, SOURCE) as module:
        module.load()  # which starts the fork server, where this is the first test to need it
        server = privdrop.fork_server_pid
        with module.scene() as scene:
            scene.call("fork_many", 2)
            with suppress(ProcessEnded):  # it spares its caller, who goes with its parent
                scene.call("kill_everybody")
        assert bystander.poll() is None
        assert privdrop.fork_server_pid == server
        assert call(module, "me") > 0
        bystander.kill()


@pytest.mark.parametrize("whom", ["grader", "fork server", "init"])
def test_nobody_else_can_be_signalled(privdrop: Watched, module: Module, whom: str) -> None:
    pid = {"grader": os.getpid(), "fork server": privdrop.fork_server_pid or 0, "init": 1}[whom]
    assert_closed(call(module, "signal_to", pid, 0), "EPERM")


def test_boxes_die_with_the_fork_server(privdrop: Watched, tmp_path: Path) -> None:
    with opened(privdrop, tmp_path, SOURCE) as module:
        module.load()
        uid = uid_of(module)
        scene = module.scene()
        assert len(pids_of(uid)) == 2
        os.kill(privdrop.fork_server_pid or 0, signal.SIGKILL)
        assert soon(lambda: pids_of(uid) == [])
        with pytest.raises(SandboxFault):
            scene.close()
