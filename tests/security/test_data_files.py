"""Annotated files, folders and archives from untrusted sources."""

import json
import os
import resource
import zipfile
from pathlib import Path

import pytest
import spacy

from spacy_jre.annotations import Record, build_doc
from spacy_jre.cli.convert import Settings, check_losses, convert_path
from spacy_jre.cli.fingerprints import fingerprint
from spacy_jre.corpora import sources
from spacy_jre.corpora.dataset import MAX_FOLDS, read_dataset
from spacy_jre.corpora.formats import inception
from spacy_jre.corpora.formats import registry as formats
from spacy_jre.corpora.formats.bioc import read_bioc
from spacy_jre.corpora.formats.brat import read_brat, write_brat
from spacy_jre.corpora.formats.ddi import read_ddi
from spacy_jre.corpora.formats.prodigy import read_prodigy
from spacy_jre.corpora.formats.pubannotation import read_pubannotation
from spacy_jre.corpora.formats.spert_json import read_spert_json
from spacy_jre.corpora.reader import find_docbins
from spacy_jre.corpora.splits import find_splits

from ..cli.helpers import assert_plain_error, output_of, run
from ..conftest import ROOT, write_json

CAS = ROOT / "tests" / "corpora" / "story" / "inception"
SECRET = "the secret of another folder"
DDI = (
    '<document id="d"><sentence id="s" text="{text}">'
    '<entity id="e" charOffset="0-1" type="drug" text="ab"/></sentence></document>'
)


@pytest.fixture
def secret(tmp_path):
    """A file outside the folder that is read."""
    path = tmp_path / "outside" / "secret.txt"
    path.parent.mkdir()
    path.write_text(SECRET, encoding="utf8")
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    return path


