"""docs/benchmarks.md: what benches write into it, between markers, and what people write around that."""

from __future__ import annotations

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
