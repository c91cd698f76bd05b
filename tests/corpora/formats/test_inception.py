import builtins
import json
import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.inception import read_inception

from ..mutations import put_unexpected_value
from ..story import FOLDER, assert_is_the_story

pytest.importorskip("cassis", reason="needs dkpro-cassis: the extra inception")

DKPRO = "de.tudarmstadt.ukp.dkpro.core.api."
STRING, SPAN = "uima.cas.String", "uima.tcas.Annotation"
# tag in the XMI -> package and features of the layer
TYPES = {
    "ner:NamedEntity": (DKPRO + "ner.type", {"value": STRING, "identifier": STRING}),
    "seg:Sentence": (DKPRO + "segmentation.type", {}),
    "seg:Token": (DKPRO + "segmentation.type", {"form": STRING}),
    "dep:Dependency": (
        DKPRO + "syntax.type.dependency",
        {"Governor": SPAN, "Dependent": SPAN, "DependencyType": STRING},
    ),
    "meta:DocumentMetaData": (DKPRO + "metadata.type", {"documentTitle": STRING}),
    "custom:Gene": ("webanno.custom", {}),
    "custom:Disease": ("webanno.custom", {"kind": STRING}),
    "custom:Drug": ("webanno.custom", {"name": STRING, "label": STRING}),
    "custom:Dose": ("webanno.custom", {"unit": STRING, "amount": STRING}),
    "custom:Takes": (
        "webanno.custom",
        {"Governor": SPAN, "Dependent": SPAN, "how": STRING, "why": STRING},
    ),
    "coref:CoreferenceLink": (DKPRO + "coref.type", {"next": SPAN}),
    "custom:Link": ("webanno.custom", {"next": SPAN, "referenceType": STRING}),
    "custom:Slot": ("webanno.custom", {"links": "uima.cas.FSArray", "value": STRING}),
    "custom:Relation": (
        "webanno.custom",
        {"Governor": SPAN, "Dependent": SPAN, "label": STRING},
    ),
}
TEXT = "Ada Quint cooks in Oslo."
ADA = ("ner:NamedEntity", 0, 9, {"value": "PER"})
OSLO = ("ner:NamedEntity", 19, 23, {"value": "LOC"})
LIVES = ("custom:Relation", 19, 23, {"Governor": 1, "Dependent": 2, "label": "in"})


def types():
    result = [
        '<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier">'
    ]
    result.append("<types>")
    for tag, (package, features) in TYPES.items():
        name = f"{package}.{tag.partition(':')[2]}"
        result.append(f"<typeDescription><name>{name}</name>")
        result.append(f"<supertypeName>{SPAN}</supertypeName><features>")
        for feature, kind in features.items():
            result.append(f"<featureDescription><name>{feature}</name>")
            result.append(f"<rangeTypeName>{kind}</rangeTypeName></featureDescription>")
        result.append("</features></typeDescription>")
    return "".join([*result, "</types></typeSystemDescription>"])


def xmi(*annotations, text=TEXT):
    """A CAS as XMI. The annotations are numbered from 1."""
    spaces = {tag.partition(":")[0]: package for tag, (package, _) in TYPES.items()}
    result = ['<xmi:XMI xmlns:xmi="http://www.omg.org/XMI" xmi:version="2.0"']
    result.append(' xmlns:cas="http:///uima/cas.ecore"')
    for prefix, package in spaces.items():
        result.append(f' xmlns:{prefix}="http:///{package.replace(".", "/")}.ecore"')
    result.append('><cas:NULL xmi:id="0"/>')
    for number, (tag, start, end, features) in enumerate(annotations, 1):
        others = "".join(f' {key}="{value}"' for key, value in features.items())
        offsets = f'begin="{start}" end="{end}"'
        result.append(f'<{tag} xmi:id="{number}" sofa="900" {offsets}{others}/>')
    result.append('<cas:Sofa xmi:id="900" sofaNum="1" sofaID="_InitialView"')
    result.append(f' mimeType="text" sofaString="{text}"/><cas:View sofa="900"')
    members = " ".join(str(number + 1) for number in range(len(annotations)))
    return "".join([*result, f' members="{members}"/></xmi:XMI>'])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "TypeSystem.xml").write_text(types(), encoding="utf8")
    return tmp_path / "export"


