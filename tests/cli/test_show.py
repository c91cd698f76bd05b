import pytest
import spacy
from spacy.tokens import DocBin

from spacy_jre.cli.show import pipeline_name, show_predictions
from spacy_jre.trust import trusted_names

from ..pipeline.helpers import make_nlp
from .helpers import output_of, run


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({}, "training/model-best"),
        ({"name": "jre_sinet", "version": "0.1.0"}, "en_jre_sinet 0.1.0"),
        ({"name": "jre_sinet", "version": ""}, "en_jre_sinet"),
    ],
)
def test_title_has_the_name_of_the_pipeline_or_its_path(meta, name):
    nlp = spacy.blank("en")
    nlp.meta.update(meta)
    assert pipeline_name(nlp, "training/model-best") == name


def test_page_has_the_relations_of_the_chosen_component(monkeypatch, tmp_path):
    nlp, examples = make_nlp()
    data = tmp_path / "x.spacy"
    docs = [example.reference for example in examples]
    DocBin(docs=docs, store_user_data=True).to_disk(data)
    monkeypatch.setattr(spacy, "load", lambda model: nlp)
    output = tmp_path / "x.html"
    assert show_predictions("x", data, output, component="jre")[0] == len(docs)
    with pytest.raises(ValueError, match="J740"):
        show_predictions("x", data, output, component="second")


def test_limit_below_one_is_an_error_of_usage():
    result = run("show", "x", "x.spacy", "x.html", "--limit", -1)
    assert result.exit_code == 2
    assert "--limit" in output_of(result)


def test_custom_code_can_be_allowed(monkeypatch):
    allowed = []

    def show(*args, **kwargs):
        allowed.extend(trusted_names())
        return 0, 0

    monkeypatch.setattr("spacy_jre.cli.show.show_predictions", show)
    run("show", "x", "x.spacy", "x.html", "--trust-remote-code", "org/encoder")
    assert allowed == ["org/encoder"]
