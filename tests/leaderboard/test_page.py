"""The page: complete, harmless, readable by everybody; and sorted in a browser, where there is one."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.leaderboard.page import to_html
from autograder.leaderboard.standings import Standings, View
from autograder.leaderboard.table import columns
from tests.leaderboard.boards import FEW, START, board, many
from tests.steering import forbidden_in
from tests.test_text_everywhere import HOSTILE, MARK, MARKUP, as_browser_sees_it

TEMPLATE = Path(__file__).parents[2] / "autograder" / "templates" / "leaderboard.html.j2"
NO_BROWSER = "there is no browser here; the page's tags and hashes are looked at in any case"
VOID = {"meta", "line"}  # what needs no end


class Page(HTMLParser):
    """The tags of a page, which must be well nested, and what is written in which."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.text.setdefault(self.open[-1], []).append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def harmless(page: str) -> Page:
    parsed = Page(page)
    assert parsed.open == []
    assert not {"img", "iframe", "link", "a", "object", "form", "base", "image", "use"} & set(parsed.tags)
    assert (parsed.tags.count("script"), parsed.tags.count("style")) == (1, 1)
    assert not [
        name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "href", "style")
    ]
    assert "url(" not in page
    assert "@import" not in page
    return parsed


def words(page: str) -> str:
    """What a reader sees of a page, without style and script."""
    bare = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())


@pytest.mark.parametrize("view", View)
def test_the_page_is_one_file_that_needs_nothing(view: View) -> None:
    page = to_html(board(FEW, view))
    parsed = harmless(page)
    assert parsed.tags.count("h1") == 1
    assert ("lang", "en") in parsed.attributes
    labelled = {*parsed.values("aria-labelledby")}
    assert labelled <= {*parsed.values("id")}
    assert len(parsed.values("id")) == len({*parsed.values("id")})
    assert "A &lt;small&gt; challenge" in page


def test_the_policy_lets_our_style_and_script_run_and_nothing_else() -> None:
    page = to_html(board(FEW))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(maxsplit=1) for rule in html.unescape(policy).split("; "))
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}


def test_a_student_reads_nothing_private() -> None:
    names = {"Ada": "brisk-otter-17"}
    page = to_html(board(FEW, names=names))
    assert "brisk-otter-17 92 % 2 2026-11-09 15:13" in words(page)
    assert "Staff model staff 86 %" in words(page)
    for secret in ("Ada", "9213", "9071", "92.13", "90.71", "8573", "85.73", "8617", "For staff alone"):
        assert secret not in page


def test_the_page_for_staff_says_that_it_is() -> None:
    page = words(to_html(board(FEW, View.PRIVATE, names={"Ada": "brisk-otter-17"})))
    assert "For staff alone." in page
    assert "1 brisk-otter-17 Ada 90.71 % 92 % 92.13 % 0 2 2026-11-09 15:13" in page


def test_the_final_page_keeps_to_the_names_that_students_know() -> None:
    page = to_html(
        board(FEW, View.FINAL, names={"Ada": "brisk-otter-17"}, freeze=START + timedelta(hours=40))
    )
    assert "Ada" not in page
    assert "1 brisk-otter-17 90.71 % 92 % 0 2 2026-11-09 15:13" in words(page)
    assert "Entries until 2026-11-10 01:13 UTC count; 1 came later and doesn't." in words(page)


def test_the_shake_up_is_told_in_signs_and_words() -> None:
    page = to_html(board({"a": [(0, 0.9, 0.7)], "b": [(1, 0.8, 0.75)]}, View.FINAL))
    assert '<span class="up" title="1 up">▲ 1</span>' in page
    assert '<span class="down" title="1 down">▼ 1</span>' in page


def test_nobody_has_handed_in() -> None:
    page = to_html(board({}))
    assert "Nobody has handed in yet." in words(page)
    assert "Staff model" in words(page)
    assert not harmless(page).values("d")
    harmless(to_html(board({}, baselines=())))


