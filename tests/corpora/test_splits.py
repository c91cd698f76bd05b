from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import Record
from spacy_jre.corpora.splits import (
    choose_by_id,
    group_records,
    parse_shares,
    record_ids,
    split_records,
)

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


def records_of(*sizes):
    """Documents of given sizes, with distinct texts."""
    return [
        Record(f"text {document}-{number}", document=f"D{document}")
        for document, size in enumerate(sizes)
        for number in range(size)
    ]


def sizes(parts):
    return {split: len(part) for split, part in parts.items()}


# shares


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("80/10/10", {"train": 0.8, "dev": 0.1, "test": 0.1}),
        ("80/20", {"train": 0.8, "dev": 0.2}),
        ("3/1", {"train": 0.75, "dev": 0.25}),
        ("0.5/0.25/0.25", {"train": 0.5, "dev": 0.25, "test": 0.25}),
        (" 1 / 1 ", {"train": 0.5, "dev": 0.5}),
    ],
)
def test_shares_are_normalized(text, shares):
    result = parse_shares(text)
    assert list(result) == list(shares)
    assert result == pytest.approx(shares)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        "80/",
        "/",
        "80-20",
        "80/10/5/5",
        "80/x",
        "100/0",
        "80/30/-10",
        "-80/-20",
        "0/0",
        "nan/1",
        "inf/1",
        "1e308/1e308/1e308",
        "1e-300/1e300",
        "1" * 400 + "/1",
        "80%/20%",
    ],
)
def test_invalid_shares_raise(text):
    with pytest.raises(ValueError, match="J630"):
        parse_shares(text)


# splitting


def test_splits_have_all_records_in_order():
    records = records_of(3, 1, 4, 1, 5, 9, 2, 6)
    parts = split_records(records, SHARES)
    assert list(parts) == ["train", "dev", "test"]
    for part in parts.values():
        assert part == [record for record in records if record in part]
    assert sum(sizes(parts).values()) == len(records)


def test_records_of_a_document_stay_together():
    parts = split_records(records_of(*[3] * 20), SHARES)
    documents = [{record.document for record in part} for part in parts.values()]
    assert sum(map(len, documents)) == len(set().union(*documents)) == 20


@pytest.mark.parametrize("seed", range(5))
def test_equal_texts_stay_together_ignoring_whitespace_and_case(seed):
    texts = ["Ada  sang", "ada sang", " ADA\tSANG\n"]
    records = [Record(f"text {n}") for n in range(20)] + [Record(t) for t in texts]
    parts = split_records(records, {"train": 0.5, "dev": 0.5}, seed=seed)
    counts = [sum(r.text in texts for r in part) for part in parts.values()]
    assert sorted(counts) == [0, 3]


@pytest.mark.parametrize(
    ("shares", "count", "expected"),
    [
        ("80/10/10", 10, [8, 1, 1]),
        ("80/10/10", 18, [14, 2, 2]),  # 14.4, 1.8, 1.8
        ("80/20", 1000, [800, 200]),
        ("70/15/15", 100, [70, 15, 15]),
        ("1/1/1", 7, [3, 2, 2]),
        ("1/1", 2, [1, 1]),
    ],
)
def test_shares_are_reached(shares, count, expected):
    parts = split_records(records_of(*[1] * count), parse_shares(shares))
    assert list(sizes(parts).values()) == expected


def test_shares_are_of_records_not_documents():
    # twenty records in one document, and twenty documents of one record
    parts = split_records(records_of(20, *[1] * 20), parse_shares("50/50"))
    assert sizes(parts) == {"train": 20, "dev": 20}
    assert {len({r.document for r in part}) for part in parts.values()} == {1, 20}


@pytest.mark.parametrize(("count", "expected"), [(3, [1, 1, 1]), (20, [18, 1, 1])])
def test_no_split_is_empty(count, expected):
    shares = {"train": 0.998, "dev": 0.001, "test": 0.001}
    parts = split_records(records_of(*[1] * count), shares)
    assert list(sizes(parts).values()) == expected


def test_same_seed_gives_the_same_split():
    records = records_of(*[2] * 30)
    once, again = (split_records(records, SHARES, seed=3) for _ in range(2))
    assert once == again


def test_another_seed_gives_another_split():
    records = records_of(*[2] * 30)
    drawn = {
        tuple(r.text for r in split_records(records, SHARES, seed=seed)["test"])
        for seed in range(5)
    }
    assert len(drawn) == 5


def test_documents_can_be_split_by_record():
    records = records_of(10)
    parts = split_records(records, SHARES, by="record")
    assert sizes(parts) == {"train": 8, "dev": 1, "test": 1}


