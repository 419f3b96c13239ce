"""Plain text tables: words left, figures right, a missing figure as a dash."""


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def _cells(row, widths, words):
    return "  ".join(str(cell).ljust(width) if i < words else str(cell).rjust(width)
                     for i, (cell, width) in enumerate(zip(row, widths)))


def render(title, headings, rows, words=2):
    """The lines of a table whose first `words` columns are text. A row with a remark in place of
    its figures is shorter than the headings, and the remark may run over."""
    whole = [row for row in rows if len(row) == len(headings)]
    widths = [max(len(str(row[i])) for row in [headings, *(rows if i < words else whole)])
              for i in range(len(headings))]
    rule = ["-" * width for width in widths]
    lines = [title, _cells(headings, widths, words), _cells(rule, widths, words)]
    for row in rows:
        remark = row[words:] if len(row) < len(headings) else []
        lines.append("  ".join([_cells(row[:words] if remark else row, widths, words), *remark]))
    return [line.rstrip() for line in lines] + [""]