def test_every_team_has_a_line_in_both_plots_and_one_of_its_own() -> None:
    standings = board(many(30))
    page = to_html(standings)
    parsed = harmless(page)
    assert len(re.findall(r'<path class="run ', page)) == 3 * 30
    assert {value for value in parsed.values("class") if value.startswith("run ")} == {
        f"run c{colour}" for colour in range(9)
    }
    lines = [int(row) for row in re.findall(r'<path class="run c\d" data-row="(\d+)"', page)]
    assert sorted(lines) == sorted(2 * [i for i, row in enumerate(standings.rows) if not row.baseline])
    assert "The first 8 teams in colour, all others in grey." in words(page)
    assert "all others in grey" not in words(to_html(board(FEW)))


def test_times_can_be_read_by_programs() -> None:
    page = to_html(board(FEW))
    assert page.count('<time datetime="2026-11-09T15:13:00Z">2026-11-09 15:13</time>') == 1
    assert '<time datetime="2026-11-10T11:13:00Z">' in page  # the last entry


@given(text=st.text(st.characters(exclude_categories=()), max_size=80))
def test_no_name_breaks_out_of_the_page(text: str) -> None:
    names = {"Ada": text, "Ben": f"</td></table></svg><script>{text}</script>", "Cy": f'" onload="{text}'}
    for view in View:
        page = to_html(board(FEW, view, names=names, title=text))
        assert forbidden_in(page) == []
        harmless(page)


# --- colours ------------------------------------------------------------------------------------------

# What those see who lack one of the three cones, in linear light (Machado, Oliveira and Fernandes 2009).
SEEN = {
    "all": np.eye(3),
    "no red": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "no green": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "no blue": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, eyes: str) -> np.ndarray:
    scaled = XYZ @ np.clip(SEEN[eyes] @ linear(colour), 0, 1) / WHITE
    x, y, z = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def colours(scheme: int) -> dict[str, str]:
    css = re.findall(r":root \{(.*?)\}", TEMPLATE.read_text(encoding="utf-8"), re.S)[scheme]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_everything_can_be_read_on_its_ground(scheme: int) -> None:
    found = colours(scheme)
    texts = [(name, ground) for name in ("text", "soft", "link") for ground in ("page", "card", "well")]
    texts += [("staff", "staff-bg"), ("up", "card"), ("down", "card")]
    assert [pair for pair in texts if contrast(found[pair[0]], found[pair[1]]) < 4.5] == []  # WCAG AA, text
    lines = [f"c{number}" for number in range(1, 9)]
    assert [line for line in lines if contrast(found[line], found["card"]) < 3] == []  # and graphics


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_lines_are_told_apart_by_all_eyes(scheme: int, eyes: str) -> None:
    """By colour among the four that are drawn through and among the four that are dashed."""
    found = colours(scheme)
    for numbers in ((1, 2, 3, 4), (5, 6, 7, 8)):
        seen = [lab(found[f"c{number}"], eyes) for number in numbers]
        nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
        assert nearest > 20  # 2.3 is the least that is seen side by side
    dashed = re.search(r"([^\n]*) \{ stroke-dasharray: 7 3; \}", TEMPLATE.read_text(encoding="utf-8"))
    assert dashed
    assert dashed[1] == ".c5, .c6, .c7, .c8"


# --- in a browser ---------------------------------------------------------------------------------------

# Clicks every heading twice and writes down the order of the names after each click.
CLICKS = """
const names = () => [...document.querySelectorAll("tbody .name")].map(cell => cell.firstChild.data.trim());
const heads = [...document.querySelectorAll("thead th")], told = [];
for (const head of heads) {
  const button = head.querySelector("button");
  if (!button) { told.push([head.textContent]); continue; }
  for (const _ of [1, 2]) {
    button.click();
    const sorted = heads.filter(each => each.hasAttribute("aria-sort"));
    told.push([head.textContent, sorted.map(each => each.textContent).join(), head.getAttribute("aria-sort"),
               document.getElementById("told").textContent, names()]);
  }
}
const root = document.documentElement;
document.body.dataset.told = JSON.stringify({
  clicks: told, wide: [root.scrollWidth, root.clientWidth],
  shown: [...document.querySelectorAll(".plot")].map(plot => plot.getBoundingClientRect().width > 0),
  cells: [...document.querySelectorAll("tbody td, tbody .spark, thead button")].map(each => {
    const box = each.getBoundingClientRect();
    return [box.left, box.right];
  }),
});
"""


