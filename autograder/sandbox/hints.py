"""What to do about an exception: one sentence for each mistake that students really make.

The first entry wins whose type is the exception's (or a base of it) and whose pattern is found in its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Known:
    """A mistake that we know by the exception that it raises; ``{0}`` in the hint is the pattern's group."""

    type: str
    pattern: str
    hint: str


_NONE = (
    "Something is None here: a function that ends without `return`, or a value that was never set. "
    "Many methods, such as list.append(), change a value in place and return None."
)
_WHOLE_NUMBERS = (
    "A float stands where a whole number is needed. In Python 3 `/` gives a float, also for whole numbers: "
    "use `//` where you compute a size or an index."
)
_ONE_NUMBER = (
    "A whole array stands where one number is needed: check the index on that line, "
    "or add the array up first."
)
_BROADCAST = "The shapes on this line don't fit together: print both, and work out which one is wrong."
_EDGE = "An index runs past the end: check the bounds of the loop, and the order of the axes."
_UNPACK = (
    "The left side has another number of names than the right side has values: compare what was returned "
    "or stored with what is taken apart here."
)
_EMPTY = "A slice is empty here: check where it starts and ends; x[0:-0], for one, holds nothing."
_ARGUMENTS = "The call gives this function other arguments than its `def` line takes: compare the two lines."
_NETWORK = "There is no network while you are graded: don't download anything."
_RENAMED = {  # by NumPy
    "long": "int",
    "unicode": "str",
    "product": "np.prod",
    "cumproduct": "np.cumprod",
    "in1d": "np.isin",
    "trapz": "np.trapezoid",
    "asscalar": "x.item()",
    "NAN": "np.nan",
    "msort": "np.sort(x, axis=0)",
}
_PYTHON_2 = {
    "xrange": "range",
    "unicode": "str",
    "raw_input": "input",
    "reduce": "functools.reduce",
    "long": "int",
    "basestring": "str",
    "unichr": "chr",
    "reload": "importlib.reload",
}
_PYTHON_2_METHODS = {"has_key": "key in d", "iteritems": "d.items()", "itervalues": "d.values()"}


def _renamed(template: str, type_name: str, pattern: str, names: dict[str, str]) -> list[_Known]:
    """One entry for each old name, with the new one in the sentence."""
    return [
        _Known(type_name, pattern.format(re.escape(old)), template.format(old, new))
        for old, new in names.items()
    ]


