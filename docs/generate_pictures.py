"""Write the pictures of the README.

::

    python docs/generate_pictures.py

The pictures are screenshots of the first text on the pages of `spacy jre show` and
`spacy jre evaluate --html`, for annotations that are written below. Chromium has to be
in the PATH (Debian: `apt-get install chromium`).
"""

import html
import shutil
import subprocess
import tempfile
from pathlib import Path

import spacy
from spacy.tokens import Doc

from spacy_jre import register_extension
from spacy_jre.display import evaluation_page, render_page
from spacy_jre.evaluation import compare_docs

FOLDER = Path(__file__).parent
TEXT = "Mara Velten, a spokeswoman for Norrland Rail, was born in Umea, Sweden."
LABELS = {
    **{"Mara Velten": "PER", "Norrland Rail": "ORG", "Rail": "ORG"},
    **{"Umea": "LOC", "Sweden": "LOC"},
}
GOLD = [
    ("Mara Velten", "works_for", "Norrland Rail", 0.98),
    ("Mara Velten", "lives_in", "Umea", 0.91),
    ("Umea", "located_in", "Sweden", 0.88),
]
# a wrong boundary, a missed relation and a false alarm
PREDICTED = [
    ("Mara Velten", "works_for", "Rail", 0.62),
    ("Mara Velten", "lives_in", "Umea", 0.91),
    ("Mara Velten", "lives_in", "Sweden", 0.57),
]
WIDTH = 960
# the page is a frame, because its policy forbids other scripts
FRAME = """<!DOCTYPE html>
<style>body {{ margin: 0; overflow: hidden; }} iframe {{ border: 0; }}</style>
<iframe width="{width}" height="4000" srcdoc="{page}"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.onload = async () => {{
  await frame.contentDocument.fonts.ready;
  // before printing, the page draws all arcs
  frame.contentWindow.dispatchEvent(new Event("beforeprint"));
  const section = frame.contentDocument.querySelector("section");
  frame.style.marginTop = `${{8 - section.getBoundingClientRect().top}}px`;
}};
</script>
"""


def make_doc(relations: list[tuple[str, str, str, float]]) -> Doc:
    doc = spacy.blank("en")(TEXT)
    spans = {}
    for text in {name for head, _, tail, _ in relations for name in (head, tail)}:
        start = TEXT.index(text)
        spans[text] = doc.char_span(start, start + len(text), label=LABELS[text])
    doc.ents = list(spans.values())
    doc._.relations = [
        (spans[head], spans[tail], label, score)
        for head, label, tail, score in relations
    ]
    return doc


def take_screenshot(page: str, path: Path, *, height: int, dark: bool) -> None:
    """Save a picture of the first text of a page.

    page (str): The page.
    path (Path): The PNG file.
    height (int): Height of the text.
    dark (bool): Whether to use the dark colors.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not in the PATH")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(
            FRAME.format(width=WIDTH, page=html.escape(page)), encoding="utf8"
        )
        subprocess.run(
            [
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--virtual-time-budget=5000", "--force-device-scale-factor=1.5"),
                f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{height}",
                *(f"--screenshot={path}", source.as_uri()),
            ],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    register_extension()
    gold = make_doc(GOLD)
    outcome = compare_docs(gold, make_doc(PREDICTED))
    pages = {
        "triples": (render_page([gold], title=""), 220),
        "errors": (evaluation_page({}, [outcome], title=""), 398),
    }
    for name, (page, height) in pages.items():
        for dark in (False, True):
            path = FOLDER / f"{name}{'-dark' if dark else ''}.png"
            take_screenshot(page, path, height=height, dark=dark)
