"""Cells that try to end, outlive, exhaust or confuse the process that runs them.

Each with how the run may end: of three cells, an import of what they use, the attack, and one that prints.
"""

from __future__ import annotations

from dataclasses import dataclass

IMPORTS = "import os, sys, signal, threading, time, gc, atexit, ctypes, io\nkept = 3"
AFTER = "print('after', kept)"

GOES_ON, RAISES, SPOILS = ("ran", "ran", "ran"), ("ran", "raised", "ran"), ("ran", "ran", "raised")
INTERRUPTED, DIES = ("ran", "interrupted", "ran"), ("ran", "killed", "not run")
INTERRUPTED_THEN_DIES = "ran", "interrupted", "killed"
DIES_LATER = "ran", "ran", "killed"  # what a cell started goes too far in the next one


@dataclass(frozen=True, slots=True)
class Attack:
    """What a cell does, how the three cells' run may end, and what the message must say, if anything."""

    cell: str
    may_end: tuple[tuple[str, ...], ...]
    says: str = ""


ATTACKS: dict[str, Attack] = {
    # what it raises
    "false exception": Attack(
        "class E(Exception):\n    def __bool__(self): return False\n"
        "    def __len__(self): return 0\nraise E('x')",
        (RAISES,),
        "an exception of its own",
    ),
    "exception without a text": Attack(
        "class E(BaseException):\n    def __str__(self): raise E\n    __repr__ = __str__\nraise E", (RAISES,)
    ),
    "exception whose text is endless": Attack(
        "class E(Exception):\n    def __str__(self): return 'x' * 50_000_000\nraise E", (RAISES,)
    ),
    "exception whose text hangs": Attack(
        "class E(Exception):\n    def __str__(self): time.sleep(60)\nraise E", (RAISES, INTERRUPTED, DIES)
    ),
    "text that lies": Attack(
        "class S(str):\n    def __len__(self): return 0\n    def __getitem__(self, _): return self\n"
        "    def encode(self, *_): return self\n    def decode(self, *_): return {1}\n"
        "class E(Exception):\n    def __str__(self): return S('x' * 10_000)\nraise E",
        (RAISES,),
    ),
    "class that lies": Attack(
        "class M(type):\n    __name__ = property(lambda _: 1 / 0)\n"
        "    __module__ = property(lambda _: 1 / 0)\n"
        "class E(Exception, metaclass=M): pass\nE.__class__ = M\nraise E",
        (RAISES,),
    ),
    "class with another's name": Attack(
        "class E(Exception): pass\n"
        "E.__name__ = 'ModuleUnavailable\\x1b[2J\\u202e<script>'\nraise E('torch: x')",
        (RAISES,),
        "an exception of its own",
    ),
    "group of groups": Attack(
        "e = ValueError('x')\nfor _ in range(400): e = ExceptionGroup('g', [e])\nraise e", (RAISES, DIES)
    ),
    "group of many": Attack("raise BaseExceptionGroup('g', [KeyboardInterrupt()] * 10_000)", (RAISES, DIES)),
    "causes in a circle": Attack(
        "a, b = ValueError('a'), ValueError('b')\na.__cause__, b.__cause__ = b, a\nraise a", (RAISES,)
    ),
    "causes without end": Attack(
        "e = None\nfor i in range(20_000):\n    n = ValueError(i)\n    n.__cause__ = e\n    e = n\nraise e",
        (RAISES, INTERRUPTED, DIES),
    ),
    "exit": Attack("sys.exit(0)", (RAISES,)),
    "exit with an object": Attack("sys.exit({'score': 100})", (RAISES,)),
    "a kernel's exit": Attack("exit()", (GOES_ON,)),
    "interrupt of its own": Attack("raise KeyboardInterrupt", (RAISES,)),
    "alarm of its own": Attack("signal.raise_signal(signal.SIGALRM)", (RAISES, GOES_ON)),
    "syntax error of its own": Attack(
        "e = SyntaxError('x')\ne.filename, e.lineno, e.text = '<cell 1', 10**30, object()\nraise e", (RAISES,)
    ),
    "recursion": Attack("def f(): f()\nf()", (RAISES,), "RecursionError"),
    "recursion without a limit": Attack(
        "sys.setrecursionlimit(10**9)\ndef f(): f()\nf()", (DIES, RAISES, INTERRUPTED)
    ),
    "generator that won't end": Attack(
        "def g():\n    while True:\n        try: yield\n"
        "        except GeneratorExit: pass\nx = g()\nnext(x)\ndel x",
        (GOES_ON, RAISES),
    ),
    "await": Attack("import asyncio\nawait asyncio.sleep(0)\nraise asyncio.CancelledError", (RAISES,)),
    "await without end": Attack("import asyncio\nawait asyncio.sleep(60)", (INTERRUPTED, RAISES)),
    # what it shows
    "display that raises": Attack(
        "class D:\n    def _repr_html_(self): raise SystemExit\n"
        "    def __repr__(self): raise KeyboardInterrupt\nD()",
        (GOES_ON, RAISES),
    ),
    "display that hangs": Attack(
        "class D:\n    def _repr_html_(self): time.sleep(60)\nD()", (INTERRUPTED, RAISES, GOES_ON)
    ),
    "display that lies": Attack(
        "class D:\n    def _repr_mimebundle_(self, **_):\n"
        "        return {'text/html': 5, 'image/png': b'\\x89PNG', 'text/plain': ['x'], 5: 6, 'x': self}\n"
        "D()",
        (GOES_ON, RAISES),
    ),
    "display that is endless": Attack(
        "class D:\n    def _repr_html_(self): return '<table>' + '<tr><td>1' * 3_000_000\nD()", (GOES_ON,)
    ),
    "a million outputs": Attack("for i in range(100_000): display(i) if i < 900 else print(i)", (GOES_ON,)),
    "surrogates": Attack("print('\\ud800' * 100_000)\nprint(chr(0) * 100_000)", (GOES_ON,)),
    "letters that take six": Attack(
        "for i in range(40):\n    print('é' * 199_000)\n    print('é' * 199_000, file=sys.stderr)", (GOES_ON,)
    ),
    "emoji": Attack(
        "for i in range(40):\n    display({'text/html': chr(128512) * 199_000}, raw=True)", (GOES_ON,)
    ),
    "display hook": Attack("sys.displayhook = lambda _: os._exit\nsys.excepthook = 5\n1", (GOES_ON, RAISES)),
    # its surroundings
    "no streams": Attack("del sys.stdout, sys.stderr", (GOES_ON, RAISES)),
    "streams that raise": Attack(
        "class S:\n    def __getattr__(self, _): raise SystemExit\nsys.stdout = sys.stderr = S()",
        (GOES_ON, RAISES, DIES),
    ),
    "no modules": Attack("sys.modules.clear()", (SPOILS, RAISES, DIES)),
    "no garbage": Attack("gc.set_threshold(1)\ngc.callbacks.append(lambda *_: 1 / 0)", (GOES_ON,)),
    "tracing": Attack(
        "sys.settrace(lambda *_: 1 / 0)\nsys.setprofile(lambda *_: 1 / 0)", (GOES_ON, RAISES, DIES)
    ),
    "patched shell": Attack(
        "shell = get_ipython()\nshell.run_cell = lambda *_, **__: 5\nshell.showtraceback = None", (SPOILS,)
    ),
    "patched worker": Attack(
        "from autograder.sandbox import worker\nworker._run_cell = lambda *_: {'cell': {'outputs': 5}}",
        (GOES_ON,),
    ),
    "patched wire": Attack(
        "from autograder.sandbox import wire\nwire.pack = lambda *_: b''", (DIES, INTERRUPTED)
    ),
    "patched os": Attack("os.fork = os.getpid = os.waitpid = lambda *_: 0", (GOES_ON, DIES)),
    "no namespace": Attack("globals().clear()", (RAISES, SPOILS)),
    "no folder": Attack("import shutil\nshutil.rmtree(os.getcwd())", (GOES_ON, RAISES)),
    "atexit": Attack("atexit.register(lambda: time.sleep(60))\natexit._run_exitfuncs", (GOES_ON,)),
    # its end
    "exit at once": Attack("os._exit(0)", (DIES,), "ended in the middle of cell 2"),
    "exit by exec": Attack("os.execv(sys.executable, [sys.executable, '-c', ''])", (DIES, RAISES)),
    "kill of the parent": Attack("os.kill(os.getppid(), 9)", (RAISES, GOES_ON, DIES)),
    "kill by a child": Attack("if os.fork() == 0: os.kill(os.getppid(), 9)\ntime.sleep(60)", (DIES,)),
    "kill of everybody": Attack("os.kill(-1, 9)", (DIES, GOES_ON, RAISES)),
    "segfault": Attack("ctypes.string_at(0)", (DIES,)),
    "stopped": Attack("os.kill(os.getpid(), signal.SIGSTOP)", (DIES, GOES_ON, INTERRUPTED)),
    "no channel": Attack("os.closerange(3, 256)", (DIES,)),
    "another channel": Attack("a, b = __import__('socket').socketpair()\nos.dup2(b.fileno(), 3)", (DIES,)),
    # its limits
    "no timer": Attack(
        "signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass", (DIES,), "time limit of one cell"
    ),
    "no signals": Attack(
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        (DIES,),
        "time limit of one cell",
    ),
    "catches everything": Attack(
        "while True:\n    try: time.sleep(60)\n    except BaseException: pass",
        (DIES,),
        "time limit of one cell",
    ),
    "endless in C": Attack("sum(range(10**12))", (DIES, INTERRUPTED), "time limit of one cell"),
    "the child goes on": Attack("if os.fork(): os._exit(0)\ntime.sleep(60)", (DIES, INTERRUPTED, GOES_ON)),
    "the child goes on as the holder": Attack(
        "real = os.getpid()\nif os.fork(): os._exit(0)\nos.getpid = lambda: real", (GOES_ON, DIES)
    ),
    "daemon": Attack(
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        for n in range(1, 65):\n            try: signal.signal(n, signal.SIG_IGN)\n"
        "            except (OSError, ValueError): pass\n        while True: time.sleep(1)\n    os._exit(0)",
        (GOES_ON, INTERRUPTED),
    ),
    "daemon that holds the channel": Attack(
        "if os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n    os._exit(0)\nos._exit(0)", (DIES,)
    ),
    "fork bomb": Attack("while True:\n    try: os.fork()\n    except OSError: pass", (DIES, RAISES)),
    "threads": Attack(
        "for _ in range(100): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        (RAISES, DIES, GOES_ON),
    ),
    "threads that print": Attack(
        "def talk():\n    while True: print('x' * 1000)\n"
        "for _ in range(4): threading.Thread(target=talk, daemon=True).start()\ntime.sleep(0.8)",
        # Four threads that print leave the sleeping one little of a busy processor: it may be interrupted.
        (GOES_ON, DIES, DIES_LATER, INTERRUPTED, INTERRUPTED_THEN_DIES),
    ),
    "memory": Attack("x = []\nwhile True: x.append(bytearray(10_000_000))", (DIES, RAISES), "memory"),
    "memory of children": Attack(
        "for _ in range(6):\n    if os.fork() == 0:\n"
        "        x = bytearray(150_000_000)\n        time.sleep(60)\n"
        "time.sleep(60)",
        (DIES, INTERRUPTED),
    ),
    "disk": Attack("f = open('x', 'wb')\nwhile True: f.write(bytes(10**6))", (DIES, RAISES)),
    "files": Attack("for i in range(10**6): open(f'x{i}', 'w').close()", (DIES, RAISES, INTERRUPTED)),
    "printed past the streams": Attack("while True: os.write(1, b'x' * 10**6)", (DIES,)),
}
