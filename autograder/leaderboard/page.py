"""A board as one HTML page that needs nothing else.

The page carries a policy that forbids everything but its own style and its own script, which it names by
their hashes: should a team's name ever get past the escapes, it could still not run. Without scripts it is
the same page, sorted as it was served.
"""

from __future__ import annotations

import base64
import hashlib

from autograder.leaderboard import chart, table
from autograder.leaderboard.standings import Standings, View
from autograder.pages import template
from autograder.sheet import flat

_TITLE_CHARS = 120

# Two drawings of one plot: letters that are scaled down to a phone's width can't be read.
_WIDE = chart.Size(960, 400, right=176)
_NARROW = chart.Size(320, 280, left=42, right=28)


def to_html(standings: Standings) -> str:
    """The board as a page."""
    # The final page is for everybody, so the names stay what students know.
    columns = table.columns(standings, for_staff=standings.view is View.PRIVATE)
    return template("leaderboard.html.j2").render(
        board=standings,
        title=flat(standings.title, _TITLE_CHARS),
        view=standings.view,
        View=View,
        metric=table.metric_name(standings),
        counted=table.counted(standings),
        columns=columns,
        rows=[
            (row, [column.cell(index, row) for column in columns]) for index, row in enumerate(standings.rows)
        ],
        colours=chart.colour_of(standings),
        paths=chart.sparklines(standings),
        charts=[
            ("wide", chart.chart_of(standings, _WIDE, names=True)),
            ("narrow", chart.chart_of(standings, _NARROW, names=False)),
        ],
        exactly=table.exactly,
        moment=table.moment,
        last=table.last_entry(standings),
        hash_of=_hash_of,
    )


def _hash_of(text: str) -> str:
    """How a content security policy names an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
