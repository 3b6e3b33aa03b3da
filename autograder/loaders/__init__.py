"""Bytes that a submission made become plain data, each kind of file by a module of its own.

They all work alike. `autograder.door` has read the bytes, within a size. The loader looks at lengths, counts
and shapes first, in the bytes as they lie, and only then lets the kind's own library decode them, so that a
file's word never decides how much memory or time is taken. Nothing is unpickled, executed, followed to
another file, or taken from a position that the format doesn't own. Whatever the bytes are, what comes back
is a value within the limits or one `Malformed`.

The limits are frozen dataclasses with units in their names; their defaults fit the homeworks.
"""
