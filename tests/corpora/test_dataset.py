"""Reading dataset.json, and arranging the records of its files."""

import re
import shutil
from functools import cache

import pytest

from spacy_jre.annotations import EntityRecord, Record
from spacy_jre.corpora.dataset import (
    Dataset,
    find_dataset,
    has_overlaps,
    read_dataset,
)
from spacy_jre.corpora.formats.spert_json import read_spert_json

from ..conftest import ROOT, SHARED, write_json

ASSETS = sorted(ROOT.glob("assets/*/dataset.json"))
TRAIN_TEST = {"train": ["a.json"], "test": ["b.json"]}


def read(folder, /, **values):
    return read_dataset(write_json(folder / "dataset.json", values))


# the file


def test_empty_object_uses_the_defaults(tmp_path):
    assert read(tmp_path) == Dataset(tmp_path)


def test_defaults_are_english_and_one_file_per_split(tmp_path):
    dataset = read(tmp_path)
    assert (dataset.lang, dataset.keep, dataset.encoder) == ("en", "best", "")
    assert (dataset.folds, dataset.dev_share) == (0, 0.0)
    switches = ("train_minus_test", "without_overlaps", "per_sentence")
    assert not any(getattr(dataset, name) for name in switches)
    lists = ("entities", "relations", "files", "settings", "limits")
    assert not any(getattr(dataset, name) for name in lists)


def test_all_fields_are_read(tmp_path):
    values = {
        "title": "Story",
        "license": "MIT",
        "source": "https://example.com",
        "lang": "zh",
        "entities": ["PER"],
        "relations": {"knows": ["PER", "PER"]},
        "files": TRAIN_TEST,
        "folds": 3,
        "train_minus_test": True,
        "dev_share": 0.5,
        "without_overlaps": True,
        "per_sentence": True,
        "keep": "last",
        "encoder": "tok2vec",
        "settings": {"components.jre.symmetric": ["knows"]},
        "network": {"annotations": {"PER": "a person"}},
        "limits": {"min_sentences": 3},
    }
    dataset = read(tmp_path, **values)
    assert {name: getattr(dataset, name) for name in values} == values
    assert dataset.folder == tmp_path


def test_relations_can_be_a_list_of_labels(tmp_path):
    assert read(tmp_path, relations=["knows"]).relations == ["knows"]


def test_share_can_be_an_integer(tmp_path):
    assert read(tmp_path, dev_share=0).dev_share == 0


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        *(
            pytest.param(name, 3, ", not 3", id=name)
            for name in ("title", "license", "source", "lang", "keep", "encoder")
        ),
        ("entities", "PER", "valid list, not 'PER'"),
        ("entities", {"PER": 1}, "valid list, not {'PER': 1}"),
        ("relations", "knows", "valid list, not 'knows'"),
        ("files", ["train.json"], "valid dictionary, not ['train.json']"),
        ("settings", [], "valid dictionary, not []"),
        ("limits", 3, "valid dictionary, not 3"),
        ("folds", 1.5, "valid integer, not 1.5"),
        ("folds", True, "valid integer, not True"),
        ("dev_share", "0.1", "valid number, not '0.1'"),
        ("dev_share", False, "valid number, not False"),
        ("train_minus_test", 1, "valid boolean, not 1"),
        ("without_overlaps", "yes", "valid boolean, not 'yes'"),
        ("per_sentence", None, "valid boolean, not None"),
        ("keep", "first", "'best' or 'last', not 'first'"),
        ("dev_share", -0.1, "greater than or equal to 0, not -0.1"),
        ("dev_share", 1, "less than 1, not 1"),
        ("files", {"train": ["a"]}, "must have train and test"),
        ("files", {"train": ["a"], "dev": ["b"]}, "must have train and test"),
        (
            "files",
            {**TRAIN_TEST, "extra": ["c"]},
            "'train', 'dev' or 'test', not 'extra'",
        ),
        *(
            ("settings", {name: 3}, f"not: {name}")
            for name in (
                "components.jre.model.tok2vec",
                "components.jre.model.tok2vec.transformer_config",
                "components.jre.model.@architectures",
                "components.jre.scorer",
                "components.ner.threshold",
                "initialize.before_init",
                "nlp.tokenizer",
            )
        ),
        *(
            ("network", {name: 3}, f"not: {name}")
            for name in ("tok2vec", "@architectures", "dropout")
        ),
        (
            "network",
            {"annotations": {"@readers": "x"}},
            "must not refer to a registered function",
        ),
        (
            "settings",
            {"components.jre.model.annotations": {"a": [{"@readers": "x"}]}},
            "must not refer to a registered function",
        ),
        *(
            ("encoder", name, f", not {name!r}")
            for name in ("/tmp/encoder", "../encoder", "a/b/c", "~/encoder", "a//b")
        ),
        ("label", ["PER"], "is unknown. Known: title, license, source, lang"),
        ("folder", "x", "is unknown."),
    ],
)
def test_invalid_field_raises(tmp_path, field, value, problem):
    with pytest.raises(ValueError, match=r"^\[J633\]") as caught:
        read(tmp_path, **{field: value})
    message = str(caught.value)
    assert f"{tmp_path / 'dataset.json'}: field '{field}' " in message
    assert problem in message


