"""Our code around a notebook's, inside the sandbox: the shell that runs its cells, what is measured while
they run, and what stands in for the machine that its author had (see docs/notebooks.md).

Nothing here is trusted: student code shares the process. It imports nothing of ours but its own package and
what the worker has.
"""
