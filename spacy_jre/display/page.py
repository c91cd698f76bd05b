"""Render relations as figures and tables in HTML."""

from collections.abc import Iterable, Sequence
from html import escape

from spacy import displacy
from spacy.tokens import Doc

from ..annotations import DEFAULT_ATTR
from .arcs import chosen_relations, displacy_relations

_PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1b1b; }}
section {{ border-top: 1px solid #d0d0d0; padding: 1rem 0; }}
.figure {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .2rem 1rem .2rem 0;
  border-bottom: 1px solid #eee; }}
td.score {{ font-variant-numeric: tabular-nums; color: #666; }}
.type {{ color: #666; font-size: .85em; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def render_relations(doc: Doc, *, max_gap: int = 4, attr: str = DEFAULT_ATTR) -> str:
    """Render the relations of a Doc as figures.

    The distance between words depends on the longest word, so that words don't overlap.

    RETURNS (str): One SVG per sentence with an arc. Empty if there are none.
    """
    figures = displacy_relations(doc, skip_empty=True, max_gap=max_gap, attr=attr)
    drawn = []
    for figure in figures:
        longest = max(len(word["text"]) for word in figure["words"])
        distance = max(90, 10 * longest + 20)
        # words are centered, so the first one needs space on its left
        options = {"compact": True, "distance": distance, "offset_x": distance // 2}
        drawn.append(
            displacy.render(
                figure,
                style="dep",
                manual=True,
                jupyter=False,
                options=options,
            )
        )
    return "\n".join(drawn)


def render_table(doc: Doc, *, attr: str = DEFAULT_ATTR) -> str:
    """Render the relations of a Doc as a table, sorted by position.

    RETURNS (str): An HTML table, or a paragraph if there are no relations.
    """
    relations = sorted(
        chosen_relations(doc, attr=attr),
        key=lambda r: (r["head"]["start"], r["tail"]["start"], r.label),
    )
    if not relations:
        return "<p>No relations.</p>"
    rows = []
    for relation in relations:
        cells = [
            _argument(relation.head.text, relation["head"]["label"]),
            escape(relation.label),
            _argument(relation.tail.text, relation["tail"]["label"]),
        ]
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr>{row}<td class="score">{relation.score:.2f}</td></tr>')
    head = "<tr><th>head</th><th>relation</th><th>tail</th><th>score</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def render_page(
    docs: Iterable[Doc], *, title: str, lang: str = "en", attr: str = DEFAULT_ATTR
) -> str:
    """RETURNS (str): An HTML page with the text, figures and table of each Doc."""
    sections: Sequence[str] = [
        f"<section><p>{escape(doc.text)}</p>"
        f'<div class="figure">{render_relations(doc, attr=attr)}</div>'
        f"{render_table(doc, attr=attr)}</section>"
        for doc in docs
    ]
    return _PAGE.format(
        title=escape(title), lang=escape(lang), body="\n".join(sections)
    )


def _argument(text: str, label: str) -> str:
    return f'{escape(text)} <span class="type">{escape(label)}</span>'