def test_type_of_every_field_is_checked(tmp_path):
    # no field accepts null
    names = [name for name in vars(Dataset(tmp_path)) if name != "folder"]
    assert len(names) == 17
    for name in names:
        with pytest.raises(ValueError, match=rf"J633.*'{name}' is invalid"):
            read(tmp_path, **{name: None})


def test_keeping_the_best_epoch_requires_dev_data(tmp_path):
    with pytest.raises(ValueError, match=r"J633.*'keep' must be 'last'"):
        read(tmp_path, files=TRAIN_TEST)


@pytest.mark.parametrize(
    "values",
    [
        {"files": TRAIN_TEST, "keep": "last"},
        {"files": TRAIN_TEST, "dev_share": 0.1},
        {"files": {**TRAIN_TEST, "dev": ["c.json"]}},
        {},
    ],
)
def test_dev_files_and_dev_share_are_dev_data(tmp_path, values):
    assert read(tmp_path, **values)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{broken", "broken JSON"),
        ("", "broken JSON"),
        ("[]", "must be an object"),
        ('"en"', "must be an object"),
    ],
)
def test_file_that_is_not_an_object_raises(tmp_path, text, problem):
    path = tmp_path / "dataset.json"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=rf"J633.*dataset\.json.*{problem}"):
        read_dataset(path)


def test_missing_file_raises(tmp_path):
    with pytest.raises(ValueError, match=r"J601.*dataset\.json"):
        read_dataset(tmp_path / "dataset.json")


def test_folder_without_the_file_has_no_dataset(tmp_path):
    assert find_dataset(tmp_path) is None
    assert find_dataset(tmp_path / "gone") is None


def test_folder_with_the_file_has_a_dataset(tmp_path):
    write_json(tmp_path / "dataset.json", {"lang": "zh"})
    assert find_dataset(tmp_path) == Dataset(tmp_path, lang="zh")


# paths


def test_fold_number_is_inserted_into_file_names(tmp_path):
    files = {"train": ["all.json", "{fold}/more.json"], "test": ["test_{fold}.json"]}
    dataset = Dataset(tmp_path, files=files, folds=3, keep="last")
    assert dataset.paths(2) == {
        "train": [tmp_path / "all.json", tmp_path / "2/more.json"],
        "test": [tmp_path / "test_2.json"],
    }


def test_splits_are_in_fixed_order(tmp_path):
    files = {"test": ["c"], "dev": ["b"], "train": ["a"]}
    assert list(Dataset(tmp_path, files=files).paths()) == ["train", "dev", "test"]


