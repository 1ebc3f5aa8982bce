"""Tables for a paper."""

from collections.abc import Iterable

from scalewise.report.tables import Cell, Table

SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    }
)


def render(table: Table) -> str:
    """The table for a paper: LaTeX with the package booktabs."""
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}", r"\toprule"]
    if table.spans:
        lines.append(_row(_span(name, width) for name, width in table.spans))
    lines += [_row(map(_text, table.head)), r"\midrule"]
    lines += [_row(map(_cell, row)) for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _text(text: str) -> str:
    return text.translate(SPECIAL)


def _span(name: str, width: int) -> str:
    return rf"\multicolumn{{{width}}}{{c}}{{{_text(name)}}}"


def _cell(cell: Cell) -> str:
    text = _text(cell.text)
    return rf"\textbf{{{text}}}" if cell.strong else text
