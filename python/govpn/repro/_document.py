"""A table with what is said before and after it, as Markdown, as HTML and in a notebook."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

Block = tuple[str, Any]  # ("text", str), ("title", str), ("list", [(text, code or "")]), ("picture", title)


class Document:
    """name is that of its files, without suffix; folder is where `save` writes them."""

    name: str
    title: str
    legend: str
    folder: Path

    def grid(self) -> list[list[str]]:
        """The table's fields, the header first; a line break within a field is \\n, **bold** is bold."""
        raise NotImplementedError

    def after(self) -> list[Block]:
        """What follows the table."""
        return []

    def to_markdown(self) -> str:
        head, *body = [[f.replace("|", r"\|").replace("\n", "<br>") for f in row] for row in self.grid()]
        rows = [head, ["---"] * len(head), *body]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        blocks = [self._markdown(kind, content) for kind, content in self.after() if content]
        return "\n\n".join([f"# {self.title}", self.legend, table, *blocks]) + "\n"

    def to_html(self) -> str:
        return _PAGE.format(title=html.escape(self.title), body=self._body(pictures=True))

    def _repr_html_(self) -> str:
        return self._body(pictures=False)

    def save(self) -> None:
        """Writes the table as .md and .html."""
        self.folder.joinpath(f"{self.name}.md").write_text(self.to_markdown())
        self.folder.joinpath(f"{self.name}.html").write_text(self.to_html())

    def _body(self, pictures: bool) -> str:
        head, *body = [[_field(f) for f in row] for row in self.grid()]
        rows = ["<tr>" + "".join(f"<th>{f}</th>" for f in head) + "</tr>"]
        rows += [f"<tr><th>{r[0]}</th>" + "".join(f"<td>{f}</td>" for f in r[1:]) + "</tr>" for r in body]
        blocks = [
            self._html(kind, content)
            for kind, content in self.after()
            if content and (pictures or kind != "picture")
        ]
        top = f"<h1>{html.escape(self.title)}</h1><p>{html.escape(self.legend)}</p>"
        return "\n".join([top, f"<table>{''.join(rows)}</table>", *blocks])

    def _markdown(self, kind: str, content: Any) -> str:
        if kind == "list":
            return "\n".join(f"- {text}" + (f": `{code}`" if code else "") for text, code in content)
        return {"title": f"## {content}", "picture": f"![{content}]({self.name}.png)"}.get(kind, content)

    def _html(self, kind: str, content: Any) -> str:
        if kind == "list":
            items = (
                html.escape(text) + (f": <code>{html.escape(code)}</code>" if code else "")
                for text, code in content
            )
            return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"
        text = html.escape(content)
        shapes = {"title": f"<h2>{text}</h2>", "picture": f"<p><img src='{self.name}.svg' alt='{text}'></p>"}
        return shapes.get(kind, f"<p>{text}</p>")


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