@pytest.mark.parametrize(("folds", "fold"), [(3, 3), (3, -1), (1, 1), (0, 1)])
def test_unknown_fold_raises(tmp_path, folds, fold):
    dataset = Dataset(tmp_path, files=TRAIN_TEST, folds=folds, keep="last")
    message = rf"\[J634\] {re.escape(str(tmp_path))} has {folds} .*Fold {fold} does not"
    with pytest.raises(ValueError, match=message):
        dataset.paths(fold)


def test_without_files_the_folder_is_searched(tmp_path):
    for name in ("train.json", "dev.txt", "notes.md"):
        (tmp_path / name).touch()
    (tmp_path / "test").mkdir()
    assert Dataset(tmp_path).paths() == {
        "train": [tmp_path / "train.json"],
        "dev": [tmp_path / "dev.txt"],
        "test": [tmp_path / "test"],
    }


@pytest.mark.parametrize("suffix", [".json.gz", ".gz", ".conllu.GZ"])
def test_gzip_files_are_found_without_files(tmp_path, suffix):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}{suffix}").touch()
    assert Dataset(tmp_path).paths() == {
        split: [tmp_path / f"{split}{suffix}"] for split in ("train", "dev", "test")
    }


def test_a_plain_and_a_gzip_file_of_a_split_raise(tmp_path):
    for name in ("train.json", "train.json.gz", "dev.json", "test.json"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"J705.*train\.json.*train\.json\.gz"):
        Dataset(tmp_path).paths()


@pytest.mark.parametrize(
    ("fields", "rearranges"),
    [
        ({}, False),
        ({"files": {"train": ["a"], "dev": ["b"], "test": ["c"]}}, False),
        ({"files": {"train": ["a"], "test": ["c"]}, "keep": "last"}, True),
        ({"train_minus_test": True}, True),
        ({"without_overlaps": True}, True),
        ({"dev_share": 0.5}, True),
    ],
)
def test_only_some_datasets_rearrange_their_records(tmp_path, fields, rearranges):
    assert Dataset(tmp_path, **fields).rearranges == rearranges


def test_folder_without_a_split_raises(tmp_path):
    for name in ("train.json", "test.json"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"J716.* has no dev\.\*\. .*--split 80/10/10"):
        Dataset(tmp_path).paths()


def test_two_files_for_a_split_raise(tmp_path):
    for name in ("train.json", "train.txt", "dev.json", "test.json"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"J705.*train\.json.*train\.txt"):
        Dataset(tmp_path).paths()


# arranging records


def note(number, document=None, text=None, entities=()):
    meta = {} if document else {"orig_id": number}
    return Record(
        text or f"text {number}",
        tuple(EntityRecord(*e) for e in entities),
        document=document,
        source=f"notes, line {number}",
        meta=meta,
    )


def arrange(folder, left_out=None, /, *, train=(), test=(), dev=None, **values):
    splits = {"train": list(train), "test": list(test)}
    if dev is not None:
        splits["dev"] = list(dev)
    left_out = {} if left_out is None else left_out
    return Dataset(folder, **values).arrange(splits, left_out)


def test_splits_are_unchanged_by_default(tmp_path):
    train, dev, test = [note(3), note(1)], [note(2)], [note(4), note(0)]
    result = arrange(tmp_path, train=train, dev=dev, test=test)
    assert result == {"train": train, "dev": dev, "test": test}
    assert list(result) == ["train", "dev", "test"]


def test_train_minus_test_compares_orig_id(tmp_path):
    everything = [note(number) for number in (5, 3, 4, 1)]
    # records are compared by id, not by text
    test = [note(3, text="another")]
    result = arrange(tmp_path, train=everything, test=test, train_minus_test=True)
    assert [record.meta["orig_id"] for record in result["train"]] == [5, 4, 1]
    assert result["test"] == test