def write_brat_document(folder, name="a", text="Ada sings"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(text, encoding="utf8")
    (folder / f"{name}.ann").write_text("T1\tPER 0 3\tAda\n", encoding="utf8")


def read(reader, path, **settings):
    """Read the records and the reasons for skipped ones."""
    skipped = []
    records = list(reader(path, skip=skipped.append, **settings))
    assert all(left_out.broken for left_out in skipped)
    return records, [left_out.reason for left_out in skipped]


# symbolic links


def test_brat_does_not_follow_a_file_link_out_of_the_folder(folder, secret):
    write_brat_document(folder)
    (folder / "b.txt").symlink_to(secret)
    (folder / "b.ann").write_text("T1\tX 0 3\tthe\n", encoding="utf8")
    records, reasons = read(read_brat, folder)
    assert [record.document for record in records] == ["a"]
    link, text = reasons
    assert link.startswith("[J617]")
    assert str(folder / "b.txt") in link
    assert text.startswith("[J601]")


def test_brat_does_not_follow_a_folder_link_out_of_the_folder(folder, tmp_path):
    write_brat_document(folder)
    write_brat_document(tmp_path / "outside", "b")
    (folder / "more").symlink_to(tmp_path / "outside", target_is_directory=True)
    records, reasons = read(read_brat, folder)
    assert [record.document for record in records] == ["a"]
    assert [reason[:6] for reason in reasons] == ["[J617]"]


def test_strict_reader_raises_for_a_link_out_of_the_folder(folder, secret):
    write_brat_document(folder)
    (folder / "b.txt").symlink_to(secret)
    with pytest.raises(ValueError, match=r"^\[J617\].*b\.txt"):
        list(read_brat(folder))


def test_text_of_a_single_brat_document_cannot_be_a_link_out_of_the_folder(
    folder, secret
):
    write_brat_document(folder)
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to(secret)
    records, reasons = read(read_brat, folder / "a.ann")
    assert not records
    assert reasons[0].startswith("[J617]")


def test_given_file_can_be_a_link(folder, tmp_path):
    write_brat_document(tmp_path / "outside")
    (folder / "a.ann").symlink_to(tmp_path / "outside" / "a.ann")
    (folder / "a.txt").write_text("Ada sings", encoding="utf8")
    (record,) = read_brat(folder / "a.ann")
    assert record.text == "Ada sings"


def test_links_inside_the_folder_are_read_once(folder):
    write_brat_document(folder / "texts")
    (folder / "b.txt").symlink_to(folder / "texts" / "a.txt")
    (folder / "b.ann").write_text("T1\tPER 0 3\tAda\n", encoding="utf8")
    (folder / "again").symlink_to(folder / "texts", target_is_directory=True)
    (folder / "texts" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "loop").symlink_to(folder / "loop")
    records = list(read_brat(folder))
    assert [record.document for record in records] == ["b", "texts/a"]


def test_given_folder_can_be_a_link(folder, tmp_path):
    write_brat_document(tmp_path / "outside")
    (folder / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    (record,) = read_brat(folder / "link")
    assert record.document == "a"


def test_deeply_nested_folders_are_read(folder):
    bottom = folder
    for _ in range(1200):
        bottom /= "d"
        bottom.mkdir()
    (bottom / "x.spacy").touch()
    (docbin,) = find_docbins(folder)
    assert docbin.name == "x.spacy"
    # pytest can't delete them
    docbin.unlink()
    os.removedirs(bottom)


def test_ddi_does_not_follow_a_link_out_of_the_folder(folder, tmp_path):
    (folder / "a.xml").write_text(DDI.format(text="ab c"), encoding="utf8")
    (tmp_path / "b.xml").write_text(DDI.format(text=SECRET), encoding="utf8")
    (folder / "b.xml").symlink_to(tmp_path / "b.xml")
    records, reasons = read(read_ddi, folder)
    assert [record.text for record in records] == ["ab c"]
    assert [reason[:6] for reason in reasons] == ["[J617]"]


def test_inception_does_not_follow_a_link_out_of_the_folder(folder):
    pytest.importorskip("cassis", reason="needs the extra inception")
    for name in ("TypeSystem.xml", "story0.xmi"):
        (folder / name).write_bytes((CAS / name).read_bytes())
    (folder / "story1.xmi").symlink_to(CAS / "story1.xmi")
    records, reasons = read(inception.read_inception, folder)
    assert len(records) == 1
    assert [reason[:6] for reason in reasons] == ["[J617]"]


def test_type_system_of_a_single_xmi_cannot_be_a_link_out_of_the_folder(folder):
    pytest.importorskip("cassis", reason="needs the extra inception")
    (folder / "story0.xmi").write_bytes((CAS / "story0.xmi").read_bytes())
    (folder / "TypeSystem.xml").symlink_to(CAS / "TypeSystem.xml")
    records, reasons = read(inception.read_inception, folder / "story0.xmi")
    assert not records
    assert [reason[:6] for reason in reasons] == ["[J617]", "[J612]"]


def test_split_cannot_be_a_link_out_of_the_folder(folder, secret):
    for name in ("train.txt", "dev.txt"):
        (folder / name).write_text("[Ada|PER] sings .\n", encoding="utf8")
    (folder / "test.txt").symlink_to(secret)
    with pytest.raises(ValueError, match=r"^\[J617\].*test\.txt"):
        find_splits(folder)
    target = folder.parent / "out"
    assert_plain_error(run("convert", folder, target), "J617", "test.txt")
    assert not target.exists()


def test_docbin_cannot_be_a_link_out_of_the_folder(folder, secret):
    (folder / "a.spacy").symlink_to(secret)
    with pytest.raises(ValueError, match=r"^\[J617\].*a\.spacy"):
        find_docbins(folder)


def test_fingerprint_ignores_links_out_of_the_folder(folder, secret):
    write_brat_document(folder)
    before = fingerprint(folder)
    (folder / "b.txt").symlink_to(secret)
    assert fingerprint(folder) == before


def test_conversion_counts_a_link_out_of_the_folder_as_a_lost_record(folder, secret):
    write_brat_document(folder)
    (folder / "b.txt").symlink_to(secret)
    target = folder.parent / "x.spacy"
    result = run("convert", folder, target)
    assert "[J617]" in output_of(result)
    assert "[J702] 1 of 2 records were lost" in output_of(result)
    run("convert", folder, target, "--max-loss", 1)
    assert SECRET.encode() not in target.read_bytes()


def test_file_name_that_is_not_unicode_is_replaced(folder):
    write_brat_document(folder, os.fsdecode(b"\xff"))
    (record,) = read_brat(folder)
    assert record.document == "\ufffd"
    build_doc(record, spacy.blank("en")).to_bytes()


# names of files in a dataset.json


def write_dataset(folder, **values):
    folder.mkdir(parents=True, exist_ok=True)
    return write_json(folder / "dataset.json", values)


@pytest.mark.parametrize(
    "name",
    ["{outside}/secret.txt", "../../outside/secret.txt", "link.txt", "../in/link.txt"],
)
def test_dataset_cannot_refer_to_files_outside_the_sibling_folders(
    tmp_path, secret, name
):
    folder = tmp_path / "assets" / "in"
    folder.mkdir(parents=True)
    (folder / "link.txt").symlink_to(secret)
    name = name.format(outside=secret.parent)
    path = write_dataset(folder, files={"train": [name], "test": [name]}, keep="last")
    with pytest.raises(ValueError, match=r"^\[J633\].*field 'files' names") as error:
        read_dataset(path).paths()
    assert name in str(error.value)
    target = tmp_path / "out"
    assert_plain_error(run("convert", folder, target), "J633", "'files'")
    assert not target.exists()


def test_dataset_can_refer_to_files_in_a_sibling_folder(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for split in ("train", "test"):
        (other / f"{split}.txt").write_text("[Ada|PER] sings .\n", encoding="utf8")
    files = {split: [f"../other/{split}.txt"] for split in ("train", "test")}
    path = write_dataset(tmp_path / "in", files=files, keep="last")
    (train,) = read_dataset(path).paths()["train"]
    assert train.read_text(encoding="utf8").startswith("[Ada")


@pytest.mark.parametrize("lang", ["en.stop_words", "..os", "", "en; import os"])
def test_language_of_a_dataset_must_be_an_identifier(tmp_path, lang):
    path = write_dataset(tmp_path, lang=lang)
    with pytest.raises(ValueError, match=r"^\[J633\].*'lang'"):
        read_dataset(path)


def test_number_of_folds_is_limited(tmp_path):
    path = write_dataset(tmp_path, folds=MAX_FOLDS + 1)
    with pytest.raises(ValueError, match=r"^\[J633\].*'folds'"):
        read_dataset(path)


@pytest.mark.parametrize(
    "limits", [{"min_tokens": "6"}, {"min_long": None}, {"person": 3}, {"ngram": [6]}]
)
def test_limits_of_a_dataset_must_have_the_right_type(tmp_path, limits):
    write_dataset(tmp_path, relations={}, limits=limits)
    (name,) = limits
    assert_plain_error(run("validate", tmp_path), "J633", "'limits'", name)


# document names that are used as file names

MALICIOUS_NAMES = [
    *("../../escaped", "/escaped", "..", ".", "", "a/../../escaped", "~/escaped"),
    *("C:\\escaped", "\\\\host\\escaped", "a\x00b", "x" * 5000, "a/" * 3000),
    *("é" * 300, "a", "a.txt/b", "a.ANN/c", "a//b", "\u202eb", "con", "-rf"),
]


@pytest.mark.parametrize("name", MALICIOUS_NAMES)
def test_brat_writes_no_document_outside_the_target(tmp_path, name):
    target = tmp_path / "one" / "two" / "target"
    write_brat([Record(text="Ada sings", document=name)], target)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    assert all(path.is_relative_to(target) for path in written)


def test_brat_writes_all_documents_with_malicious_names(tmp_path):
    records = [
        Record(text=f"text {i}", document=n) for i, n in enumerate(MALICIOUS_NAMES)
    ]
    write_brat(records, tmp_path)
    written = {record.text for record in read_brat_texts(tmp_path)}
    assert written == {record.text for record in records}


def read_brat_texts(folder):
    for path in folder.rglob("*.ann"):
        yield Record(text=Path(f"{str(path)[:-4]}.txt").read_text(encoding="utf8"))


def test_brat_does_not_write_through_a_link_out_of_the_target(tmp_path, secret):
    target = tmp_path / "target"
    target.mkdir()
    (target / "sub").symlink_to(secret.parent, target_is_directory=True)
    with pytest.raises(ValueError, match=r"^\[J616\].*is outside"):
        write_brat([Record(text="x", document="sub/secret")], target)
    assert secret.read_text(encoding="utf8") == SECRET
    assert [path.name for path in secret.parent.iterdir()] == ["secret.txt"]


@pytest.mark.parametrize(
    "meta",
    [
        {"brat": "N1\tx"},
        {"brat": ["N1\tx\nT9\tX 0 1\tx"]},
        {"brat": [3]},
        {"brat": [""]},
        {"brat_ids": ["T1"]},
        {"brat_ids": {"T": "T1"}},
        {"brat_ids": {"T": ["T1\nT2"]}},
        {"brat_ids": {"T": [1]}},
        {"brat_pieces": [[0, 3]]},
        {"brat_pieces": {"T1": 3}},
        {"brat_pieces": {"T1": [[0, 1, 2]]}},
        {"brat_pieces": {"T1": [["0", "3"]]}},
        {"brat_pieces": {"T1": [[0, 10**9]]}},
    ],
)
def test_brat_rejects_invalid_meta(tmp_path, meta):
    record = Record(text="Ada", entities=(), meta=meta)
    with pytest.raises(ValueError, match=r"^\[J616\].*of its meta"):
        write_brat([record], tmp_path)
    assert not list(tmp_path.iterdir())


def test_report_of_a_conversion_has_no_control_characters(tmp_path):
    source = write_json(
        tmp_path / "a.json",
        [{"tokens": ["Ada"], "entities": [], "relations": [{"x\x1b]0;owned\x07": 1}]}],
    )
    (conversion,) = convert_path(source, tmp_path / "x.spacy", Settings(format="spert"))
    (line,) = conversion.lost
    assert line.isprintable()
    conversion.sources = [Path("a\x1b[2Jb\udcff")]
    assert "a\\x1b[2Jb\\udcff" in conversion.summary()


# XML

LAUGHS = (
    '<!DOCTYPE d [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    + "]>"
)
DOCTYPES = {
    "nested entities": (LAUGHS, "&a9;"),
    "an entity": ('<!DOCTYPE d [<!ENTITY x "expanded">]>', "&x;"),
    "an external entity": ('<!DOCTYPE d [<!ENTITY x SYSTEM "{uri}">]>', "&x;"),
    "an external DTD": ('<!DOCTYPE d SYSTEM "{uri}">', "text"),
    "an external parameter entity": (
        '<!DOCTYPE d [<!ENTITY % x SYSTEM "{uri}"> %x;]>',
        "text",
    ),
    "an empty declaration": ("<!DOCTYPE d>", "text"),
}


@pytest.mark.parametrize("encoding", ["utf8", "utf-16"])
@pytest.mark.parametrize("attack", DOCTYPES)
def test_ddi_with_a_document_type_is_skipped(folder, secret, attack, encoding):
    declaration, text = DOCTYPES[attack]
    xml = declaration.replace("{uri}", secret.as_uri()) + DDI.format(text=text)
    (folder / "a.xml").write_bytes(xml.encode(encoding))
    records, (reason,) = read(read_ddi, folder)
    assert not records
    assert reason.startswith("[J619]")
    assert str(folder / "a.xml") in reason


@pytest.mark.parametrize("attack", DOCTYPES)
@pytest.mark.parametrize("file", ["story0.xmi", "TypeSystem.xml"])
def test_cas_with_a_document_type_is_skipped(folder, secret, attack, file):
    pytest.importorskip("cassis", reason="needs the extra inception")
    declaration, text = DOCTYPES[attack]
    for name in ("TypeSystem.xml", "story0.xmi"):
        xml = (CAS / name).read_text(encoding="utf8")
        if name == file:
            start = xml.index("<xmi:XMI" if name.endswith("xmi") else "<typeSystem")
            declared = declaration.replace("{uri}", secret.as_uri())
            xml = xml[:start] + declared + xml[start:].replace("Two days", text)
        (folder / name).write_text(xml, encoding="utf8")
    records, (reason,) = read(inception.read_inception, folder)
    assert not records
    assert reason.startswith("[J619]")
    assert file in reason


BIOC = (
    "<collection><document><id>d</id><passage><offset>0</offset><text>{text}</text>"
    "</passage></document></collection>"
)


@pytest.mark.parametrize("encoding", ["utf8", "utf-16"])
@pytest.mark.parametrize("attack", sorted(DOCTYPES.keys() - {"an external DTD"}))
def test_bioc_with_definitions_is_skipped(folder, secret, attack, encoding):
    declaration, text = DOCTYPES[attack]
    xml = declaration.replace("{uri}", secret.as_uri()) + BIOC.format(text=text)
    (folder / "a.xml").write_bytes(xml.encode(encoding))
    records, reasons = read(read_bioc, folder)
    if "[" in declaration:
        assert not records
        assert [reason[:6] for reason in reasons] == ["[J619]"]
    else:  # it defines nothing
        assert [record.text for record in records] == ["text"]


@pytest.mark.parametrize("kind", ['SYSTEM "{uri}"', 'PUBLIC "BioC" "{uri}"'])
def test_bioc_does_not_read_the_file_of_its_doctype(folder, tmp_path, kind):
    dtd = tmp_path / "BioC.dtd"
    dtd.write_text('<!ENTITY x "expanded">', encoding="utf8")
    declaration = f"<!DOCTYPE collection {kind.format(uri=dtd.as_uri())}>"
    path = folder / "a.xml"
    path.write_text(declaration + BIOC.format(text="Oslo"), encoding="utf8")
    assert [record.text for record in read(read_bioc, path)[0]] == ["Oslo"]
    path.write_text(declaration + BIOC.format(text="&x;"), encoding="utf8")
    records, (reason,) = read(read_bioc, path)
    assert not records
    assert reason.startswith("[J675]")
    assert "entity" in reason


@pytest.mark.parametrize("reader", [read_bioc, read_pubannotation])
def test_json_folders_do_not_follow_a_link_out_of_the_folder(folder, secret, reader):
    document = {"text": "Ada", "denotations": [], "passages": []}
    write_json(folder / "a.json", document)
    write_json(secret.with_suffix(".json"), document)
    (folder / "b.json").symlink_to(secret.with_suffix(".json"))
    records, (reason,) = read(reader, folder)
    assert len(records) == 1
    assert reason.startswith("[J617]")


def test_doctype_in_a_comment_or_text_is_allowed():
    sources.refuse_doctype(b"<!-- <!DOCTYPE d> --><a>&lt;!DOCTYPE d></a>", "x")


def test_ddi_with_many_nested_elements_is_read(folder):
    depth = 100_000
    xml = "<document>" + "<a>" * depth + "</a>" * depth + "</document>"
    (folder / "a.xml").write_text(xml, encoding="utf8")
    assert read(read_ddi, folder) == ([], [])


INVALID_NAMES = [
    "x=open('{marker}','w').close()",
    "x):\n  open('{marker}','w')#",
    "x:open('{marker}','w')",
    "a b",
    "class",
    "__init__",
]


@pytest.mark.parametrize("name", INVALID_NAMES)
def test_feature_name_of_a_type_system_must_be_an_identifier(folder, tmp_path, name):
    pytest.importorskip("cassis", reason="needs the extra inception")
    marker = tmp_path / "marker"
    name = name.format(marker=marker)
    feature = (
        f"<features><featureDescription><name>{name}</name><description/>"
        "<rangeTypeName>uima.cas.String</rangeTypeName></featureDescription>"
    )
    types = (CAS / "TypeSystem.xml").read_text(encoding="utf8")
    (folder / "TypeSystem.xml").write_text(types.replace("<features>", feature))
    (folder / "story0.xmi").write_bytes((CAS / "story0.xmi").read_bytes())
    cas = {"%TYPES": {"T": {"%SUPER_TYPE": "uima.cas.TOP", name: {"%RANGE": "T"}}}}
    write_json(folder / "story1.json", cas)
    records, reasons = read(inception.read_inception, folder)
    assert not records
    assert not marker.exists()
    assert [reason[:6] for reason in reasons] == ["[J623]", "[J623]"]


# zips


def write_zip(path, members, **settings):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **settings) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def cas_files():
    pytest.importorskip("cassis", reason="needs the extra inception")
    names = ("TypeSystem.xml", "story0.xmi")
    return {name: (CAS / name).read_bytes() for name in names}


def test_reading_a_zip_writes_no_files(tmp_path):
    files = cas_files()
    names = ["../escaped.xmi", "/tmp/escaped.xmi", "a/../../escaped.xmi", "story0.xmi"]
    members = dict.fromkeys(names, files["story0.xmi"])
    members |= {
        f"{Path(n).parent}/TypeSystem.xml": files["TypeSystem.xml"] for n in names
    }
    (tmp_path / "in").mkdir()
    path = write_zip(tmp_path / "in" / "a.zip", members)
    before = sorted(tmp_path.rglob("*"))
    records, _ = read(inception.read_inception, path)
    assert records
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/escaped.xmi").exists()


def test_zip_member_that_is_too_large_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "MAX_MEMBER", 100_000)
    members = {**cas_files(), "bomb.xmi": b" " * 100_001}
    path = write_zip(tmp_path / "a.zip", members)
    records, (reason,) = read(inception.read_inception, path)
    assert len(records) == 1
    assert reason.startswith("[J618]")
    assert "bomb.xmi: the member has 100001 bytes" in reason


def test_zip_with_too_large_a_total_size_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "MAX_ARCHIVE", 300_000)
    bombs = {f"{number}.xmi": b" " * 100_000 for number in range(4)}
    path = write_zip(tmp_path / "a.zip", bombs)
    with pytest.raises(ValueError, match=r"^\[J618\].*a\.zip"):
        read(inception.read_inception, path)


