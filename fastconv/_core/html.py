"""Tables in HTML, by which results show themselves in notebooks."""


def table(rows, head=None, title="", bold=None):
    """An HTML table: rows of cells, titles above them, text before them, and a row to stand out.

    Cells are shown as `str` has them.
    """
    from html import escape  # which takes as long to load as many of our modules

    lines = ["<div>"]
    if title:
        lines.append(f'<pre style="white-space: pre-wrap">{escape(title)}</pre>')
    lines.append("<table>")
    if head is not None:
        lines.append(f"<thead><tr>{_cells(escape, head, 'th')}</tr></thead>")
    lines.append("<tbody>")
    for i, row in enumerate(rows):
        style = ' style="font-weight: bold"' if i == bold else ""
        lines.append(f"<tr{style}>{_cells(escape, row, 'td')}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>", "</div>"])


def _cells(escape, row, tag):
    style = ' style="text-align: left"'
    return "".join(f"<{tag}{style}>{escape(str(cell))}</{tag}>" for cell in row)
