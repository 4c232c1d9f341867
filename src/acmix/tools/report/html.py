"""One HTML page with everything inside: texts, tables and pictures, no script, nothing to fetch."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from acmix.utils.text import printable

Html = str
"""Text in which everything from outside is escaped."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #fff;
       max-width: 1100px; margin: 0 auto; padding: 1.5rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; padding-top: .8rem; border-top: 1px solid #d7dde5; }
nav { margin: .8rem 0; } nav a { margin-right: 1rem; } a { color: #0b5cad; }
table { border-collapse: collapse; margin: .4rem 0; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; vertical-align: top;
         border-bottom: 1px solid #e6eaf0; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
table.texts td { text-align: left; }
img { max-width: 100%; height: auto; }
pre { background: #f4f6f9; padding: .7rem; overflow-x: auto; font-size: .85rem; }
summary { cursor: pointer; color: #0b5cad; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .85rem; color: #4a5566; }
.quiet { color: #4a5566; }
"""


class Part(NamedTuple):
    """A part of the page under its own title."""

    title: str
    body: Html


def page(title: str, below: str, parts: Sequence[Part]) -> Html:
    """Return a whole page, with links to its parts at the top."""
    links = "".join(f'<a href="#{_anchor(part)}">{_text(part.title)}</a>' for part in parts)
    bodies = "\n".join(
        f'<h2 id="{_anchor(part)}">{_text(part.title)}</h2>\n{part.body}' for part in parts
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{_text(title)}</h1>\n<div class="quiet">{_text(below)}</div>\n'
        f"<nav>{links}</nav>\n{bodies}\n</body>\n</html>\n"
    )


def paragraph(text: str) -> Html:
    """Return a paragraph."""
    return f"<p>{_text(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], texts: bool = False) -> Html:
    """Return a table.

    Args:
        header: titles of the columns; empty for none.
        rows: values.
        texts: whether columns after the first are texts, which align left, or numbers.
    """
    head = f"<tr>{''.join(f'<th>{_text(title)}</th>' for title in header)}</tr>" if header else ""
    lines = (f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table{' class=texts' if texts else ''}>{head}{''.join(lines)}</table>"


def code(text: str) -> Html:
    """Return lines of code."""
    return f"<pre>{escape(text)}</pre>"


def folded(title: str, body: Html) -> Html:
    """Return what is shown after a click on its title."""
    return f"<details><summary>{_text(title)}</summary>{body}</details>"


def picture(encoded: bytes, caption: str, kind: str = "png") -> Html:
    """Return a picture inside of the page.

    Args:
        encoded: the file.
        caption: text below it, which also stands for it.
        kind: ``png`` or ``jpeg``.
    """
    data = base64.b64encode(encoded).decode("ascii")
    text = _text(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/{kind};base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def grid(items: Iterable[Html]) -> Html:
    """Return items side by side, as many as have room."""
    return f'<div class="grid">{"".join(items)}</div>'


def _text(value: object) -> Html:
    return escape(printable(value))


def _anchor(part: Part) -> str:
    return "".join(c if c.isalnum() else "-" for c in part.title.lower())