def test_train_minus_test_compares_documents(tmp_path):
    everything = [note(n, f"report {n // 2}") for n in range(6)]
    test = [note(9, "report 1")]
    result = arrange(tmp_path, train=everything, test=test, train_minus_test=True)
    assert [r.document for r in result["train"]] == ["report 0"] * 2 + ["report 2"] * 2


def test_train_keeps_records_of_test_by_default(tmp_path):
    everything = [note(0), note(1)]
    result = arrange(tmp_path, train=everything, test=everything[:1])
    assert result["train"] == everything


OVERLAP = [(0, 4, "A"), (2, 6, "B")]


@pytest.mark.parametrize(
    ("entities", "overlap"),
    [
        ([], False),
        ([(0, 4, "A")], False),
        ([(0, 2, "A"), (2, 4, "B")], False),
        (OVERLAP, True),
        ([(2, 6, "B"), (0, 4, "A")], True),
        ([(0, 6, "A"), (2, 4, "B")], True),
        ([(0, 2, "A"), (0, 2, "B")], True),
        ([(0, 1, "A"), (2, 3, "A"), (2, 6, "B")], True),
    ],
)
def test_entities_overlap_if_they_share_a_character(entities, overlap):
    assert has_overlaps(note(0, entities=entities)) == overlap


def test_texts_with_overlaps_are_reported(tmp_path):
    left_out = {}
    result = arrange(
        tmp_path,
        left_out,
        train=[note(0, entities=OVERLAP), note(1), note(2, entities=OVERLAP)],
        test=[note(3), note(4, entities=OVERLAP)],
        without_overlaps=True,
    )
    assert result == {"train": [note(1)], "dev": [note(3)], "test": [note(3)]}
    reasons = {split: [x.reason for x in left_out[split]] for split in left_out}
    assert reasons == {
        "train": [
            "notes, line 0: has overlapping entities",
            "notes, line 2: has overlapping entities",
        ],
        "test": ["notes, line 4: has overlapping entities"],
    }


def test_text_with_overlaps_is_not_reported_as_broken(tmp_path):
    left_out = {}
    train = [note(0, entities=OVERLAP), note(1)]
    arrange(tmp_path, left_out, train=train, test=[note(2)], without_overlaps=True)
    (result,) = left_out["train"]
    assert not result.broken
    assert result.kind not in ("record", "entity", "relation")


def test_test_record_with_overlaps_is_also_removed_from_train(tmp_path):
    overlapping = note(1, entities=OVERLAP)
    result = arrange(
        tmp_path,
        train=[note(0), overlapping, note(2)],
        test=[overlapping, note(2)],
        train_minus_test=True,
        without_overlaps=True,
    )
    assert (result["train"], result["test"]) == ([note(0)], [note(2)])


def test_dev_share_is_split_from_train_by_documents(tmp_path):
    # ten documents of two records
    train = [note(n, f"report {n // 2}") for n in range(20)]
    result = arrange(tmp_path, train=train, test=[note(99)], dev_share=0.3)
    documents = {s: {r.document for r in result[s]} for s in ("train", "dev")}
    assert (len(result["train"]), len(result["dev"])) == (14, 6)
    assert not documents["train"] & documents["dev"]
    assert result["test"] == [note(99)]


def test_splitting_dev_keeps_the_order_and_all_records(tmp_path):
    train = [note(n) for n in (7, 2, 9, 4, 1, 8)]
    result = arrange(tmp_path, train=train, test=[note(99)], dev_share=0.5)
    for split in ("train", "dev"):
        assert result[split] == [r for r in train if r in result[split]]
    assert sorted(map(train.index, result["train"] + result["dev"])) == [*range(6)]


def test_splitting_dev_is_deterministic(tmp_path):
    values = {"train": [note(n) for n in range(30)], "test": [note(99)]}
    first, second = (arrange(tmp_path, **values, dev_share=0.4) for _ in range(2))
    assert first == second


def test_dev_is_test_without_dev_data(tmp_path):
    result = arrange(tmp_path, train=[note(0)], test=[note(1)])
    assert list(result) == ["train", "dev", "test"]
    assert result["dev"] == result["test"] == [note(1)]