def put(folder, *annotations, text=TEXT, name="doc.xmi"):
    (folder / name).write_text(xmi(*annotations, text=text), encoding="utf8")
    return folder


def read(folder, *annotations, text=TEXT):
    (record,) = read_inception(put(folder, *annotations, text=text))
    return record


def read_and_skip(path):
    skipped = []
    return list(read_inception(path, skip=skipped.append)), skipped


def pairs(record):
    return [(r.head, r.tail, r.label) for r in record.relations]


def kinds(record):
    return [(left.kind, left.broken) for left in record.left_out]


def write_zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_story_is_read():
    assert_is_the_story(read_inception(FOLDER / "inception"))


def test_annotated_document_is_read(folder):
    assert read(folder, ADA, OSLO, LIVES) == Record(
        text=TEXT,
        entities=(EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC")),
        relations=(RelationRecord(0, 1, "in"),),
        document="doc",
    )


def test_source_is_folder_and_file(folder):
    assert read(folder).source == f"{folder}, doc.xmi"


def test_relation_goes_from_governor_to_dependent(folder):
    lives = ("custom:Relation", 0, 9, {"Governor": 2, "Dependent": 1, "label": "has"})
    assert pairs(read(folder, ADA, OSLO, lives)) == [(1, 0, "has")]


def test_entities_are_in_file_order(folder):
    record = read(folder, OSLO, ADA)
    assert [entity.label for entity in record.entities] == ["LOC", "PER"]


def test_utf16_offsets_become_characters(folder):
    ada = ("ner:NamedEntity", 3, 6, {"value": "PER"})
    record = read(folder, ada, text="😀 Ada 😀")
    assert record.entities == (EntityRecord(2, 5, "PER"),)
    assert record.text[2:5] == "Ada"


def test_same_span_twice_is_two_entities(folder):
    second = ("custom:Relation", 19, 23, {"Governor": 2, "Dependent": 3, "label": "in"})
    record = read(folder, ADA, ADA, OSLO, second)
    assert len(record.entities) == 3
    assert pairs(record) == [(1, 2, "in")]


# labels


@pytest.mark.parametrize(
    ("layer", "features", "label"),
    [
        ("ner:NamedEntity", {"value": "PER", "identifier": "http://x"}, "PER"),
        ("custom:Gene", {}, "Gene"),
        ("custom:Disease", {"kind": "rare"}, "rare"),
        ("custom:Drug", {"name": "aspirin", "label": "DRUG"}, "DRUG"),
    ],
)
def test_label_is_the_string_feature(folder, layer, features, label):
    record = read(folder, (layer, 0, 3, features))
    assert record.entities == (EntityRecord(0, 3, label),)


@pytest.mark.parametrize(
    ("layer", "features"),
    [
        ("ner:NamedEntity", {}),
        ("ner:NamedEntity", {"value": ""}),
        ("ner:NamedEntity", {"identifier": "http://x"}),
        ("custom:Drug", {"name": "aspirin"}),
    ],
)
def test_span_without_label_is_left_out(folder, layer, features):
    record = read(folder, (layer, 0, 3, features))
    assert record.entities == ()
    assert kinds(record) == [("entity", False)]
    location = f"{folder}, doc.xmi, {layer.partition(':')[2]} 1"
    assert record.left_out[0].reason == f"{location}: the span has no label"


DOSE = ("custom:Dose", 0, 3, {"unit": "mg", "amount": "5"})
TAKES = ("custom:Takes", 0, 9, {"Governor": 1, "Dependent": 2, "how": "at", "why": "x"})


def test_features_of_a_layer_that_has_several_are_named(folder):
    record = read(folder, DOSE)
    assert (record.entities, kinds(record)) == ((), [("entity", False)])
    reason = record.left_out[0].reason
    assert "layer Dose has several features: unit, amount." in reason
    assert "--feature Dose=unit" in reason


@pytest.mark.parametrize("choice", ["unit", "Dose=unit", "webanno.custom.Dose=unit"])
def test_feature_of_a_layer_can_be_chosen(folder, choice):
    (record,) = read_inception(put(folder, ADA, DOSE), features=[choice])
    assert [entity.label for entity in record.entities] == ["PER", "mg"]


def test_choice_for_a_layer_comes_before_others(folder):
    put(folder, DOSE, (*TAKES[:3], {"Governor": 1, "Dependent": 1, "how": "at"}))
    features = ["unit", "how", "Dose=amount"]
    (record,) = read_inception(folder, features=features)
    assert [entity.label for entity in record.entities] == ["5"]
    assert pairs(record) == [(0, 0, "at")]


def test_features_of_a_relation_layer_that_has_several_are_named(folder):
    record = read(folder, ADA, OSLO, TAKES)
    assert (record.relations, kinds(record)) == ((), [("relation", False)])
    assert "layer Takes has several features: how, why." in record.left_out[0].reason
    (record,) = read_inception(folder, features=["why"])
    assert pairs(record) == [(0, 1, "x")]


def test_chosen_feature_comes_before_value(folder):
    ada = ("ner:NamedEntity", 0, 9, {"value": "PER", "identifier": "Q1"})
    (record,) = read_inception(put(folder, ada), features=["NamedEntity=identifier"])
    assert record.entities == (EntityRecord(0, 9, "Q1"),)


@pytest.mark.parametrize("choice", ["dose", "Gene=unit", "Token=form"])
def test_unknown_feature_raises_with_the_features_of_all_layers(folder, choice):
    with pytest.raises(ValueError, match=rf"J650.*'{choice}'.*Dose: unit, amount"):
        list(read_inception(put(folder, DOSE), features=[choice]))


def test_span_without_text_is_left_out(folder):
    record = read(folder, ("ner:NamedEntity", 4, 4, {"value": "PER"}), OSLO)
    assert record.entities == (EntityRecord(19, 23, "LOC"),)
    assert kinds(record) == [("entity", False)]


def test_relation_without_label_is_left_out(folder):
    lives = ("custom:Relation", 0, 9, {"Governor": 1, "Dependent": 2})
    record = read(folder, ADA, OSLO, lives)
    assert (record.relations, kinds(record)) == ((), [("relation", False)])


def test_relation_to_a_token_is_left_out(folder):
    record = read(folder, ADA, ("seg:Token", 19, 23, {}), LIVES)
    assert (record.relations, kinds(record)) == ((), [("relation", False)])
    reason = record.left_out[0].reason
    assert "the relation 'in' has an argument that is not an entity" in reason


def test_relation_to_a_span_without_label_is_left_out(folder):
    record = read(folder, ADA, ("ner:NamedEntity", 19, 23, {}), LIVES)
    assert record.relations == ()
    assert kinds(record) == [("entity", False), ("relation", False)]
    assert "the tail 2 of the relation was left out" in record.left_out[1].reason


def test_whitespace_at_the_edges_is_trimmed_and_counted(folder):
    record = read(folder, ("ner:NamedEntity", 3, 10, {"value": "PER"}))
    assert record.entities == (EntityRecord(4, 9, "PER"),)
    assert record.trimmed == 1


LESS = {"Governor": 1, "label": "x"}
BROKEN_ROWS = {
    "end outside": (("ner:NamedEntity", 19, 25, {"value": "x"}), "entity", "19..25"),
    "start outside": (("ner:NamedEntity", -2, 3, {"value": "x"}), "entity", "-2..3"),
    "backwards": (("ner:NamedEntity", 5, 3, {"value": "x"}), "entity", "5..3"),
    "blank": (("ner:NamedEntity", 3, 4, {"value": "x"}), "entity", "whitespace"),
    "no argument": (("custom:Relation", 0, 9, LESS), "relation", "Dependent"),
    "dangling": (("custom:Relation", 0, 9, LESS | {"Dependent": 99}), "relation", "99"),
    "sentence": (("seg:Sentence", 0, 99, {}), "sentence", "99"),
}


@pytest.mark.parametrize(("row", "kind", "part"), BROKEN_ROWS.values(), ids=BROKEN_ROWS)
def test_broken_row_costs_only_itself(folder, row, kind, part):
    put(folder, ADA, OSLO, LIVES, row)
    (record,), skipped = read_and_skip(folder)
    assert (len(record.entities), pairs(record), skipped) == (2, [(0, 1, "in")], [])
    assert kinds(record) == [(kind, True)]
    assert f"{folder}, doc.xmi, " in record.left_out[0].reason
    if part != "99" or kind == "sentence":
        assert part in record.left_out[0].reason
    with pytest.raises(ValueError, match=r"\[J605\]"):
        list(read_inception(folder))


def test_offset_inside_a_character_costs_the_document(folder):
    inside = ("ner:NamedEntity", 1, 6, {"value": "PER"})
    with pytest.raises(ValueError, match=r"J612.*doc\.xmi.*offset 1 is inside"):
        read(folder, inside, text="😀 Ada 😀")


# other layers


def test_built_in_layers_are_ignored(folder):
    words = [
        ("seg:Token", 0, 3, {"form": "Ada"}),
        ("seg:Token", 4, 9, {}),
        (
            "dep:Dependency",
            0,
            3,
            {"Governor": 2, "Dependent": 1, "DependencyType": "x"},
        ),
    ]
    record = read(folder, *words)
    assert (record.entities, record.relations, record.left_out) == ((), (), ())
    assert record.words is None


def test_chain_link_is_left_out(folder):
    record = read(folder, ("custom:Link", 0, 3, {"referenceType": "name"}))
    assert (record.entities, kinds(record)) == ((), [("chain", False)])


def test_coreference_link_is_left_out(folder):
    record = read(folder, ("coref:CoreferenceLink", 0, 3, {}))
    assert (record.entities, kinds(record)) == ((), [("chain", False)])


def test_slot_links_are_left_out(folder):
    record = read(folder, ADA, OSLO, ("custom:Slot", 10, 15, {"links": "1 2"}))
    (left,) = [left for left in record.left_out if left.kind == "slot"]
    assert left.reason == f"{folder}, doc.xmi, Slot 3: 2 link(s) in links"


def test_sentences_are_read_in_order(folder):
    sentences = [("seg:Sentence", 5, 9, {}), ("seg:Sentence", 0, 4, {})]
    assert read(folder, *sentences, text="One. Two.").sentences == ((0, 4), (5, 9))


def test_single_sentence_has_no_sentence_offsets(folder):
    assert read(folder, ("seg:Sentence", 0, 24, {})).sentences is None


def test_document_is_the_title_in_the_metadata(folder):
    title = ("meta:DocumentMetaData", 0, 24, {"documentTitle": "a.txt"})
    assert read(folder, title).document == "a.txt"


# sources


def test_single_file_is_read_with_its_type_system(folder):
    put(folder, ADA, name="a.xmi")
    put(folder, OSLO, name="b.xmi")
    (record,) = read_inception(folder / "b.xmi")
    assert record.entities == (EntityRecord(19, 23, "LOC"),)


def test_zip_of_a_document_is_read(tmp_path):
    members = {"a.xmi": xmi(ADA), "TypeSystem.xml": types()}
    path = write_zip(tmp_path / "a.zip", **members)
    (record,) = read_inception(path)
    assert (record.document, record.source) == ("a", f"{path}, a.xmi")


def test_type_system_of_a_parent_folder_is_used(folder):
    (folder / "inner").mkdir()
    put(folder / "inner", ADA)
    (record,) = read_inception(folder)
    assert len(record.entities) == 1


def test_system_files_are_ignored(folder):
    put(folder, ADA)
    (folder / "._doc.xmi").write_bytes(b"\x00\x05")
    assert len(list(read_inception(folder))) == 1


def as_json(*annotations):
    """The same CAS as `xmi`, in JSON."""
    kinds = {}
    for tag, (package, features) in TYPES.items():
        name = f"{package}.{tag.partition(':')[2]}"
        kinds[name] = {"%NAME": name, "%SUPER_TYPE": SPAN} | {
            feature: {"%NAME": feature, "%RANGE": kind}
            for feature, kind in features.items()
        }
    result = [
        {"%ID": 900, "%TYPE": "uima.cas.Sofa", "sofaNum": 1, "mimeType": "text"}
        | {"sofaID": "_InitialView", "sofaString": TEXT}
    ]
    for number, (tag, start, end, features) in enumerate(annotations, 1):
        name = f"{TYPES[tag][0]}.{tag.partition(':')[2]}"
        fields = {
            "%ID": number,
            "%TYPE": name,
            "@sofa": 900,
            "begin": start,
            "end": end,
        }
        refer = {k: f"@{k}" if k in ("Governor", "Dependent") else k for k in features}
        result.append(fields | {refer[key]: value for key, value in features.items()})
    members = list(range(1, len(annotations) + 1))
    views = {"_InitialView": {"%SOFA": 900, "%MEMBERS": members}}
    return {"%TYPES": kinds, "%FEATURE_STRUCTURES": result, "%VIEWS": views}


def test_json_and_xmi_give_equal_records(folder):
    path = folder.parent / "doc.json"
    path.write_text(json.dumps(as_json(ADA, OSLO, LIVES)), encoding="utf8")
    assert list(read_inception(path)) == [read(folder, ADA, OSLO, LIVES)]


def project(tmp_path, *versions):
    inner = write_zip(
        tmp_path / "inner.zip", **{"u.xmi": xmi(ADA), "TypeSystem.xml": types()}
    )
    members = dict.fromkeys(versions, inner.read_bytes())
    others = {"exportedproject.json": "{}", "source/doc.xmi": "as it came"}
    return write_zip(tmp_path / "project.zip", **members, **others)


def test_project_has_a_record_per_annotator(tmp_path):
    path = project(tmp_path, "annotation/b.txt/ada.zip", "annotation/b.txt/nils.zip")
    result = list(read_inception(path))
    assert [(r.document, r.source) for r in result] == [
        ("b.txt", f"{path}, annotation/b.txt/ada.zip, u.xmi"),
        ("b.txt", f"{path}, annotation/b.txt/nils.zip, u.xmi"),
    ]


def test_project_in_a_folder_is_read(tmp_path):
    (tmp_path / "all").mkdir()
    project(tmp_path, "annotation/b.txt/ada.zip").rename(tmp_path / "all" / "p.zip")
    (record,) = read_inception(tmp_path / "all")
    assert record.document == "b.txt"


def test_document_before_annotation_is_not_read(tmp_path):
    path = project(
        tmp_path, "annotation/b.txt/ada.zip", "annotation/b.txt/INITIAL_CAS.zip"
    )
    assert len(list(read_inception(path))) == 1


def test_only_the_curated_version_is_read(tmp_path):
    curated = "curation/b.txt/CURATION_USER.zip"
    path = project(
        tmp_path, "annotation/b.txt/ada.zip", curated, "annotation/c.txt/ada.zip"
    )
    result, skipped = read_and_skip(path)
    assert [r.document for r in result] == ["c.txt", "b.txt"]
    assert [(left.kind, left.broken) for left in skipped] == [("record", False)]
    assert "annotation/b.txt/ada.zip: the curated version is read" in skipped[0].reason


# errors


def test_missing_library_raises_with_its_extra(folder, monkeypatch):
    real = builtins.__import__

    def without_cassis(name, *others, **more):
        if name == "cassis":
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without_cassis)
    with pytest.raises(ValueError, match=r"J615.*spacy-jre\[inception\]"):
        read_inception(folder)


