"""Render the predictions of a pipeline as an HTML page that opens offline."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path

from spacy.tokens import Doc

from ..annotations import DEFAULT_ATTR, read_gold
from ..annotations.sentences import sentence_ranges
from ..errors import Errors, JREError
from .passages import Link, Mark, Passage, color_slots, figure, labels_of

# The policy only allows the style and the script of the page, so that a text that is
# not escaped could neither run code nor load anything.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src '{style_hash}'; script-src '{script_hash}'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{about}
</header>
<main>
{body}
</main>
<script>{script}</script>
</body>
</html>
"""


def render_page(
    docs: Iterable[Doc], *, title: str, lang: str = "en", attr: str = DEFAULT_ATTR
) -> str:
    """Render Docs with their entities and relations.

    docs (Iterable[Doc]): Docs with relations.
    title (str): Title of the page.
    lang (str): Language code of the texts.
    attr (str): Name of the relation extension.
    RETURNS (str): An HTML page.
    RAISES (ValueError): J704 if a Doc has no relation data.
    """
    passages = [doc_passage(doc, lang=lang, attr=attr) for doc in docs]
    slots = color_slots(labels_of(passages))
    counts = [
        count_of(len(passages), "text"),
        count_of(sum(len(passage.marks) for passage in passages), "entity", "entities"),
        count_of(sum(len(passage.links) for passage in passages), "relation"),
    ]
    sections = [
        f'<section class="doc"><h2>{number}</h2>{figure(passage, slots)}</section>'
        for number, passage in enumerate(passages, start=1)
    ]
    return html_page(
        "\n".join([_legend(passages, slots), *sections]),
        title=title,
        about=", ".join(counts),
    )


def doc_passage(doc: Doc, *, lang: str = "", attr: str = DEFAULT_ATTR) -> Passage:
    """Get the entities and relations of a Doc as marks and links.

    RAISES (ValueError): J704 if the Doc has no relation data.
    """
    gold = read_gold(doc, attr=attr)
    if not gold.knows_relations:
        raise JREError(Errors.J704.format(attr=attr))
    number = {key: index for index, key in enumerate(gold.entities)}
    return Passage(
        text=doc.text,
        marks=[Mark(*key) for key in gold.entities],
        links=[
            Link(number[head], number[tail], label, score)
            for (head, tail, label), score in gold.relations.items()
        ],
        lang=lang,
        breaks=[doc[start].idx for start, _ in sentence_ranges(doc)],
    )


def html_page(body: str, *, title: str, about: str = "") -> str:
    """Insert escaped HTML into a page with the style and script of all pages.

    body (str): HTML of the content.
    title (str): Text of the title.
    about (str): Text below the title.
    RETURNS (str): The page. It loads no other files.
    """
    style, script = _static("page.css"), _static("page.js")
    return _PAGE.format(
        title=escape(title),
        about=f'<p class="about">{escape(about)}</p>' if about else "",
        body=body,
        style=style,
        script=script,
        style_hash=content_hash(style),
        script_hash=content_hash(script),
    )


def write_page(path: Path, page: str) -> None:
    """Write a page to a file, and create its folder.

    path (Path): The file.
    page (str): The page.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # names and texts can contain half of a surrogate pair
    path.write_text(page, encoding="utf8", errors="xmlcharrefreplace")


def content_hash(content: str) -> str:
    """RETURNS (str): The hash of a style or script in a Content-Security-Policy."""
    digest = hashlib.sha256(content.encode("utf8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def count_of(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@cache
def _static(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text(encoding="utf8")


def _legend(passages: Sequence[Passage], slots: dict[str, int]) -> str:
    """List the labels and their counts."""
    entities = Counter(mark.label for p in passages for mark in p.marks if mark.label)
    relations = Counter(link.label for p in passages for link in p.links)
    lists = [
        [
            f'<li><span class="ent" data-c="{slots[label]}">{escape(label)}</span> '
            f'<span class="number">{entities[label]}</span></li>'
            for label in sorted(entities)
        ],
        [
            f'<li><span class="rel">–<bdi>{escape(label)}</bdi>→</span> '
            f'<span class="number">{relations[label]}</span></li>'
            for label in sorted(relations)
        ],
    ]
    return "".join(f'<ul class="legend">{"".join(rows)}</ul>' for rows in lists if rows)