# shipped datasets


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.parent.name)
def test_shipped_dataset_loads(path):
    dataset = read_dataset(path)
    assert dataset.title
    assert dataset.license
    assert dataset.source.startswith("http")
    assert dataset.entities
    assert dataset.relations


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.parent.name)
def test_shipped_dataset_has_a_readme_with_its_terms(path):
    text = (path.parent / "README.md").read_text(encoding="utf8")
    other = re.search(r"uses the files in `\.\./(\w+)`", text)
    if other:  # the license is in the folder with the files
        text = (ROOT / "assets" / other[1] / "README.md").read_text(encoding="utf8")
    assert re.search(r"\bterms\b|\blicen[cs]ed?\b", text, re.IGNORECASE)


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.parent.name)
def test_relations_of_a_shipped_dataset_use_its_entity_labels(path):
    dataset = read_dataset(path)
    if isinstance(dataset.relations, dict):
        for pair in dataset.relations.values():
            assert len(pair) == 2
            assert set(pair) <= set(dataset.entities)


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.parent.name)
def test_labels_in_settings_of_a_shipped_dataset_are_its_own(path):
    dataset = read_dataset(path)
    symmetric = dataset.settings.get("components.jre.symmetric", [])
    assert set(symmetric) <= set(dataset.relations)


def test_nine_datasets_are_shipped():
    assert [path.parent.name for path in ASSETS] == [
        *("ace04", "ace05", "ade", "ade_no_overlap", "conll04", "conll04_train_dev"),
        *("ddi_zh", "newswire", "scierc"),
    ]


DESCRIBED = ["ace04", "ace05", "ade", "ade_no_overlap", "conll04", "conll04_train_dev"]


@pytest.mark.parametrize("name", [*DESCRIBED, "scierc"])
def test_every_label_of_a_public_corpus_has_a_short_description(name):
    dataset = read_dataset(ROOT / "assets" / name / "dataset.json")
    annotations = dataset.network["annotations"]
    assert set(annotations) == {*dataset.entities, *dataset.relations}
    # at most ten words, as in the paper
    assert all(1 <= len(words.split()) <= 10 for words in annotations.values())


@pytest.mark.parametrize(
    ("name", "graph"), [("ace05", (2, 2)), ("ade", (0, 1)), ("scierc", (1, 2))]
)
def test_graph_of_a_public_corpus_has_the_layers_of_the_paper(name, graph):
    network = read_dataset(ROOT / "assets" / name / "dataset.json").network
    assert (network["entity_layers"], network["relation_layers"]) == graph


# the public corpora, in the layout of the assets


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    for path in ASSETS:
        (folder / path.parent.name).mkdir()
        shutil.copy(path, folder / path.parent.name)
    for name in ("full", *(f"split_{fold}_test" for fold in range(10))):
        shutil.copy(
            SHARED / "ade" / "spert" / f"ade_{name}.json", folder / f"ade/{name}.json"
        )
    for split in ("train", "dev", "test"):
        for name in ("conll04", "scierc"):
            shutil.copy(
                SHARED / name / "spert" / f"{name}_{split}.json",
                folder / name / f"{split}.json",
            )
    return folder


@cache
def read_file(path):
    return list(read_spert_json(path))


def arranged(folder, fold=0):
    """The splits of a dataset, and the texts that are left out."""
    dataset = read_dataset(folder / "dataset.json")
    splits = {
        split: [record for path in paths for record in read_file(path)]
        for split, paths in dataset.paths(fold).items()
    }
    left_out: dict = {}
    return dataset.arrange(splits, left_out), left_out


def counts(records):
    return (
        len(records),
        sum(len(r.entities) for r in records),
        sum(len(r.relations) for r in records),
    )


@pytest.fixture(scope="module")
def ade_full(assets):
    return read_file(assets / "ade" / "full.json")