def test_inner_zip_counts_towards_the_size_of_the_outer_zip(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "MAX_ARCHIVE", 300_000)
    inner = {f"{number}.txt": b" " * 100_000 for number in range(2)}
    data = write_zip(tmp_path / "inner.zip", inner).read_bytes()
    good = write_zip(tmp_path / "good.zip", cas_files()).read_bytes()
    zips = {"a.zip": data, "b.zip": data, "c.zip": good}
    path = write_zip(tmp_path / "outer.zip", zips)
    records, (other, reason) = read(inception.read_inception, path)
    assert len(records) == 1  # of the zip after the rejected one
    assert reason.startswith("[J618]")
    assert "b.zip" in reason
    assert "a.zip" in other


def test_zip_member_larger_than_its_header_is_not_unpacked(tmp_path):
    size = 64 << 20
    path = write_zip(tmp_path / "a.zip", {"bomb.xmi": b" " * size})
    data = path.read_bytes()
    assert data.count(size.to_bytes(4, "little")) == 2
    path.write_bytes(data.replace(size.to_bytes(4, "little"), b"\x10\0\0\0"))
    archive = zipfile.ZipFile(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(zipfile.BadZipFile):
        inception._read_member(archive, archive.getinfo("bomb.xmi"))
    # kilobytes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32_000


def test_zip_member_with_another_compression_method_is_skipped(tmp_path):
    path = write_zip(tmp_path / "a.zip", cas_files())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("bomb.xmi", b" " * 1000)
    records, (reason,) = read(inception.read_inception, path)
    assert len(records) == 1
    assert reason.startswith("[J618]")
    assert "compression method 12" in reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_second_zip_member_with_the_same_name_is_skipped(tmp_path):
    path = write_zip(tmp_path / "a.zip", cas_files())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("story0.xmi", b"other")
    records, (reason,) = read(inception.read_inception, path)
    assert len(records) == 1
    assert "two members of this name" in reason


# JSON and lines

TASK = {
    "text": "Ada sings",
    "tokens": [
        {"text": "Ada", "start": 0, "end": 3, "id": 0},
        {"text": "sings", "start": 4, "end": 9, "id": 1},
    ],
    "spans": [
        {"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "PER"},
        {"start": 4, "end": 9, "token_start": 1, "token_end": 1, "label": "ACT"},
    ],
    "relations": [
        {
            "head": 0,
            "child": 1,
            "head_span": {"start": 0, "end": 3, "label": "PER"},
            "child_span": {"start": 4, "end": 9, "label": "ACT"},
            "label": "does",
        }
    ],
    "answer": "accept",
}


def write_tasks(path, *lines):
    text = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines)
    path.write_text(text + "\n", encoding="utf8")
    return path


def short_nlp(monkeypatch, limit):
    blank = spacy.blank

    def make(lang):
        nlp = blank(lang)
        nlp.max_length = limit
        return nlp

    monkeypatch.setattr(spacy, "blank", make)


def without_tokens(text):
    task = {**TASK, "text": text}
    del task["tokens"]
    return task


@pytest.mark.parametrize("settings", [{}, {"sentences": "rules"}, {"to": "spert"}])
def test_text_that_is_too_long_is_a_lost_record(tmp_path, monkeypatch, settings):
    short_nlp(monkeypatch, 50)
    source = write_tasks(tmp_path / "a.jsonl", TASK, without_tokens("Ada sings" * 20))
    target = tmp_path / "x.spacy"
    (conversion,) = convert_path(source, target, Settings(**settings))
    (line,) = conversion.lost
    assert line.startswith(f"[J115] {source}, line 2: the text has 180 characters")
    assert conversion.report.docs == 1
    losses = {"records": (1, 2), "entities": (2, 4), "relations": (1, 2)}
    assert conversion.losses() == losses
    assert "2 records read (1 skipped), 1 documents" in conversion.summary()
    with pytest.raises(ValueError, match=r"\[J702\] 1 of 2 records"):
        check_losses([conversion], 0.01)


def test_text_that_is_too_long_is_lost_from_a_split(tmp_path, monkeypatch):
    short_nlp(monkeypatch, 50)
    lines = [without_tokens(f"Ada sings {n}" * (20 if n == 1 else 1)) for n in range(9)]
    source = write_tasks(tmp_path / "a.jsonl", *lines)
    settings = Settings(split="50/50", sentences="rules")
    conversions = convert_path(source, tmp_path / "out", settings)
    assert sum(conversion.report.docs for conversion in conversions) == 8
    assert sum(conversion.losses()["relations"][0] for conversion in conversions) == 1


def test_long_text_with_short_lines_is_read(tmp_path, monkeypatch):
    short_nlp(monkeypatch, 50)
    source = write_tasks(tmp_path / "a.jsonl", without_tokens("Ada sings\n" * 20))
    settings = Settings(sentences="line", per_sentence=True)
    (conversion,) = convert_path(source, tmp_path / "x.spacy", settings)
    assert (conversion.report.docs, conversion.lost) == (20, [])


def test_command_reports_a_text_that_is_too_long_without_a_traceback(tmp_path):
    source = write_tasks(
        tmp_path / "a.jsonl", without_tokens("Ada sings" + " " * 10**6)
    )
    result = run("convert", source, tmp_path / "x.spacy")
    assert isinstance(result.exception, SystemExit)
    assert f"[J115] {source}, line 1: the text has 1000009 characters" in output_of(
        result
    )
    assert "[J711]" in output_of(result)


def test_line_that_is_too_long_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_LINE", 2000)
    monkeypatch.setattr(formats, "MAX_LINE", 2000)
    source = write_tasks(tmp_path / "a.jsonl", TASK, "x" * 10_000, TASK, "y" * 10_000)
    assert formats.guess_format(source).name == "prodigy"
    records, reasons = read(read_prodigy, source)
    assert len(records) == 2
    assert [reason[:6] for reason in reasons] == ["[J622]"] * 2
    assert f"{source}, line 2 " in reasons[0]
    assert f"{source}, line 4 " in reasons[1]


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


UNUSUAL_LINES = {
    "not JSON": "x" * 1000,
    "incomplete number": '{"text": 1e',
    "too many levels for Python": '{"m": ' + "[" * 10**5 + "]" * 10**5 + "}",
    **{f"{n} levels": json.dumps({**TASK, "m": nested(n)}) for n in range(495, 516, 3)},
    "number of 5000 digits": '{"m": ' + "9" * 5000 + "}",
    "number of 4000 digits": json.dumps({**TASK, "m": 10**3999}),
    "infinite offset": json.dumps(TASK).replace('"start": 0', '"start": 1e999'),
    "NaN as offset": json.dumps(TASK).replace('"start": 0', '"start": NaN'),
    "huge offset": json.dumps(TASK).replace('"end": 3', f'"end": {10**30}'),
    "NaN in meta": json.dumps({**TASK, "m": float("nan")}),
    "duplicate key": '{"text": [1], ' + json.dumps(TASK)[1:],
    "duplicate key with an invalid value": json.dumps(TASK)[:-1] + ', "text": [1]}',
}


@pytest.mark.parametrize("line", UNUSUAL_LINES)
def test_unusual_json_is_a_record_or_a_skip_with_a_code(tmp_path, line):
    source = write_tasks(tmp_path / "a.jsonl", TASK, UNUSUAL_LINES[line])
    target = tmp_path / "x.spacy"
    (conversion,) = convert_path(source, target, Settings(format="prodigy"))
    assert conversion.report.docs + len(conversion.skipped) == 2
    assert all(left.reason.startswith("[J") for left in conversion.skipped)
    for to in ("prodigy", "brat"):
        (again,) = convert_path(target, tmp_path / to, Settings(to=to))
        assert again.report.docs == conversion.report.docs


@pytest.mark.parametrize("text", ["[" * 10**5, "[{]", "[NaN, 1e999]", "[" + "9" * 5000])
def test_unusual_json_list_is_an_error_with_a_code(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf8")
    skipped = []
    try:
        assert not list(read_spert_json(path, skip=skipped.append))
    except ValueError as error:  # nothing after a syntax error can be read
        message = str(error)
    else:
        message = skipped[0].reason
    assert message.startswith("[J6")
