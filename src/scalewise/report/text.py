"""Tables for a terminal."""

from scalewise.report.tables import Table


def render(table: Table) -> str:
    """The table in columns that line up: the first to the left, the others to the right."""
    lines = [table.head, *(tuple(cell.text for cell in row) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(line, widths) for line in lines)


def _line(texts: tuple[str, ...], widths: list[int]) -> str:
    first, *others = zip(texts, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return "  ".join(cells).rstrip()
