"""docs/benchmarks.md: what benches write into it, between markers, and what people write around that."""

from __future__ import annotations

from collections.abc import Sequence

from benches.measure import Row, line
from include.settings import PROJECT

PAGE = PROJECT / "docs" / "benchmarks.md"


def replace_section(page: str, name: str, contents: str) -> str:
    """A page with new contents between the markers of a section.

    >>> print(replace_section("before\\n<!-- rows: begin -->\\nold\\n<!-- rows: end -->\\nafter", "rows", "new"))
    before
    <!-- rows: begin -->
    new
    <!-- rows: end -->
    after
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"{PAGE} needs the lines {begin.strip()} and {end} once each.")
    before, _, rest = page.partition(begin)
    return before + begin + contents + "\n" + end + rest.partition(end)[2]


def write_section(name: str, contents: str) -> None:
    PAGE.write_text(replace_section(PAGE.read_text(), name, contents))
    print(f"Written into {PAGE.relative_to(PROJECT)}.")


def with_rows(section: str, rows: Sequence[Row], command: str, about: str) -> str:
    """A section with new rows in the place of those of the same work on the same, and where they are from.

    Args:
        section: a paragraph, the table, and perhaps more paragraphs.
        rows: rows of other work come after those of the same kind, or last.
        command: that gave them.
        about: when and on what it measured.
    """
    first, table, *others = section.strip().split("\n\n")
    lines = table.splitlines()
    for row in rows:
        same = [at for at, text in enumerate(lines) if _cells(text)[:3] == row.cells()[:3]]
        alike = [at for at, text in enumerate(lines) if _cells(text)[:1] == row.cells()[:1]]
        at = same[0] if same else (alike[-1] if alike else len(lines) - 1) + 1
        lines[at : at + len(same)] = [line(row.cells())]
    source = f"From {command}"
    others = [each for each in others if not each.startswith(source)] + [f"{source}. {about}"]
    return "\n\n".join([first, "\n".join(lines), *others])


def write_rows(rows: Sequence[Row], command: str, about: str) -> None:
    section = PAGE.read_text().partition("<!-- rows: begin -->\n")[2].partition("<!-- rows: end -->")[0]
    write_section("rows", with_rows(section, rows, command, about))


def _cells(text: str) -> tuple[str, ...]:
    return tuple(text.removeprefix("| ").removesuffix(" |").split(" | "))
