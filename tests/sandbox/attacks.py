"""A submission that tries to get out, one function for each way; what it returns says how far it came.

It is the source of a student's module: it runs inside the box, and imports nothing of ours.
"""

SOURCE = r"""
import ctypes, errno, fcntl, gc, mmap, os, resource, signal, socket, stat, struct, subprocess, sys
import threading, time

LIBC = ctypes.CDLL(None, use_errno=True)


def attempt(action):
    try:
        return 'open: %r' % (action(),)
    except OSError as error:
        return 'closed: ' + errno.errorcode.get(error.errno, str(error))


def read(path):
    return attempt(lambda: open(path, 'rb').read(20))


def listing(path):
    return attempt(lambda: len(os.listdir(path)))


def write(path):
    return attempt(lambda: open(path, 'ab').write(b'x'))


def make_folder(path):
    return attempt(lambda: os.mkdir(path))


def remove(path):
    return attempt(lambda: os.remove(path))


def mark(path):
    return attempt(lambda: os.setxattr(path, 'user.mark', b'x'))


def run_program(path, *arguments):
    return attempt(lambda: subprocess.run([path, *arguments], timeout=5).returncode)


def tcp(port):
    return attempt(lambda: socket.create_connection(('127.0.0.1', port), timeout=2))


def listen():
    return attempt(lambda: socket.create_server(('127.0.0.1', 0)))


def udp(port):
    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            return sock.sendto(b'x', ('127.0.0.1', port))
    return attempt(send)


def family(number):
    return attempt(lambda: socket.socket(number, socket.SOCK_DGRAM))


def unix(path):
    def connect():
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect(path)
    return attempt(connect)


def abstract(name):
    return unix('\0' + name)


def unix_datagram(path):
    def send():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            return ours.sendto(b'x', path)
    return attempt(send)


def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b'hello')
        return theirs.recv(10).decode()


def syscall(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments))
    return 'open: %d' % result if result != -1 else 'closed: ' + errno.errorcode[ctypes.get_errno()]


def memfd():
    return attempt(lambda: os.memfd_create('x'))


def shared_memory():
    return attempt(lambda: len(mmap.mmap(-1, 4096)))


def larger_socket():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return attempt(lambda: ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20))


def become_root():
    steps = (
        lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0), lambda: os.setgroups([0]),
        lambda: os.seteuid(0), lambda: os.chown('.', 0, 0), lambda: os.chroot('.'),
    )
    return [attempt(step) for step in steps]


def users():
    return [*os.getresuid(), *os.getresgid(), *os.getgroups()]


def signal_to(pid, number):
    return attempt(lambda: os.kill(pid, number))


def kill_everybody():
    return attempt(lambda: os.kill(-1, signal.SIGKILL))


def type_into_terminal():
    return attempt(lambda: fcntl.ioctl(0, 0x5412, b'x'))


def new_privileges():
    return LIBC.prctl(39, 0, 0, 0, 0)


def foreign_call(code):
    memory = mmap.mmap(
        -1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    )
    memory.write(bytes.fromhex(code))
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()


def limits():
    names = [name for name in dir(resource) if name.startswith('RLIMIT_')]
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def raise_limits():
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))
    except (ValueError, OSError) as error:
        return 'closed: ' + type(error).__name__
    return 'open'


def fork_many(count):
    made = 0
    for _ in range(count):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
    return made


def bomb():
    while True:
        try:
            os.fork()
        except OSError:
            pass


def start_threads(count):
    made = 0
    try:
        for _ in range(count):
            threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    return made


def daemon():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(writing, struct.pack('i', os.getpid()))
            for number in range(1, 64):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True:
                time.sleep(1)
        os._exit(0)
    return struct.unpack('i', os.read(reading, 4))[0]


def big_mapping(size):
    return attempt(lambda: len(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)))


def open_many(count):
    def opening():
        return len([open('/dev/null') for _ in range(count)])
    return attempt(opening)


def descriptors():
    found = {}
    for number in range(1024):
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue
        found[number] = stat.filemode(mode)[0]
    return found


def surroundings():
    return dict(os.environ), os.getcwd(), sys.argv, sys.path


def hunt(backwards):
    wanted = backwards[::-1]
    frames, frame = [], sys._getframe()
    while frame is not None:
        frames.append(frame.f_locals)
        frame = frame.f_back
    places = [*gc.get_objects(), *frames]
    plain = (dict, list, tuple, str, bytes)
    return sum(wanted in repr(thing) for thing in places if isinstance(thing, plain))


def environment_in_memory(backwards):
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(LIBC, 'environ')
    names, index = [], 0
    while environ[index]:
        names.append(environ[index])
        index += 1
    return any(backwards[::-1].encode() in name for name in names)


def finds(module):
    import importlib.machinery
    return importlib.machinery.PathFinder.find_spec(module) is not None


def parent():
    return os.getppid()


def me():
    return os.getpid()


def wait():
    time.sleep(60)
"""
