"""A table with the text around it, as Markdown, as HTML and in a notebook."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from .._reading import reading, shown
from ..errors import ArgumentError

FORMATS = ("md", "html", "png", "svg")


def checked_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """Returns the formats as a tuple. A name that is none of FORMATS is an error."""
    if isinstance(formats, str):
        raise ArgumentError(f"formats is {formats!r}, want a list of names")
    with reading("formats", formats, "a list of names"):
        chosen = tuple(formats)
    for name in chosen:
        if not isinstance(name, str) or name not in FORMATS:
            raise ArgumentError(f"formats has {shown(name)}, want of {', '.join(FORMATS)}")
    return chosen


Items = list[tuple[str, str]]  # the lines of a list: text, and code or ""
# What follows a table. A picture is the document's own: it lies beside it under the same name.
Block = tuple[Literal["text", "title", "picture"], str] | tuple[Literal["list"], Items]


class Document:
    """A table with its title, a legend above it and blocks below it.

    name is the name of its files without suffix. `save` writes them into folder, in those formats.
    """

    name: str
    title: str
    legend: str
    folder: Path
    formats: Sequence[str] = FORMATS

    def grid(self) -> list[list[str]]:
        r"""Returns the fields of the table, the header first. \n breaks a line, **text** is bold."""
        raise NotImplementedError

    def after(self) -> list[Block]:
        """Returns what follows the table."""
        return []

    def to_markdown(self) -> str:
        """Returns the document as Markdown."""
        head, *body = [[f.replace("|", r"\|").replace("\n", "<br>") for f in row] for row in self.grid()]
        rows = [head, ["---"] * len(head), *body]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        blocks = [self._markdown(block) for block in self.after() if block[1]]
        return "\n\n".join([f"# {self.title}", _wrapped(self.legend), table, *blocks]) + "\n"

    def to_html(self) -> str:
        """Returns the document as a page of HTML."""
        return _PAGE.format(title=html.escape(self.title), body=self._body(pictures=True))

    def _repr_html_(self) -> str:
        return self._body(pictures=False)

    def save(self) -> None:
        """Writes the table as .md and .html, as far as formats has them."""
        for suffix, text in (("md", self.to_markdown), ("html", self.to_html)):
            if suffix in self.formats:
                self.folder.joinpath(f"{self.name}.{suffix}").write_text(text())

    def _body(self, pictures: bool) -> str:
        head, *body = [[_field(f) for f in row] for row in self.grid()]
        rows = ["<tr>" + "".join(f"<th>{f}</th>" for f in head) + "</tr>"]
        rows += [f"<tr><th>{r[0]}</th>" + "".join(f"<td>{f}</td>" for f in r[1:]) + "</tr>" for r in body]
        blocks = [self._html(b) for b in self.after() if b[1] and (pictures or b[0] != "picture")]
        legend = (html.escape(text) for text in self.legend.split("\n\n"))
        top = f"<h1>{html.escape(self.title)}</h1>" + "".join(f"<p>{text}</p>" for text in legend)
        return "\n".join([top, f"<table>{''.join(rows)}</table>", *blocks])

    def _markdown(self, block: Block) -> str:
        if block[0] == "list":
            return "\n".join(
                f"- {text}: `{code}`" if code else _wrapped(text, "- ") for text, code in block[1]
            )
        kind, text = block
        if kind == "title":
            return f"## {text}"
        if kind == "picture":
            return f"![{text}]({self.name}.{self._picture('png', 'svg')})"
        return _wrapped(text)

    def _html(self, block: Block) -> str:
        if block[0] == "list":
            items = (
                html.escape(text) + (f": <code>{html.escape(code)}</code>" if code else "")
                for text, code in block[1]
            )
            return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
        kind, text = block[0], html.escape(block[1])
        if kind == "title":
            return f"<h2>{text}</h2>"
        if kind == "picture":
            return f"<p><img src='{self.name}.{self._picture('svg', 'png')}' alt='{text}'></p>"
        return f"<p>{text}</p>"

    def _picture(self, first: str, second: str) -> str:
        """Returns the format to link: the second if only that one is written."""
        return second if second in self.formats and first not in self.formats else first


def _wrapped(text: str, bullet: str = "") -> str:
    """Returns text in lines of at most 100 columns, paragraph by paragraph."""
    paragraphs = (
        textwrap.fill(
            paragraph,
            100,
            initial_indent=bullet,
            subsequent_indent=" " * len(bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in text.split("\n\n")
    )
    return "\n\n".join(paragraphs)


def _field(text: str) -> str:
    lines = (html.escape(line) for line in text.split("\n"))
    return "<br>".join(re.sub(r"^\*\*(.*)\*\*$", r"<b>\1</b>", line) for line in lines)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px/1.4 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }}
table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #bbb; padding: .3em .5em; text-align: left }}
td {{ white-space: nowrap }} code {{ font-size: 12px }} img {{ max-width: 100% }}
</style></head><body>
{body}
</body></html>
"""
