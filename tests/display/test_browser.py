"""Pages in Chromium: run with --browser. Debian's package is chromium."""

from itertools import combinations, product

import numpy as np
import pytest

from spacy_jre.display import evaluation_page, render_page

from .browser import CHROMIUM, browse
from .helpers import make_doc, make_outcome

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium in the PATH"),
]

WIDTHS = (400, 700, 1280)
SCRIPT = "<script>document.title='changed'</script>"


def doc_of(text, entities, relations=(), starts=(0,)):
    """Make a Doc of words. Entities are (first word, number of words, label)."""
    spans = [(start, start + length, label) for start, length, label in entities]
    links = [(spans[head], spans[tail], label) for head, tail, label in relations]
    return make_doc(spans, links, text.split(), starts)


def random_doc(seed, n_words=60, n_entities=12):
    rng = np.random.default_rng(seed)
    words = [
        "".join(rng.choice(list("aenrst"), rng.integers(1, 9))) for _ in range(n_words)
    ]
    spans = {
        (int(start), int(min(start + length, n_words)), str(label))
        for start, length, label in zip(
            rng.integers(0, n_words, n_entities),
            rng.integers(1, 5, n_entities),
            rng.choice(["PER", "ORG", "LOC", "A long label"], n_entities),
        )
    }
    spans = sorted(spans)
    n_relations = 3 + seed % 8
    pairs = rng.integers(0, len(spans), (n_relations, 2)).tolist()
    labels = rng.choice(["in", "works_for", "has a very long name"], n_relations)
    relations = [
        (spans[head], spans[tail], str(label))
        for (head, tail), label in zip(pairs, labels, strict=True)
    ]
    return make_doc(spans, relations, words, (0, n_words // 2))


CHINESE = "依诺肝素钠注射液 与 华法林 合用 可 增加 出血 风险"
HEBREW = "ולדימיר נולד בתל אביב ועובד בחברת אל על מאז שנת 1998"
SIXTY = " ".join(f"Name{i} met Person{i} ." for i in range(30))
DOCS = {
    "no entities": doc_of("Rain fell .", []),
    "no relations": doc_of("Rain fell on Oslo .", [(3, 1, "LOC")]),
    "nested": doc_of(
        "The New York City Police Department union boss met Ann",
        [(1, 2, "LOC"), (1, 5, "ORG"), (4, 3, "ORG"), (6, 2, "PER"), (9, 1, "PER")],
        [(3, 1, "leads"), (1, 3, "pays"), (3, 4, "met"), (4, 4, "is"), (0, 1, "has")],
    ),
    "chinese": doc_of(
        CHINESE,
        [(0, 1, "药物"), (2, 1, "药物"), (6, 1, "不良反应")],
        [(0, 1, "相互作用"), (0, 2, "引起")],
    ),
    "hebrew": doc_of(
        HEBREW,
        [(0, 1, "PER"), (2, 2, "LOC"), (6, 2, "ORG")],
        [(0, 1, "born_in"), (0, 2, "works_for")],
    ),
    "60 entities": doc_of(
        SIXTY,
        [(4 * (i // 2) + 2 * (i % 2), 1, "PER") for i in range(60)],
        [(2 * i, 2 * i + 1, "met") for i in range(30)],
    ),
    "long word": doc_of(
        f"Ada likes {'x' * 5000} in Oslo",
        [(0, 1, "PER"), (2, 1, "MISC"), (4, 1, "LOC")],
        [(0, 1, "likes"), (1, 2, "in")],
    ),
    "markup": doc_of(
        f"Ada ran {SCRIPT.replace(' ', '')} to Oslo",
        [(0, 1, SCRIPT), (2, 1, "<b>"), (4, 1, "LOC")],
        [(0, 1, SCRIPT), (0, 2, "<img src=x onerror=alert(1)>")],
    ),
    **{f"random {seed}": random_doc(seed) for seed in range(20)},
}
MARA, ORG, LONGER = (
    ("Mara", "PER"),
    ("Norrland Rail", "ORG"),
    ("Norrland Rail of Umea", "ORG"),
)
OUTCOMES = [
    make_outcome(
        "Mara of Norrland Rail of Umea left .",
        [
            ("hit", "", MARA, MARA),
            ("missed", "boundary", ORG, LONGER),
            ("false", "boundary", ORG, LONGER),
        ],
        [
            ("missed", "entity boundary", "works_for", MARA, ORG, None),
            ("false", "entity boundary", "works_for", MARA, LONGER, 0.7),
        ],
    ),
    make_outcome(
        "Rain fell on Oslo .", [("hit", "", ("Oslo", "LOC"), ("Oslo", "LOC"))]
    ),
]
CHOOSE = """
const select = page.querySelector("select[name=cause]");
select.value = "R:entity boundary";
select.form.dispatchEvent(new view.Event("change"));
"""
HOVER = """
const row = page.querySelector("[data-head]");
row.dispatchEvent(new view.MouseEvent("mouseover", { bubbles: true }));
"""
INJECT = [
    "<script>document.title='run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
]


def make_cases():
    show = render_page(DOCS.values(), title=SCRIPT)
    evaluation = evaluation_page({"ents_f": 0.5}, OUTCOMES, title="Evaluation")
    cases = {
        f"{name} {width}": (html, width, "")
        for name, html in {"show": show, "evaluate": evaluation}.items()
        for width in WIDTHS
    }
    cases["filter"] = (evaluation, 1280, CHOOSE)
    cases["hover"] = (evaluation, 1280, HOVER)
    nested = render_page([DOCS["nested"]], title="Safe")
    cases["injected"] = (
        nested.replace("</main>", f"{''.join(INJECT)}</main>"),
        700,
        "",
    )
    return {
        name: {"html": html, "width": width, "action": action}
        for name, (html, width, action) in cases.items()
    }


@pytest.fixture(scope="module", params=["light", "dark"])
def measured(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    return browse(make_cases(), folder, dark=request.param == "dark")


@pytest.fixture(params=[f"{n} {w}" for n in ("show", "evaluate") for w in WIDTHS])
def page(measured, request):
    return measured[request.param]


def overlap(one, other, margin=0.5):
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > margin
        and min(one[3], other[3]) - max(one[1], other[1]) > margin
    )


def inside(inner, outer, margin=1):
    return (
        outer[0] - margin <= inner[0]
        and inner[2] <= outer[2] + margin
        and outer[1] - margin <= inner[1]
        and inner[3] <= outer[3] + margin
    )


def contrast(one, other):
    """Compute the contrast of WCAG 2.2, https://www.w3.org/TR/WCAG22/#contrast-minimum"""

    def luminance(color):
        values = np.asarray(color) / 255
        linear = np.where(
            values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_labels_of_arcs_do_not_overlap(page):
    for figure in page["figures"]:
        for one, other in combinations(figure["labels"], 2):
            assert not overlap(one, other), figure


def test_labels_of_arcs_do_not_cover_entities(page):
    for figure in page["figures"]:
        for label in figure["labels"]:
            for entity in figure["entities"]:
                assert not any(overlap(label, box) for box in entity["boxes"])


def test_labels_of_entities_do_not_overlap(page):
    for figure in page["figures"]:
        for one, other in combinations(figure["tags"], 2):
            assert not any(overlap(*pair) for pair in product(one, other))


def test_nothing_is_wider_than_the_page(page):
    assert page["scroll"] <= page["width"]
    for figure in page["figures"]:
        for box in figure["labels"] + figure["lines"]:
            assert inside(box, figure["text"])
        for entity in figure["entities"]:
            for left, _, right, _ in entity["boxes"]:
                # a space at the end of a line is outside
                assert left >= figure["text"][0] - 5
                assert right <= figure["text"][2] + 5


def test_arcs_start_and_end_at_the_arguments(page):
    for figure in page["figures"]:
        for arc in figure["arcs"]:
            for number, (x, y) in zip((arc["head"], arc["tail"]), arc["ends"]):
                boxes = next(
                    entity["boxes"]
                    for entity in figure["entities"]
                    if entity["number"] == number and entity["boxes"]
                )
                left, top, right, _ = boxes[0]
                assert left <= x <= right
                assert 0 <= top - y <= 8


def test_texts_are_readable(page):
    for name, color, background in page["colors"]:
        assert contrast(color, background) >= 4.5, name


def states(page):
    return {
        name: figure["state"]
        for name, figure in zip(DOCS, page["figures"], strict=True)
        if not name.startswith("random")
    }


def test_arcs_are_drawn_where_they_fit(measured):
    assert states(measured["show 1280"]) == {
        "no entities": "none",
        "no relations": "none",
        "nested": "drawn",
        "chinese": "drawn",
        "hebrew": "drawn",
        "60 entities": "many",
        "long word": "drawn",
        "markup": "drawn",
    }
    assert set(states(measured["show 400"]).values()) == {"none", "narrow"}
    # so that the other tests measure labels
    drawn = [f for f in measured["show 1280"]["figures"] if f["state"] == "drawn"]
    assert sum(len(figure["labels"]) for figure in drawn) > 60


def test_every_relation_of_a_drawn_text_has_an_arc(measured):
    figure = measured["show 1280"]["figures"][list(DOCS).index("nested")]
    assert sorted(figure["names"]) == ["has", "is", "leads", "met", "pays"]


def test_markup_adds_no_script_and_is_not_run(measured):
    page = measured["show 1280"]
    assert page["title"] == SCRIPT
    assert page["scripts"] == 1


def test_policy_blocks_injected_scripts(measured):
    page = measured["injected"]
    assert page["scripts"] == 2
    assert page["title"] == "Safe"
    # the script of the page is allowed
    assert page["figures"][0]["state"] == "drawn"


def test_filter_hides_other_texts_and_counts(measured):
    assert measured["evaluate 1280"]["count"] == (
        "2 of 2 texts. Hits: 2, missed: 2, false alarms: 2"
    )
    page = measured["filter"]
    assert page["count"] == "1 of 2 texts. Hits: 0, missed: 1, false alarms: 1"
    assert page["hidden"] == [False, True]


def test_hovering_a_triple_highlights_both_arguments(measured):
    first = measured["hover"]["figures"][0]
    assert set(first["on"]) >= {"0", "2"}
    assert not measured["evaluate 1280"]["figures"][0]["on"]