def test_missing_file_raises(tmp_path):
    with pytest.raises(ValueError, match=r"J601.*none\.zip"):
        list(read_inception(tmp_path / "none.zip"))


def test_folder_without_documents_raises(folder):
    with pytest.raises(ValueError, match=r"J651.*export.*UIMA CAS XMI"):
        list(read_inception(folder))


@pytest.mark.parametrize("name", ["exportedproject.json", "exportedproject12.json"])
def test_files_of_an_export_without_documents_are_named(tmp_path, name):
    members = {"annotation_ser/a.txt/ada.ser": "", "source/a.txt": "Ada"}
    members |= {"annotation_ser/b.txt/ada.ser": "", name: "{}"}
    path = write_zip(tmp_path / "project.zip", **members)
    with pytest.raises(ValueError, match=r"J651.*project\.zip.*2 \.ser, 1 .*Export"):
        list(read_inception(path))


def test_annotator_without_a_document_is_skipped(tmp_path):
    path = project(tmp_path, "annotation/b.txt/ada.zip")
    inner = write_zip(tmp_path / "inner.zip", **{"b.txt": "Ada Quint"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(inner, "annotation/b.txt/nils.zip")
    result, skipped = read_and_skip(path)
    assert (len(result), [left.broken for left in skipped]) == (1, [True])
    assert "annotation/b.txt/nils.zip" in skipped[0].reason
    assert "1 .txt" in skipped[0].reason


def test_missing_type_system_raises(tmp_path):
    with pytest.raises(ValueError, match=r"J612.*doc\.xmi.*TypeSystem\.xml is missing"):
        list(read_inception(put(tmp_path, ADA)))


def test_invalid_zip_raises(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK but no more")
    with pytest.raises(ValueError, match=r"J612.*a\.zip.*not a valid zip"):
        list(read_inception(path))


def test_broken_zip_in_a_folder_is_skipped(folder):
    put(folder, ADA)
    (folder / "a.zip").write_bytes(b"PK but no more")
    result, skipped = read_and_skip(folder)
    assert len(result) == 1
    assert skipped[0].reason.startswith(f"[J612] {folder}, a.zip: ")


@pytest.mark.parametrize("name", ["doc.xmi", "TypeSystem.xml"])
@pytest.mark.parametrize("content", [b"", b"<a>", b"<a/>", b"\xff\xfe\x00"])
def test_broken_xml_raises_with_its_document(folder, name, content):
    put(folder, ADA)
    (folder / name).write_bytes(content)
    result, skipped = read_and_skip(folder)
    assert result == []
    assert [left.broken for left in skipped] == [True]
    assert skipped[0].reason.startswith(("[J612] ", "[J605] "))
    assert f"{folder}, doc.xmi" in skipped[0].reason


def test_cas_without_text_raises(folder):
    put(folder)
    path = folder / "doc.xmi"
    path.write_text(path.read_text().replace(f'sofaString="{TEXT}"', 'sofaURI="a"'))
    with pytest.raises(ValueError, match=r"J605.*doc\.xmi: field 'sofaString'"):
        list(read_inception(folder))


WRONG = {
    "unknown type": ("doc.xmi", "custom:Relation", "custom:Other", "type system"),
    "unknown feature": ("doc.xmi", "label=", "other=", "type system"),
    "unknown sofa": ("doc.xmi", 'sofa="900" begin="0"', 'sofa="7" begin="0"', "CAS"),
    "no number": ("doc.xmi", 'begin="0"', 'begin="a"', "CAS"),
    "no id": ("doc.xmi", 'xmi:id="1"', 'name="1"', "CAS"),
    "no XML": ("doc.xmi", "</xmi:XMI>", "", "not valid XML"),
    "type system": ("TypeSystem.xml", "uima.tcas.Annotation", "Missing", "'Missing'"),
    "no types": ("TypeSystem.xml", "</types>", "", "not valid XML"),
}


@pytest.mark.parametrize(("name", "old", "new", "part"), WRONG.values(), ids=WRONG)
def test_fault_of_a_document_is_reported_in_terms_of_the_format(
    folder, name, old, new, part
):
    path = put(folder, ADA, OSLO, LIVES) / name
    content = path.read_text(encoding="utf8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf8")
    result, (skipped,) = read_and_skip(folder)
    assert (result, skipped.broken) == ([], True)
    assert skipped.reason.startswith(f"[J612] {folder}, doc.xmi: ")
    assert part in skipped.reason
    assert "Error" not in skipped.reason


def test_broken_document_is_skipped(folder):
    for name in ("a.xmi", "c.xmi"):
        put(folder, ADA, name=name)
    (folder / "b.xmi").write_text("<", encoding="utf8")
    result, skipped = read_and_skip(folder)
    assert [r.document for r in result] == ["a", "c"]
    assert len(skipped) == 1


def assert_every_document_is_read_or_reported(path, count):
    result, skipped = read_and_skip(path)
    assert len(result) + len(skipped) == count
    for left in skipped:
        assert left.broken
        assert left.reason.startswith("[J")
        assert f"{path}, " in left.reason


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9), st.sampled_from(["story1.xmi", "TypeSystem.xml"]))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed, name):
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("inception")
    for member in ("story0.xmi", "story1.xmi", "TypeSystem.xml"):
        data = bytearray((FOLDER / "inception" / member).read_bytes())
        if member == name:
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.choice(b'0159 "<>=azA\x00\xff')
        (folder / member).write_bytes(data)
    assert_every_document_is_read_or_reported(folder, 2)