@pytest.mark.data
@pytest.mark.parametrize("fold", range(10))
def test_fold_of_ade_splits_its_4272_sentences(assets, ade_full, fold):
    result, _ = arranged(assets / "ade", fold)
    ids = {s: [r.meta["orig_id"] for r in result[s]] for s in ("train", "test")}
    assert len(ids["train"]) == 4272 - len(ids["test"])
    assert len(ids["test"]) == (429 if fold == 9 else 427)
    assert {*ids["train"], *ids["test"]} == {r.meta["orig_id"] for r in ade_full}
    assert result["dev"] == result["test"]


@pytest.mark.data
def test_test_parts_of_ade_partition_it(assets, ade_full):
    dataset = read_dataset(assets / "ade" / "dataset.json")
    ids = [
        record.meta["orig_id"]
        for fold in range(dataset.folds)
        for path in dataset.paths(fold)["test"]
        for record in read_file(path)
    ]
    assert len(ids) == len(ade_full) == 4272
    assert set(ids) == {record.meta["orig_id"] for record in ade_full}


@pytest.mark.data
def test_train_part_of_the_first_fold_is_the_published_one(assets):
    result, _ = arranged(assets / "ade")
    published = list(
        read_spert_json(SHARED / "ade" / "spert" / "ade_split_0_train.json")
    )
    by_id = {record.meta["orig_id"]: record for record in published}
    assert len(by_id) == len(published) == len(result["train"])
    assert {record.meta["orig_id"]: record for record in result["train"]} == by_id


@pytest.mark.data
def test_first_fold_of_ade_without_overlaps_has_the_published_sizes(assets):
    result, left_out = arranged(assets / "ade_no_overlap")
    assert counts(result["test"]) == (415, 1030, 634)
    # SpERT splits it into 3178 for train and 560 for dev
    assert len(result["train"]) == 3738 == 3178 + 560
    assert len(left_out["train"]) + len(left_out["test"]) == 119


@pytest.mark.data
def test_conll04_train_dev_has_both(assets):
    result, _ = arranged(assets / "conll04_train_dev")
    assert len(result["train"]) == 1153 == 922 + 231
    assert len(result["test"]) == 288
    assert result["dev"] == result["test"]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "sizes"), [("conll04", (922, 231, 288)), ("scierc", (1861, 275, 551))]
)
def test_split_has_the_published_sizes(assets, name, sizes):
    result, _ = arranged(assets / name)
    assert tuple(map(len, result.values())) == sizes


@pytest.mark.data
@pytest.mark.parametrize("name", ["ade", "conll04", "scierc"])
def test_labels_of_a_dataset_equal_those_in_its_files(assets, name):
    dataset = read_dataset(assets / name / "dataset.json")
    result, _ = arranged(assets / name)
    records = result["train"] + result["test"]
    labels = {e.label for r in records for e in r.entities}
    assert sorted(labels) == sorted(dataset.entities)
    labels = {x.label for r in records for x in r.relations}
    assert sorted(labels) == sorted(dataset.relations)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"files": {"train": "train.json", "test": ["t.json"]}}, "files"),
        ({"files": {"train": [], "test": ["t.json"]}}, "files"),
        ({"files": {"train": [3], "test": ["t.json"]}}, "files"),
        ({"files": {"train": ["{x}.json"], "test": ["t.json"]}}, "files"),
        ({"folds": -1}, "folds"),
        ({"entities": [3]}, "entities"),
        ({"entities": [""]}, "entities"),
        ({"relations": [None]}, "relations"),
        ({"relations": {"r": "PER"}}, "relations"),
        ({"relations": {"r": ["PER"]}}, "relations"),
    ],
)
def test_invalid_nested_value_raises(tmp_path, values, field):
    path = write_json(tmp_path / "dataset.json", values)
    with pytest.raises(ValueError, match=r"\[J633\]") as error:
        read_dataset(path)
    assert f"field '{field}'" in str(error.value)
