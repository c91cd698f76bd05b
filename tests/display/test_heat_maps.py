"""Heat maps are drawn with all their labels."""

from xml.etree import ElementTree

import numpy as np

from spacy_jre.display.heat_maps import HeatMap, draw_heat_maps

from ..conftest import needs_matplotlib

pytestmark = needs_matplotlib

SVG = "{http://www.w3.org/2000/svg}"


def make_map(words, rows=("agent",), **settings) -> HeatMap:
    weights = np.random.default_rng(0).random((len(rows), len(words)))
    return HeatMap("layer 1", weights, list(rows), list(words), **settings)


def texts_of(path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def draw(path, *maps, title=""):
    draw_heat_maps([(title, maps)], path)
    return path


def size_of(path) -> tuple[float, float]:
    root = ElementTree.parse(path).getroot()
    width, height = (float(root.get(key).removesuffix("pt")) for key in SIDES)
    return width, height


SIDES = ("width", "height")


def test_all_labels_are_texts_of_the_svg(tmp_path):
    words = ["John", "Wilkes", "<script>", "$x_1$", "a & b"]
    texts = texts_of(draw(tmp_path / "a.svg", make_map(words), title="Sentence 1"))
    assert {*words, "agent", "layer 1", "Sentence 1"} <= set(texts)


def test_same_maps_give_the_same_file(tmp_path):
    first, second = (draw(tmp_path / f"{i}.svg", make_map("abc")) for i in range(2))
    assert first.read_bytes() == second.read_bytes()


def test_png_is_written(tmp_path):
    path = draw(tmp_path / "new" / "a.png", make_map("abc"))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_characters_without_meaning_in_xml_are_replaced(tmp_path):
    texts = texts_of(draw(tmp_path / "a.svg", make_map(["a\x00b", "\ud800", "x\ny"])))
    assert {"a�b", "�", "x␣y"} <= set(texts)


def test_long_sentence_is_broken_into_several_lines(tmp_path):
    words = [f"w{i}" for i in range(150)]
    path = draw(tmp_path / "a.svg", make_map(words))
    assert texts_of(path).count("agent") == 3
    assert set(words) <= set(texts_of(path))
    # points: 60 columns of 0.25 inches, with the labels and the scale
    assert size_of(path)[0] < 72 * 18


def test_square_map_is_not_broken(tmp_path):
    words = [f"w{i}" for i in range(80)]
    one = make_map(words, words, has_mean=True)
    assert texts_of(draw(tmp_path / "a.svg", one)).count("w79") == 2


def test_mean_of_the_rows_is_a_line_of_its_own(tmp_path):
    one = make_map("abc", "abc", has_mean=True)
    assert "mean" in texts_of(draw(tmp_path / "a.svg", one))
    other = make_map("abc", "abc")
    assert "mean" not in texts_of(draw(tmp_path / "b.svg", other))


def test_marked_columns_have_another_style(tmp_path):
    path = draw(
        tmp_path / "a.svg", make_map(["plain", "marked"], marked=frozenset({1}))
    )
    root = ElementTree.parse(path).getroot()
    styles = {"".join(t.itertext()): t.get("style") for t in root.iter(f"{SVG}text")}
    assert "#a6230b" in styles["marked"]
    assert "#a6230b" not in styles["plain"]


def test_map_of_zeros_is_drawn(tmp_path):
    one = HeatMap("zeros", np.zeros((1, 2)), ["row"], ["a", "b"])
    assert "zeros" in texts_of(draw(tmp_path / "a.svg", one))


def test_labels_of_long_words_do_not_overlap_the_next_map(tmp_path):
    short = draw(tmp_path / "a.svg", make_map(["a", "b"]), make_map(["a", "b"]))
    long = draw(
        tmp_path / "b.svg", make_map(["w" * 15, "b"]), make_map(["w" * 15, "b"])
    )
    # two labels of 15 letters are at least 2 x 1 inch high
    assert size_of(long)[1] - size_of(short)[1] > 2 * 72