# the row that is replaced, the new row, and the entities and relations that are lost
ROW_FAULTS = [
    (0, ("ner:NamedEntity", 0, 10, {"value": "PER"}), 0, 0),
    (0, ("ner:NamedEntity", 0, 99, {"value": "PER"}), 1, 1),
    (1, ("ner:NamedEntity", 18, 19, {"value": "LOC"}), 1, 1),
    (1, ("ner:NamedEntity", 19, 23, {}), 1, 1),
    (2, ("custom:Relation", 0, 9, LIVES[3] | {"Dependent": 99}), 0, 1),
    (2, ("custom:Relation", 0, 9, {"label": "in"}), 0, 1),
]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(ROW_FAULTS), max_size=3, unique_by=lambda fault: fault[0])
)
def test_read_and_lost_annotation_add_up(tmp_path_factory, faults):
    folder = tmp_path_factory.mktemp("inception")
    (folder / "TypeSystem.xml").write_text(types(), encoding="utf8")
    rows = [ADA, OSLO, LIVES]
    for number, row, _, _ in faults:
        rows[number] = row
    put(folder, *rows, name="a.xmi")
    put(folder, ADA, OSLO, LIVES, name="b.xmi")
    (record, other), skipped = read_and_skip(folder)
    kinds = [left.kind for left in record.left_out]
    assert len(record.entities) + kinds.count("entity") == 2
    assert len(record.relations) + kinds.count("relation") == 1
    assert kinds.count("entity") == sum(fault[2] for fault in faults)
    assert (kinds.count("relation") == 1) is any(fault[3] for fault in faults)
    assert (skipped, other.left_out) == ([], ())


