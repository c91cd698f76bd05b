from itertools import product

import pytest
import torch

from spacy_jre.layers.partial_attention import (
    ANNOTATION,
    MARKER,
    NO_PAIR,
    PADDING,
    TEXT,
    PartialAttention,
)

# two tokens of text, one annotation, two pairs of markers, padding
KINDS = [TEXT, TEXT, ANNOTATION, MARKER, MARKER, MARKER, MARKER, PADDING, PADDING]
PAIRS = [NO_PAIR, NO_PAIR, NO_PAIR, 0, 1, 0, 1, NO_PAIR, NO_PAIR]
SETTINGS = [
    {"mask": mask, "text_sees_markers": text, "markers_see": markers}
    for mask, text, markers in product(
        ("invisible", "visible", "full"), (True, False), ("all", "pair")
    )
]


def mask_of(kinds=None, pairs=None, **settings):
    attention = PartialAttention(**settings)
    kinds = torch.tensor([KINDS if kinds is None else kinds])
    pairs = torch.tensor([PAIRS if pairs is None else pairs])
    return attention(kinds, pairs)[0]


def picture(mask) -> list[str]:
    return ["".join("x" if cell else "." for cell in row) for row in mask.tolist()]


def test_default_is_the_first_matrix_of_the_paper():
    # text  annotation  markers  padding
    assert picture(mask_of()) == [
        "xx.xxxx..",
        "xx.xxxx..",
        "..x......",
        "xxxxxxx..",
        "xxxxxxx..",
        "xxxxxxx..",
        "xxxxxxx..",
        ".......x.",
        "........x",
    ]


def test_visible_lets_text_and_annotations_see_each_other():
    assert picture(mask_of(mask="visible")) == [
        "xxxxxxx..",
        "xxxxxxx..",
        "xxx......",
        *["xxxxxxx.."] * 4,
        ".......x.",
        "........x",
    ]


@pytest.mark.parametrize("text_sees_markers", [True, False])
@pytest.mark.parametrize("markers_see", ["all", "pair"])
def test_full_shows_everything_but_padding(text_sees_markers, markers_see):
    mask = mask_of(
        mask="full", text_sees_markers=text_sees_markers, markers_see=markers_see
    )
    assert picture(mask) == ["xxxxxxx.."] * 7 + [".......x.", "........x"]


def test_levitated_markers_are_those_of_pl_marker():
    mask = mask_of(text_sees_markers=False, markers_see="pair")
    assert picture(mask) == [
        "xx.......",
        "xx.......",
        "..x......",
        "xxxx.x...",
        "xxx.x.x..",
        "xxxx.x...",
        "xxx.x.x..",
        ".......x.",
        "........x",
    ]


def seen_by_the_table(viewer, seen, viewer_pair, seen_pair, settings) -> bool:
    """The table of MODELS.md, cell by cell."""
    mask = settings["mask"]
    if seen == PADDING or viewer == PADDING:
        return False
    if viewer == TEXT:
        return {
            TEXT: True,
            ANNOTATION: mask in ("visible", "full"),
            MARKER: settings["text_sees_markers"] or mask == "full",
        }[seen]
    if viewer == ANNOTATION:
        return {
            TEXT: mask in ("visible", "full"),
            ANNOTATION: True,
            MARKER: mask == "full",
        }[seen]
    if seen == MARKER:
        own = viewer_pair == seen_pair
        return own or settings["markers_see"] == "all" or mask == "full"
    return True


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_cell_is_that_of_the_table(settings):
    rng = torch.Generator().manual_seed(0)
    kinds = torch.randint(0, 4, (30,), generator=rng).tolist()
    pairs = [i % 3 if kind == MARKER else NO_PAIR for i, kind in enumerate(kinds)]
    found = mask_of(kinds, pairs, **settings)
    for i, j in product(range(30), repeat=2):
        wanted = i == j or seen_by_the_table(
            kinds[i], kinds[j], pairs[i], pairs[j], settings
        )
        assert bool(found[i, j]) == wanted, (i, j)


def test_rows_of_a_batch_have_nothing_to_do_with_each_other():
    attention = PartialAttention(markers_see="pair")
    other = torch.tensor([MARKER, TEXT, MARKER, *[PADDING] * 6])
    pairs = torch.tensor([0, NO_PAIR, 0, *[NO_PAIR] * 6])
    both = attention(
        torch.stack([torch.tensor(KINDS), other]),
        torch.stack([torch.tensor(PAIRS), pairs]),
    )
    assert torch.equal(both[0], mask_of(markers_see="pair"))
    assert torch.equal(both[1], mask_of(other.tolist(), pairs.tolist()))


def test_table_is_no_weight_but_moves_along():
    attention = PartialAttention()
    assert not attention.state_dict()
    assert [name for name, _ in attention.named_buffers()] == ["seen_kinds"]


@pytest.mark.parametrize(
    ("name", "value"), [("mask", "partly"), ("markers_see", "none")]
)
def test_unknown_value_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"J202.*{name}.*{value}"):
        PartialAttention(**{name: value})
