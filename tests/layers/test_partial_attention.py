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

# two text tokens, one annotation token, two pairs of markers, padding
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


def to_strings(mask) -> list[str]:
    return ["".join("x" if cell else "." for cell in row) for row in mask.tolist()]


def test_default_mask_is_the_first_mask_of_figure_a2():
    # text  annotation  markers  padding
    assert to_strings(mask_of()) == [
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


def test_visible_mask_includes_text_and_annotations():
    assert to_strings(mask_of(mask="visible")) == [
        "xxxxxxx..",
        "xxxxxxx..",
        "xxx......",
        *["xxxxxxx.."] * 4,
        ".......x.",
        "........x",
    ]


@pytest.mark.parametrize("text_sees_markers", [True, False])
@pytest.mark.parametrize("markers_see", ["all", "pair"])
def test_full_mask_excludes_only_padding(text_sees_markers, markers_see):
    mask = mask_of(
        mask="full", text_sees_markers=text_sees_markers, markers_see=markers_see
    )
    assert to_strings(mask) == ["xxxxxxx.."] * 7 + [".......x.", "........x"]


def test_levitated_markers_have_the_mask_of_pl_marker():
    mask = mask_of(text_sees_markers=False, markers_see="pair")
    assert to_strings(mask) == [
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


def is_seen(query, key, query_pair, key_pair, settings) -> bool:
    """The table of ``PartialAttention``, cell by cell."""
    mask = settings["mask"]
    if key == PADDING or query == PADDING:
        return False
    if query == TEXT:
        return {
            TEXT: True,
            ANNOTATION: mask in ("visible", "full"),
            MARKER: settings["text_sees_markers"] or mask == "full",
        }[key]
    if query == ANNOTATION:
        return {
            TEXT: mask in ("visible", "full"),
            ANNOTATION: True,
            MARKER: mask == "full",
        }[key]
    if key == MARKER:
        own = query_pair == key_pair
        return own or settings["markers_see"] == "all" or mask == "full"
    return True


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_cell_equals_the_table(settings):
    rng = torch.Generator().manual_seed(0)
    kinds = torch.randint(0, 4, (30,), generator=rng).tolist()
    pairs = [i % 3 if kind == MARKER else NO_PAIR for i, kind in enumerate(kinds)]
    result = mask_of(kinds, pairs, **settings)
    for i, j in product(range(30), repeat=2):
        expected = i == j or is_seen(kinds[i], kinds[j], pairs[i], pairs[j], settings)
        assert bool(result[i, j]) == expected, (i, j)


def test_mask_of_one_input_does_not_depend_on_the_batch():
    attention = PartialAttention(markers_see="pair")
    other = torch.tensor([MARKER, TEXT, MARKER, *[PADDING] * 6])
    pairs = torch.tensor([0, NO_PAIR, 0, *[NO_PAIR] * 6])
    both = attention(
        torch.stack([torch.tensor(KINDS), other]),
        torch.stack([torch.tensor(PAIRS), pairs]),
    )
    assert torch.equal(both[0], mask_of(markers_see="pair"))
    assert torch.equal(both[1], mask_of(other.tolist(), pairs.tolist()))


def test_table_is_a_buffer_that_is_not_saved():
    attention = PartialAttention()
    assert not attention.state_dict()
    assert [name for name, _ in attention.named_buffers()] == ["seen_kinds"]


@pytest.mark.parametrize(
    ("name", "value"), [("mask", "partly"), ("markers_see", "none")]
)
def test_unknown_value_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"J202.*{name}.*{value}"):
        PartialAttention(**{name: value})