def driven(standings: Standings, folder: Path, width: int) -> dict[str, Any]:
    """What `CLICKS` wrote down on this board's page in a window of this width."""
    page = re.sub(
        r'<meta http-equiv="Content-Sec.*?>', "", to_html(standings)
    )  # else the clicks couldn't run
    file = folder / f"driven-{width}.html"
    # A window can't be as narrow as a phone everywhere, but a frame can.
    framed = html.escape(page.replace("</body>", f"<script>{CLICKS}</script></body>"), quote=True)
    file.write_text(
        f'<iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{framed}"></iframe>'
        '<script>const frame = document.getElementById("frame"), here = document.body.dataset;'
        "frame.onload = () => { here.told = frame.contentDocument.body.dataset.told; }</script>",
        encoding="utf-8",
    )
    seen = as_browser_sees_it(file, folder / "profile")
    if seen is None:
        pytest.skip(NO_BROWSER)
    (told,) = re.findall(r'data-told="([^"]*)"', seen)
    found: dict[str, Any] = json.loads(html.unescape(told))
    return found


def expected(standings: Standings, key: str, *, descending: bool) -> list[str]:
    (column,) = [each for each in columns(standings, for_staff=True) if each.key == key]
    cells = [(column.cell(index, row).order, row.name) for index, row in enumerate(standings.rows)]
    known = [(order, name) for order, name in cells if order is not None]
    ordered = sorted(known, key=lambda pair: pair[0], reverse=descending)
    return [name for _, name in ordered] + [name for order, name in cells if order is None]


def test_every_column_sorts_both_ways(tmp_path: Path) -> None:
    teams = {
        **many(9),
        "beta": [(5, 0.711, 0.704)],
        "Alpha": [(900, 0.712, 0.69), (901, 0.5, 0.5)],
        "gamma": [(4, 0.1, 0.1)],
    }
    standings = board(teams, View.PRIVATE, names={"beta": "zebra"})
    found = driven(standings, tmp_path, 1280)
    clicks = found["clicks"]
    assert clicks.pop() == ["Progress"]
    headings = columns(standings, for_staff=True)
    assert len(clicks) == 2 * len(headings)
    for number, (heading, sorted_by, direction, told, names) in enumerate(clicks):
        column = headings[number // 2]
        assert heading == sorted_by == column.heading
        first = column.best_is_high
        if column.key == "rank":  # which the page is sorted by when it is served
            first = True
        descending = first is (number % 2 == 0)
        assert direction == ("descending" if descending else "ascending")
        assert told == f"Sorted by {heading}, {direction}."
        if column.key in ("rank", "name", "exact", "reached"):  # where no two are equal
            assert names == expected(standings, column.key, descending=descending), (heading, direction)
        else:
            assert sorted(names) == sorted(row.name for row in standings.rows)
    assert found["shown"] == [True, False]  # the wide plot


@pytest.mark.parametrize("view", View)
def test_on_a_phone_nothing_is_cut_off(tmp_path: Path, view: View) -> None:
    teams = {**FEW, "A team with a name that is much too long for the width of a telephone": [(3, 0.5, 0.4)]}
    teams["W" * 60] = [(5, 0.9999, 0.9999)]
    found = driven(board(teams, view, names={"Ada": "brisk-otter-17"}), tmp_path, 360)
    needed, there_is = found["wide"]
    assert needed == there_is <= 360
    assert found["shown"] == [False, True]
    assert [box for box in found["cells"] if box[0] < 0 or box[1] > there_is] == []


def test_in_a_browser_our_script_runs_and_no_other(tmp_path: Path) -> None:
    page = to_html(board(FEW, names={"Ada": HOSTILE}, title=HOSTILE))
    file = tmp_path / "board.html"
    for broken in (page, page.replace("<h1>", f"<h1>{MARKUP}")):  # also if an escape was forgotten
        file.write_text(broken, encoding="utf-8")
        seen = as_browser_sees_it(file, tmp_path / "profile")
        if seen is None:
            pytest.skip(NO_BROWSER)
        assert seen.count("<button ") == 5  # which the script makes of the headings
        assert f'class="{MARK}"' not in seen
        assert f'id="{MARK}"' not in seen
    file.write_text(re.sub(r"<meta http-equiv.*?>", "", broken), encoding="utf-8")
    assert f'class="{MARK}"' in (as_browser_sees_it(file, tmp_path / "profile") or "")
