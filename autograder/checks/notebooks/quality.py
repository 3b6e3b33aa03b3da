"""What makes a notebook worth reading: plots with something on them, explanations, sources.

How good they are is for a human to say. Here it is seen that they are there: pictures are decoded, words are
counted in sentences that stand there once and aren't a template's, an address is an address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.found import Plot
from autograder.checks.notebooks.prose import (
    Prose,
    comment_blocks,
    count_words,
    find_citations,
    find_links,
    read_prose,
    sentences,
)
from autograder.checks.notebooks.questions import without_placeholders
from autograder.checks.scale import Scale
from autograder.loaders.notebook import Notebook
from autograder.outcome import CheckFailed
from autograder.text import quote

_SENTENCE_WORDS = 4  # fewer say nothing: a label, a name
_OWN_WORDS = 8  # beside a placeholder; fewer are its own, as in "TODO: explain your network here"
_LISTED_WORDS = 3  # of a source below a heading that says "Sources"
_NO_SOURCE = re.compile(  # badges, and where the notebook itself lies
    r"colab\.research\.google\.com|img\.shields\.io|mybinder\.org|kaggle\.com/kernels/welcome|localhost|127\.0\.0\.1",
    re.IGNORECASE,
)
_HEADS_SOURCES = re.compile(
    r"\b(?:sources?|references?|bibliography|citations?|credits?|literature|quellen|literatur|fuentes|referencias|"
    r"bibliograf[ií]a|r[eé]f[eé]rences)\b",
    re.IGNORECASE,
)


# --- plots -------------------------------------------------------------------------------------------


def require_plots(plots: Sequence[Plot]) -> tuple[Plot, ...]:
    """The plots that show something; raises CheckFailed where there is none."""
    shown = tuple(plot for plot in plots if not plot.blank and not plot.problem)
    if shown:
        return shown
    if not plots:
        raise CheckFailed(
            "No plot is among the notebook's outputs.",
            hint="Plot the loss and the accuracy over the epochs with matplotlib, and end with plt.show().",
        )
    faults = "; ".join(f"cell {plot.cell}: {plot.problem or 'it is blank'}" for plot in plots[:5])
    raise CheckFailed(
        f"None of the {len(plots)} pictures among the outputs shows anything ({faults}).",
        hint="Draw before plt.show(), in the same cell, and look at the saved notebook.",
    )


@dataclass(frozen=True, slots=True)
class Curves:
    """The curves among the plots: the cells of those with a label at both axes, and of those without."""

    labelled: tuple[int, ...]
    bare: tuple[int, ...]
    unclear: tuple[int, ...]  # drawn by code that can't be followed

    @property
    def share(self) -> float:
        """Of the curves that can be told, how many have labels; what is unclear counts for the student."""
        good, all_of_them = len(self.labelled), len(self.labelled) + len(self.bare)
        return good / all_of_them if all_of_them else 1.0


def require_curves(shown: Sequence[Plot]) -> Curves:
    """The plots of curves; raises CheckFailed where none can be one."""
    curves = [plot for plot in shown if plot.kind == "curve"]
    unclear = [plot.cell for plot in shown if plot.kind == "unknown"]
    if not curves and not unclear:
        raise CheckFailed(
            "None of the plots is a curve.",
            hint="Plot the loss and the accuracy over the epochs, with a label at each axis.",
        )
    return Curves(
        labelled=tuple(plot.cell for plot in curves if plot.axes_labelled),
        bare=tuple(plot.cell for plot in curves if plot.axes_labelled is False),
        unclear=(*(plot.cell for plot in curves if plot.axes_labelled is None), *unclear),
    )


# --- explanations ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Explained:
    """The notebook's own sentences in Markdown: how many words, in which cells, and the text."""

    words: int
    cells: tuple[int, ...]
    text: str
    template: int  # sentences that were a template's
    repeated: int  # sentences that stand there more than once


def read_explanations(notebook: Notebook) -> Explained:
    """What the notebook explains, without headings, code, placeholders and repetitions."""
    kept: dict[str, tuple[str, int]] = {}  # by its letters alone: the sentence, and its cell
    template = repeated = 0
    for block in read_prose(notebook).blocks:
        if block.kind in ("heading", "code"):
            continue
        for sentence in sentences(block.text):
            own = without_placeholders(sentence)
            if own.strip() != sentence.strip() and count_words(own) < _OWN_WORDS:
                template += 1
            elif (letters := _squeezed(own)) in kept:
                repeated += 1
            elif count_words(own) >= _SENTENCE_WORDS:
                kept[letters] = own.strip(), block.cell
    text = "\n".join(sentence for sentence, _ in kept.values())
    cells = tuple(dict.fromkeys(cell for _, cell in kept.values()))
    return Explained(count_words(text), cells, text, template, repeated)


def require_words(explained: Explained, scale: Scale) -> str:
    """What to note; raises CheckFailed where there are too few words for any points."""
    aside = f" {explained.template} sentences are a template's." if explained.template else ""
    aside += f" {explained.repeated} stand there twice and count once." if explained.repeated else ""
    cells = ", ".join(map(str, explained.cells[:12]))
    said = f"Your own text in Markdown has {explained.words} words" + (f" (cells {cells})." if cells else ".")
    hint = (
        "Say in Markdown cells what the data is, why the network looks as it does, how it is trained, and "
        "what the curves show. Comments in the code don't count."
    )
    if scale.reached(explained.words) is None:
        raise CheckFailed(f"{said}{aside}", hint=hint)
    following = scale.next_step(explained.words)
    return f"{said}{aside}" + (f" From {following[0]:g} words on it earns more. {hint}" if following else "")


def _squeezed(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


# --- sources -----------------------------------------------------------------------------------------


def find_sources(notebook: Notebook) -> tuple[str, ...]:
    """The sources that the notebook names: addresses, papers, and what is listed below such a heading.

    An address in a comment of the code is one too; a badge that opens the notebook is none.
    """
    prose = read_prose(notebook)
    links = [one for one in prose.links if not _NO_SOURCE.search(one)]
    papers = [one for one in prose.citations if not _HEADS_SOURCES.search(one)]
    comments = [
        block.text for cell in notebook.cells if cell.kind == "code" for block in comment_blocks(cell)
    ]
    for text in comments:
        links += [one for one in find_links(text) if not _NO_SOURCE.search(one)]
        papers += [one for one in find_citations(text) if not _HEADS_SOURCES.search(one) and one[0] != "["]
    return tuple(dict.fromkeys([*links, *papers, *_listed(prose)]))


def _listed(prose: Prose) -> list[str]:
    """The lines below a heading that says "Sources"."""
    found: list[str] = []
    below = False
    for block in prose.blocks:
        heads = block.kind == "heading" or block.is_strong
        if heads:
            below = _HEADS_SOURCES.search(block.text) is not None
        elif below and block.kind in ("item", "paragraph", "table"):
            own = without_placeholders(block.text)
            found += [own.strip()] if count_words(own) >= _LISTED_WORDS else []
    return found


def require_sources(found: Sequence[str]) -> str:
    """What to note; raises CheckFailed where no source is named."""
    if not found:
        raise CheckFailed(
            "No source is cited.",
            hint="Name what you built on, with an address or a paper: the data set, a tutorial, a network. "
            "If you used nothing else, the data set's own page is still a source.",
        )
    few = ", ".join(quote(one, 80) for one in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"Sources found: {few}{more}."