@pytest.mark.parametrize("records", [[], records_of(9), records_of(4, 4)])
def test_fewer_documents_than_splits_raise(records):
    with pytest.raises(ValueError, match=r"J631.*3 splits"):
        split_records(records, SHARES)


def test_unknown_unit_raises():
    with pytest.raises(ValueError, match=r"J202.*'sentence'"):
        split_records(records_of(1, 1, 1), SHARES, by="sentence")


# groups


def test_equal_text_joins_two_documents():
    records = [
        Record("a", document="D1"),
        Record("b", document="D2"),
        Record("c", document="D3"),
        Record("d", document="D1"),
        Record("C ", document="D2"),
        Record("e"),
        Record("d"),
    ]
    assert group_records(records, "doc") == [[0, 3, 6], [1, 2, 4], [5]]


def test_long_chains_are_one_group():
    chain = []
    for n in range(3000):
        chain += [Record(f"{n}", document=f"{n}"), Record(f"{n + 1}", document=f"{n}")]
    assert group_records(chain, "doc") == [list(range(6000))]


def test_document_name_is_not_compared_with_texts():
    records = [Record("a", document="b"), Record("b", document="a"), Record("c")]
    assert group_records(records, "doc") == [[0], [1], [2]]


def test_document_can_have_an_empty_name():
    records = [Record("a", document=""), Record("b", document=""), Record("c")]
    assert group_records(records, "doc") == [[0, 1], [2]]


RECORDS = st.lists(
    st.builds(
        Record,
        st.sampled_from([*"abcdefghijkl", "A", "B ", "c\n"]),
        document=st.none() | st.sampled_from([f"D{n}" for n in range(10)]),
    ),
    max_size=20,
)


def joined(a, b):
    """Whether two records must stay together, by definition."""
    same = a.text.split() and a.text.strip().lower() == b.text.strip().lower()
    return same or (a.document is not None and a.document == b.document)


def groups_by_definition(records):
    """The transitive closure, computed step by step."""
    group = list(range(len(records)))
    for _ in records:
        for i, a in enumerate(records):
            for j, b in enumerate(records):
                if joined(a, b):
                    group[i] = group[j] = min(group[i], group[j])
    return sorted([i for i, g in enumerate(group) if g == n] for n in set(group))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(RECORDS)
def test_groups_are_the_closure_of_equal_texts_and_documents(records):
    assert group_records(records, "doc") == groups_by_definition(records)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(RECORDS, st.sampled_from(["80/10/10", "50/50", "98/1/1"]), st.integers(0, 9))
def test_any_split_keeps_groups_and_shares(records, shares, seed):
    shares = parse_shares(shares)
    groups = groups_by_definition(records)
    if len(groups) < len(shares):
        return
    parts = split_records(records, shares, seed=seed)
    assert all(parts.values())
    assert sum(map(Counter, map(ids, parts.values())), Counter()) == Counter(
        ids(records)
    )
    for part in parts.values():
        inside = set(ids(part))
        assert all(
            inside >= members or inside.isdisjoint(members)
            for members in ({id(records[i]) for i in group} for group in groups)
        )
    if min(shares.values()) * len(records) >= 1:
        biggest = max(map(len, groups))
        for split, part in parts.items():
            assert abs(len(part) - shares[split] * len(records)) < biggest


def ids(records):
    return [id(record) for record in records]


# ids


IDS = [
    Record("a", document="D1", meta={"orig_id": 7}),
    Record("b", document="D1", meta={"orig_id": "x"}),
    Record("c", meta={"orig_id": 12}),
    Record("d", document="D2"),
    Record("e"),
]


@pytest.mark.parametrize(
    ("wanted", "texts"),
    [
        (set(), ""),
        ({"7"}, "a"),
        ({"12", "x"}, "bc"),
        ({"D1"}, "ab"),
        ({"D2", "7", "D1"}, "abd"),
    ],
)
def test_ids_select_by_orig_id_or_document(wanted, texts):
    assert [r.text for r in choose_by_id(IDS, wanted, "ids.txt")] == list(texts)


def test_unknown_ids_raise():
    with pytest.raises(ValueError, match=r"J632.*ids\.txt: 2 id.*such as 1, e\."):
        list(choose_by_id(IDS, {"7", "e", "1"}, "ids.txt"))


def test_message_lists_only_some_of_many_missing_ids():
    with pytest.raises(ValueError, match=r"20 id.*such as m10, m11, m12, m13, m14\."):
        list(choose_by_id(IDS, {f"m{n}" for n in range(10, 30)}, "ids.txt"))


def test_ids_of_a_record_are_orig_id_and_document():
    assert [record_ids(record) for record in IDS] == [
        {"7", "D1"},
        {"x", "D1"},
        {"12"},
        {"D2"},
        set(),
    ]