_KNOWN: tuple[_Known, ...] = (
    # torch
    _Known(
        "AssertionError",
        r"(?i)\bCUDA\b|\bGPU\b",
        "There is no graphics card where you are graded: write "
        "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu').",
    ),
    _Known("IndexError", r"invalid index of a 0-dim tensor", "A single number is taken out with .item()."),
    _Known(
        "RuntimeError",
        r"Can't call numpy\(\) on Tensor that requires grad",
        "Take the values out of the graph first: .detach().numpy().",
    ),
    _Known(
        "RuntimeError",
        r"leaf Variable that requires grad",
        "Change parameters inside `with torch.no_grad():`, or their .data.",
    ),
    _Known(
        "RuntimeError",
        r"backward through the graph a second time",
        "The graph is used up by the first backward(): compute the loss anew in each step, and .detach() "
        "what is kept from the step before.",
    ),
    _Known(
        "RuntimeError",
        r"does not require grad and does not have a grad_fn",
        "Nothing in this loss depends on a parameter: look for .detach(), .item() or torch.no_grad() "
        "before it, and for requires_grad.",
    ),
    _Known(
        "RuntimeError",
        r"shapes cannot be multiplied",
        "The layer expects another number of features than it is given: print x.shape just before "
        "it, and flatten images first.",
    ),
    _Known(
        "RuntimeError",
        r"expected (scalar type|target dtype)|must have the same dtype|Found dtype",
        "Two tensors of different types meet here: labels of classes are .long(), images and "
        "weights .float().",
    ),
    _Known(
        "RuntimeError",
        r"size mismatch for|Missing key\(s\) in state_dict",
        "The saved weights are another network's.",
    ),
    _Known("RuntimeError", r"DataLoader worker", "Say num_workers=0."),
    _Known(
        "AttributeError",
        r"module 'torchvision.transforms' has no attribute",
        "torchvision has no such transform any more: look for its new name in the documentation.",
    ),
    _Known(
        "TypeError", r"unexpected keyword argument 'verbose'", "torch has dropped verbose=: leave it out."
    ),
    # names that NumPy or Python 3 took away
    _Known(
        "AttributeError",
        r"module 'numpy' has no attribute '(int|float|bool|object|str|complex)'",
        "`np.{0}` was removed in NumPy 1.24: write plain `{0}` in its place.",
    ),
    *_renamed(
        "This NumPy has no `np.{}` any more: write `{}` in its place.",
        "AttributeError",
        "module 'numpy' has no attribute '{}'",
        _RENAMED,
    ),
    _Known(
        "AttributeError",
        r"`np\.(\w+)` was removed in the NumPy 2\.0 release\. Use `np\.(\w+)` instead",
        "`np.{0}` was removed in NumPy 2: write `np.{1}` in its place.",
    ),
    _Known(
        "AttributeError",
        r"(?:module 'numpy' has no attribute '|`np\.)(\w+)",
        "This NumPy has no `np.{0}`: check the spelling, or look for its present name in the documentation.",
    ),
    *_renamed(
        "`{}` is Python 2: write `{}` in its place.",
        "AttributeError",
        "'dict' object has no attribute '{}'",
        _PYTHON_2_METHODS,
    ),
    *_renamed(
        "`{}` is Python 2: in Python 3 it is `{}`.",
        "NameError",
        "name '{}' is not defined",
        _PYTHON_2,
    ),
    # text that Python can't read
    _Known(
        "SyntaxError",
        r"Missing parentheses in call to '(print|exec)'",
        "This is Python 2 syntax: in Python 3 `{0}` is a function, so write {0}(...).",
    ),
    _Known(
        "SyntaxError",
        r"multiple exception types must be parenthesized|leading zeros in decimal|invalid decimal literal"
        r"|invalid string prefix|invalid hexadecimal literal",
        "This looks like Python 2 syntax; the homework is graded with Python 3.",
    ),
    _Known(
        "SyntaxError",
        r"codec can't decode|encoding problem|unknown encoding",
        "The file isn't plain text in UTF-8: save it again as UTF-8 in your editor.",
    ),
    *(
        _Known(kind, r"null bytes", "The file isn't plain text: save it again as UTF-8 in your editor.")
        for kind in ("SyntaxError", "ValueError")  # the latter before Python 3.12
    ),
    _Known("TabError", r"", "Indent with spaces only: Python 3 refuses tabs mixed with spaces."),
    _Known("IndentationError", r"", "Check the indentation of this line and of the one above it."),
    _Known(
        "SyntaxError", r"", "Python can't read this line, or the one above it; run the file once yourself."
    ),
    # names
    _Known(
        "NameError",
        r"name 'get_ipython' is not",
        "`get_ipython` is there in a notebook alone: take this line out of the file.",
    ),
    _Known("NameError", r"name 'np' is not defined", "Write `import numpy as np` at the top of the file."),
    _Known(
        "UnboundLocalError",
        r"",
        "This variable is used before it has a value: it is set only in a branch or a loop that did not run, "
        "or on a later line.",
    ),
    _Known(
        "NameError",
        r"",
        "Check how the name is spelled, and that it is defined or imported before this line runs.",
    ),
    _Known("AttributeError", r"'NoneType' object", _NONE),
    _Known(
        "AttributeError",
        r"'(tuple|list)' object",
        "This is a {0}, not an array: take one item out of it, or make it an array with np.array().",
    ),
    _Known(
        "AttributeError",
        r"'numpy.ndarray' object has no attribute '(\w+)'",
        "NumPy's arrays have no `.{0}`: check the spelling, or look for NumPy's own name for it.",
    ),
    _Known(
        "AttributeError",
        r"",
        "Check how the name after the dot is spelled, and that the value before the dot is what you expect.",
    ),
    # types
    _Known("TypeError", r"NoneType", _NONE),
    _Known(
        "TypeError",
        r"'(?:numpy\.)?float(?:32|64)?' object cannot be interpreted as an integer"
        r"|slice indices must be integers|expected a sequence of integers or a single integer"
        r"|indices must be integers or slices, not (?:numpy\.)?float"
        r"|can't multiply sequence by non-int of type '(?:numpy\.)?float",
        _WHOLE_NUMBERS,
    ),
    _Known(
        "TypeError",
        r"list indices must be integers or slices, not tuple",
        "A list takes one index at a time: make it an array with np.array(), or write x[i][j].",
    ),
    _Known(
        "TypeError", r"only (?:length-1|size-1|0-dimensional) arrays|only integer scalar arrays", _ONE_NUMBER
    ),
    _Known(
        "TypeError",
        r"missing \d+ required|takes .*arguments? but|takes no |unexpected keyword|multiple values for",
        _ARGUMENTS,
    ),
    _Known(
        "TypeError",
        r"object is not callable",
        "Round brackets after something that is no function: write [...] to index, and look for a variable "
        "that has a function's name.",
    ),
    _Known(
        "TypeError",
        r"Cannot cast ufunc",
        "An array of whole numbers can't take fractions in place: make it with np.zeros(shape), which holds "
        "floats, or use .astype(float).",
    ),
    _Known(
        "TypeError",
        r"",
        "A value has another type than this line needs: print type(...) of each one just before it.",
    ),
    # values and shapes
    _Known("ValueError", r"broadcast|shape-mismatch|shape mismatch", _BROADCAST),
    _Known(
        "ValueError", r"not aligned|mismatch in its core dimension|must match exactly|same shape", _BROADCAST
    ),
    _Known(
        "ValueError",
        r"cannot reshape",
        "The new shape holds another number of values than the array has: multiply both out.",
    ),
    _Known("ValueError", r"values to unpack", _UNPACK),
    _Known("ValueError", r"setting an array element with a sequence", _ONE_NUMBER),
    _Known(
        "ValueError",
        r"truth value of an array",
        "A whole array stands in an `if`, `and` or `or`: use .any() or .all(), or & and | with brackets.",
    ),
    _Known("ValueError", r"read-only", "This array may not be changed: work on a copy, x.copy()."),
    _Known(
        "ValueError",
        r"negative dimensions",
        "A size came out negative: check the formula that computes it.",
    ),
    _Known(
        "ValueError", r"zero-size array|empty sequence|arg is an empty|iterable argument is empty", _EMPTY
    ),
    _Known("UnicodeError", r"", "The text is not in the encoding that it is read in: say encoding='utf-8'."),
    _Known("IndexError", r"only integers, slices|must be of integer", _WHOLE_NUMBERS),
    _Known(
        "IndexError",
        r"too many indices|invalid index to scalar|out of bounds for array of dimension",
        "The array has fewer axes than this line takes it to have: print its shape just before it.",
    ),
    _Known("IndexError", r"boolean index did not match", _BROADCAST),
    _Known(
        "IndexError", r"pop from empty", "The list is already empty here: check how often it is taken from."
    ),
    _Known("IndexError", r"", _EDGE),
    _Known(
        "ValueError",
        r"",
        "Check the values and shapes on this line: print them just before it.",
    ),
    _Known("KeyError", r"", "There is no such key: compare its spelling with the homework's text."),
    _Known(
        "ZeroDivisionError", r"", "Something on this line is divided by zero: print what it is divided by."
    ),
    _Known(
        "AssertionError",
        r"",
        "An `assert` of your own doesn't hold: it may expect what is true for one example alone.",
    ),
    # the machine and its limits
    _Known(
        "NotImplementedError", r"", "This part is still to be written: replace this line by your solution."
    ),
    _Known("RecursionError", r"", "A function calls itself without end: it needs a case in which it stops."),
    _Known(
        "MemoryError",
        r"",
        "It asked for more memory than it may have: look for an array with a wrong shape.",
    ),
    _Known(
        "OSError",
        r"Resource temporarily unavailable",
        "It started more processes or threads than it may have: do the work in one.",
    ),
    _Known(
        "RuntimeError",
        r"can't start new thread",
        "It started more threads than it may have: do the work in one.",
    ),
    _Known(
        "OSError",
        r"File too large|No space left",
        "It wrote more than it may: don't write files while graded.",
    ),
    _Known(
        "OSError", r"Too many open files", "It opened more files than it may: close each one after its use."
    ),
    _Known(
        "OSError", r"not supported|is unreachable|urlopen error|name resolution|Name or service", _NETWORK
    ),
    _Known(
        "PermissionError",
        r"",
        "Only the files of your submission can be reached while it is graded, and programs, sockets and "
        "other processes can't: take that out.",
    ),
    _Known(
        "FileNotFoundError",
        r"",
        "Only the files of your submission are there while it is graded: hand this one in as well, or don't "
        "open it when the file is imported.",
    ),
    # modules
    _Known(
        "ImportError",
        r"attempted relative import",
        "An import that starts with a dot needs the package's folder: hand in the folder as it was.",
    ),
    _Known(
        "ImportError",
        r"cannot import name",
        "Check the spelling; two files that import each other also end like this.",
    ),
    _Known("ImportError", r"", "Check the spelling, and that the file it comes from is in your submission."),
    # leaving
    _Known("SystemExit", r"", "Don't end the program from your code: take out exit() and sys.exit()."),
    _Known(
        "KeyboardInterrupt", r"", "Don't end the program from your code: raise another exception, or none."
    ),
    _Known(
        "BdbQuit",
        r"",
        "A debugger stops here, and nobody can answer it while you are graded: take out pdb.set_trace() or "
        "breakpoint().",
    ),
    _Known("EOFError", r"", "Nobody can type an answer while you are graded: take out input()."),
)


def hint(types: Sequence[str], text: str, may_quote: Callable[[str], bool]) -> str:
    """The sentence for an exception whose type and bases have these names, and "" where there is none.

    ``may_quote`` says whether a word out of ``text`` may be repeated; an entry that would repeat another
    is passed over.
    """
    for known in _KNOWN:
        found = re.search(known.pattern, text) if known.type in types else None
        if found and all(may_quote(word) for word in found.groups() if word):
            return known.hint.format(*found.groups())
    return ""
