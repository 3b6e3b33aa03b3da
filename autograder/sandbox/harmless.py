"""Which texts of exceptions may be shown for a hidden test.

Student code can raise anything with any text, a hidden input among them. These texts are Python's and NumPy's
own; they hold nothing but shapes, indices of at most four digits, and words that stand in the submission
anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from autograder.sandbox.sources import Sources

_NUMBER = r"-?\d{1,4}"
_WORD = r"[A-Za-z_]\w*"
_BLANKS: dict[str, str] = {
    "n": _NUMBER,
    "shape": rf"\((?:{_NUMBER}(?:, ?{_NUMBER}){{0,7}},?)?\)",
    "word": _WORD,
    "words": rf"'{_WORD}'(?:, '{_WORD}')*(?:,? and '{_WORD}')?",
    "name": rf"{_WORD}(?:\.{_WORD}|\.<locals>|\.<lambda>)*|<lambda>",
    "type": rf"{_WORD}(?:\.{_WORD})*",
    "op": r"[-+*/@%&|^<>=!~]{1,3}(?: or pow\(\))?|divmod\(\)|pow\(\)",
    "size": r"\d{1,3}(?:\.\d{1,2})? (?:bytes|[KMGTPE]iB)",
    "was": r"was|were",
}

# One a line, as Python 3.11 to 3.14 and NumPy 1.26 to 2 word them; {blanks} are the keys above.
_TEXTS = """
operands could not be broadcast together with shapes {shape} {shape}
operands could not be broadcast together with shapes {shape} {shape} {shape}
non-broadcastable output operand with shape {shape} doesn't match the broadcast shape {shape}
shape mismatch: objects cannot be broadcast to a single shape
shape mismatch: value array of shape {shape} could not be broadcast to indexing result of shape {shape}
could not broadcast input array from shape {shape} into shape {shape}
cannot reshape array of size {n} into shape {shape}
index {n} is out of bounds for axis {n} with size {n}
index {n} is out of bounds for size {n}
axis {n} is out of bounds for array of dimension {n}
source: axis {n} is out of bounds for array of dimension {n}
axes don't match array
repeated axis in transpose
duplicate value in 'axis'
shapes {shape} and {shape} not aligned: {n} (dim {n}) != {n} (dim {n})
matmul: Input operand {n} has a mismatch in its core dimension {n}, with gufunc signature \
(n?,k),(k,m?)->(n?,m?) (size {n} is different from {n})
matmul: Input operand {n} does not have enough dimensions (has {n}, gufunc core with signature \
(n?,k),(k,m?)->(n?,m?) requires {n})
shape-mismatch for sum
too many indices for array: array is {n}-dimensional, but {n} were indexed
invalid index to scalar variable.
only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are \
valid indices
arrays used as indices must be of integer (or boolean) type
boolean index did not match indexed array along axis {n}; size of axis is {n} but size of corresponding \
boolean axis is {n}
setting an array element with a sequence.
setting an array element with a sequence. The requested array has an inhomogeneous shape after {n} \
dimensions. The detected shape was {shape} + inhomogeneous part.
only length-1 arrays can be converted to Python scalars
only 0-dimensional arrays can be converted to Python scalars
only integer scalar arrays can be converted to a scalar index
The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()
The truth value of an empty array is ambiguous. Use `array.size > 0` to check that an array is not empty.
all input arrays must have the same shape
all the input arrays must have same number of dimensions, but the array at index {n} has {n} dimension(s) \
and the array at index {n} has {n} dimension(s)
all the input array dimensions except for the concatenation axis must match exactly, but along dimension \
{n}, the array at index {n} has size {n} and the array at index {n} has size {n}
need at least one array to concatenate
need at least one array to stack
need at least one array to sum.
zero-dimensional arrays cannot be concatenated
zero-size array to reduction operation {word} which has no identity
attempt to get argmax of an empty sequence
attempt to get argmin of an empty sequence
negative dimensions are not allowed
index can't contain negative values
assignment destination is read-only
Cannot cast ufunc '{word}' output from dtype('{type}') to dtype('{type}') with casting rule 'same_kind'
ufunc '{word}' not supported for the input types, and the inputs could not be safely coerced to any \
supported types according to the casting rule ''safe''
ufunc '{word}' did not contain a loop with signature matching types {word}
Unable to allocate {size} for an array with shape {shape} and data type {type}
Maximum allowed dimension exceeded
array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size.
maximum supported dimension for an ndarray is currently 64, found {n}
expected a sequence of integers or a single integer, got '{n}.0'
name '{word}' is not defined
local variable '{word}' referenced before assignment
cannot access local variable '{word}' where it is not associated with a value
free variable '{word}' referenced before assignment in enclosing scope
cannot access free variable '{word}' where it is not associated with a value in enclosing scope
'{type}' object has no attribute '{word}'
type object '{type}' has no attribute '{word}'
module '{type}' has no attribute '{word}'
`np.{word}` was removed in the NumPy {n}.{n} release. Use `np.{word}` instead.
'{type}' object is not subscriptable
'{type}' object is not iterable
'{type}' object is not callable
'{type}' object is not an iterator
'{type}' object does not support item assignment
'{type}' object does not support item deletion
'{type}' object cannot be interpreted as an integer
'{type}' object does not support the context manager protocol
'{type}' object is not reversible
argument of type '{type}' is not iterable
argument of type '{type}' is not a container or iterable
cannot unpack non-iterable {type} object
object of type '{type}' has no len()
unhashable type: '{type}'
not enough values to unpack (expected {n}, got {n})
not enough values to unpack (expected at least {n}, got {n})
too many values to unpack (expected {n})
too many values to unpack (expected {n}, got {n})
{name}() missing {n} required positional argument: {words}
{name}() missing {n} required positional arguments: {words}
{name}() missing {n} required keyword-only argument: {words}
{name}() takes {n} positional argument but {n} {was} given
{name}() takes {n} positional arguments but {n} {was} given
{name}() takes from {n} to {n} positional arguments but {n} {was} given
{name}() takes no arguments
{name}() takes no keyword arguments
{name}() got an unexpected keyword argument '{word}'
{name}() got multiple values for argument '{word}'
'{word}' is an invalid keyword argument for {name}()
unsupported operand type(s) for {op}: '{type}' and '{type}'
bad operand type for unary {op}: '{type}'
bad operand type for abs(): '{type}'
'{op}' not supported between instances of '{type}' and '{type}'
can only concatenate {word} (not "{type}") to {word}
can't multiply sequence by non-int of type '{type}'
{word} indices must be integers or slices, not {type}
{word} indices must be integers, not '{type}'
slice indices must be integers or None or have an __index__ method
{word}() argument must be a string, a bytes-like object or a real number, not '{type}'
{word}() argument {n} must be a number, not {type}
must be real number, not {type}
list index out of range
list assignment index out of range
tuple index out of range
string index out of range
pop from empty list
'{word}'
division by zero
float division by zero
float floor division by zero
float modulo
float modulo by zero
integer division or modulo by zero
integer modulo by zero
division or modulo by zero
complex division by zero
range() arg 3 must not be zero
slice step cannot be zero
{word}() arg is an empty sequence
{word}() iterable argument is empty
math domain error
expected a positive input
math range error
maximum recursion depth exceeded
maximum recursion depth exceeded in comparison
maximum recursion depth exceeded while calling a Python object
maximum recursion depth exceeded while getting the repr of an object
No module named '{type}'
No module named '{type}'; '{type}' is not a package
cannot import name '{word}' from '{type}'
attempted relative import with no known parent package
attempted relative import beyond top-level package
"""


def harmless(text: str, sources: Sources) -> str:
    """The first line of ``text`` if it is one of those above, and nothing if it isn't.

    What fills its blanks must be the submission's own words, Python's or NumPy's.
    """
    line = text.partition("\n")[0].rstrip(" .")
    if line.startswith("cannot import name"):
        line = _FILE.sub("", line)
    for pattern, blanks in _patterns():
        found = pattern.fullmatch(line)
        if found:
            filled = zip(blanks, found.groups(), strict=True)
            if all(_is_known(kind, value, sources) for kind, value in filled):
                return line
    return ""


def _is_known(kind: str, value: str, sources: Sources) -> bool:
    check = _CHECKS.get(kind)
    return check is None or check(sources, value)


def _knows_all(sources: Sources, text: str) -> bool:
    return all(sources.has_word(word) for word in re.findall(_WORD, text) if word not in _NOT_NAMES)


_FILE = re.compile(r" \([^()]*\)$")  # where the module lies
_NOT_NAMES = frozenset(("and", "locals", "lambda"))
_CHECKS: dict[str, Callable[[Sources, str], bool]] = {
    "word": lambda sources, value: sources.has_word(value),
    "words": _knows_all,
    "name": _knows_all,
    "type": lambda sources, value: sources.has_dotted(value),
}


def _compile(line: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A line as a pattern with one group for each blank, and the kinds of these blanks in order."""
    parts = re.split(r"\{(\w+)\}", line)
    kinds = tuple(parts[1::2])
    pattern = "".join(
        f"({_BLANKS[part]})" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(pattern, re.ASCII), kinds


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """Compiled when the first exception comes: most gradings see none."""
    return tuple(_compile(line.rstrip(".")) for line in _TEXTS.strip().splitlines())
