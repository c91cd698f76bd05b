import pytest
import spacy

from spacy_jre.cli.show import pipeline_name


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
