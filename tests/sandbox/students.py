"""A student's module for the conformance tests: it does, on demand, all that one can do by mistake."""

STUDENT = """
import ctypes, errno, mmap, os, signal, sys, threading, time
import numpy as np

CALLS = []


class Thing:
    pass


class Mine(ValueError):
    pass


class Ugly(Exception):
    def __str__(self):
        raise SystemExit(5)


def echo(x):
    return x


def add(x, y):
    return x + y


def make(expression):
    return eval(expression)


def overwrite(x):
    x[...] = 7.0
    return None


def remember(x):
    CALLS.append(x)
    return len(CALLS)


def draw():
    return np.random.rand(3)


def divide():
    return 1 / 0


def unwritten():
    raise NotImplementedError


def own():
    raise Mine('mine')


def ugly():
    raise Ugly()


def leave():
    sys.exit(3)


def interrupt():
    raise KeyboardInterrupt


def recurse():
    return recurse()


def ask():
    return input('name? ')


def exit_at_once():
    os._exit(3)


def crash():
    ctypes.string_at(0)


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def nap(seconds):
    time.sleep(seconds)
    return seconds


def spin():
    for number in range(1, 64):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def fork_and_come_back():
    os.fork()
    return os.getpid()


def start_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
    return 'started'


def grow():
    kept = []
    while True:
        kept.append(np.ones(2**17))


def grow_in_children():
    for _ in range(2):
        if os.fork() == 0:
            kept = np.ones(11 * 2**20)
            time.sleep(60)
    kept = np.ones(11 * 2**20)
    time.sleep(60)


def huge_array():
    return np.ones(10**12)


def shout():
    while True:
        print('x' * 1000)


def say(words):
    print(words)
    print('to stderr', file=sys.stderr)
    sys.stdout.flush()


def write_files(count):
    for number in range(count):
        with open('file%d' % number, 'w') as file:
            file.write('x')
    time.sleep(3)
    return count


def write_bytes(files, size):
    for number in range(files):
        with open('file%d' % number, 'wb') as file:
            file.write(b'x' * size)
    time.sleep(3)


def hold(kind, count):
    children = []
    try:
        for _ in range(count):
            if kind == 'thread':
                thread = threading.Thread(target=time.sleep, args=(1,))
                thread.start()
                continue
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return count


def bomb():
    while True:
        try:
            os.fork()
        except OSError:
            pass


def hoard(where, size):
    try:
        if where == 'memfd':
            fd = os.memfd_create('hoard')
            return 'open: %d' % os.write(fd, b'x' * size)
        if where == 'mmap':
            return 'open: %d' % len(mmap.mmap(-1, size))
        with open(where + '/hoard', 'wb') as file:
            return 'open: %d' % file.write(b'x' * size)
    except OSError as error:
        return errno.errorcode[error.errno]


def places():
    import getpass, tempfile
    with tempfile.TemporaryFile() as file:
        file.write(b'x')
    return os.getcwd(), os.environ['HOME'], tempfile.gettempdir(), getpass.getuser()
"""
