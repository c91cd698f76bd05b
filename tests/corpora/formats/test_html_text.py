import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.corpora.formats.html_text import HtmlText


@pytest.mark.parametrize(
    ("html", "text", "counted"),
    [
        ("Ada <b>Quint</b>", "Ada Quint", "Ada Quint"),
        ("<p>Ada</p><p>Bo</p>", "Ada\nBo\n", "AdaBo"),
        ("<div>\n  <p>Ada\n met</p>\n</div>", "Ada met\n", "\n  Ada\n met\n"),
        ("a<br>b<br/>c", "a\nb\nc", "a\nb\nc"),
        ("a &amp; b&nbsp;c", "a & b\xa0c", "a & b\xa0c"),
        ("a\r\nb", "a b", "a\nb"),
        ("<pre>\na\n  b</pre>c", "a\n  b\nc", "a\n  bc"),
        ("a<script>x</script>b<!-- c -->", "ab", "ab"),
        ("a<style>x{}</style>b", "ab", "ax{}b"),
        (
            "<html><head><title>T</title></head>\n<body>\n<p>Ada</p></body></html>\n",
            "Ada\n",
            "\nAda\n",
        ),
        ("a<![if !IE]>b<![x[y]>c<![-d", "abc<![-d", "abc<![-d"),
        ("", "", ""),
    ],
)
def test_visible_text_and_counted_characters(html, text, counted):
    parsed = HtmlText(html)
    assert (parsed.text, parsed.counted) == (text, counted)


def test_body_tag_is_recognized():
    assert HtmlText("<body>a</body>").has_body
    assert not HtmlText("<p>a</p>").has_body


PARTS = [
    "<p>",
    "</p>",
    "<br>",
    "<b>",
    "</b>",
    "<pre>",
    "</pre>",
    "Ada",
    " ",
    "\n",
    "😀",
]
PARTS += [
    "<style>",
    "</style>",
    "<script>",
    "</script>",
    "&amp;",
    "<body>",
    "<",
    "&",
    "<![",
    "x[",
    ">",
]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PARTS), max_size=30).map("".join))
def test_visible_characters_are_the_counted_ones(html):
    parsed = HtmlText(html)
    assert len(parsed.counted) == len(parsed.starts) == len(parsed.ends)
    pieces = [parsed.text[s:e] for s, e in zip(parsed.starts, parsed.ends, strict=True)]
    for piece, character in zip(pieces, parsed.counted, strict=True):
        assert piece in ("", character) or piece.isspace()
    assert "".join("".join(pieces).split()) == "".join(parsed.text.split())