ODD = [None, True, -1, 3, 900, 1.5, 10**30, "", "x", "\ud800", [], {}, [1], "%ID"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_unexpected_value_in_json_gives_a_record_or_a_coded_error(
    tmp_path_factory, seed
):
    rng = random.Random(seed)
    cas = as_json(ADA, OSLO, LIVES, ("seg:Sentence", 0, 24, {}))
    put_unexpected_value(rng, [cas], ODD)
    path = tmp_path_factory.mktemp("inception") / "doc.json"
    path.write_text(json.dumps(cas), encoding="utf8")
    assert_every_document_is_read_or_reported(path, 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_zip_gives_records_or_coded_errors(tmp_path_factory, seed):
    rng = random.Random(seed)
    path = tmp_path_factory.mktemp("inception") / "a.zip"
    members = (FOLDER / "inception").iterdir()
    write_zip(path, **{member.name: member.read_bytes() for member in members})
    data = bytearray(path.read_bytes())
    # most metadata of a zip is at its end
    data[rng.randrange(len(data) * 3 // 4, len(data))] = rng.randrange(256)
    path.write_bytes(data)
    skipped = []
    error = None
    try:
        list(read_inception(path, skip=skipped.append))
    except ValueError as raised:
        error = str(raised)
    assert error is None or error.startswith(("[J612]", "[J651]"))
    assert all(left.reason.startswith("[J") for left in skipped)
