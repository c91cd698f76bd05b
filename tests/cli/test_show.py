import pytest
import spacy
from spacy.tokens import DocBin

from spacy_jre.cli.show import pipeline_name, show_predictions

from ..pipeline.helpers import make_nlp


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
