"""The text of an HTML document as a browser shows it, for annotations with offsets in
the text nodes of the document."""

from html.parser import HTMLParser

# removed, or not part of the body
SKIPPED = {"head", "title", "script", "iframe", "noscript", "textarea", "option"}
# these start and end a line
BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "dd", "details", "dialog"),
    *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1"),
    *("h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p"),
    *("pre", "section", "summary", "table", "td", "th", "tr", "ul"),
}
COLLAPSIBLE = " \t\n\r\f"


class HtmlText(HTMLParser):
    """The visible text of an HTML document, and the positions of the characters of its
    text nodes in it.

    Sequences of whitespace are one space, and blocks such as paragraphs are separated
    by line breaks. Each character of the text nodes in the body is counted, whether it
    is visible or not. A ``<br>`` counts as one character.

    html (str): The document, or a part of its body.

    text (str): The visible text.
    counted (str): The counted characters.
    starts, ends (list[int]): For each counted character, the position in the visible
        text where it starts and ends. They are equal if it is not visible.
    has_body (bool): Whether the document has a ``<body>`` tag. If not, browsers can
        exclude whitespace at the start from the body.
    """

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self._start()
        self.has_body = False
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
        self.close()
        self.text = "".join(self._visible)
        self.counted = "".join(self._counted)

    def _start(self) -> None:
        self._visible: list[str] = []
        self._counted: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self._skipped = self._styles = self._preformatted = 0
        self._after_pre = False

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        if tag == "body":
            self._start()
            self.has_body = True
        elif tag in SKIPPED:
            self._skipped += 1
        elif tag == "style":
            self._styles += 1
        elif tag == "br" and not self._skipped:
            self._break()
            self._count("\n", len(self._visible))
        self._preformatted += tag == "pre"
        self._after_pre = tag == "pre"
        if tag in BLOCKS:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in SKIPPED:
            self._skipped = max(self._skipped - 1, 0)
        elif tag == "style":
            self._styles = max(self._styles - 1, 0)
        elif tag == "pre":
            self._preformatted = max(self._preformatted - 1, 0)
        if tag in BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._after_pre:  # not part of the document
            data = data.removeprefix("\n")
        self._after_pre = False
        visible = self._visible
        for character in data:
            start = len(visible)
            if self._styles:
                pass
            elif self._preformatted or character not in COLLAPSIBLE:
                visible.append(character)
            elif visible and visible[-1] not in COLLAPSIBLE:
                visible.append(" ")
            self._count(character, start)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Ignore ``<![...>``, like browsers. HTMLParser raises an AssertionError for
        unknown names."""
        return self.parse_bogus_comment(i)

    def _count(self, character: str, start: int) -> None:
        self._counted.append(character)
        self.starts.append(start)
        self.ends.append(len(self._visible))

    def _break(self) -> None:
        """Start a new line."""
        if not self._visible or self._skipped:
            return
        if self._visible[-1] == " ":
            self._visible[-1] = "\n"
        elif self._visible[-1] != "\n":
            self._visible.append("\n")
