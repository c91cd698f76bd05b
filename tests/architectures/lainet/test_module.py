"""LAI-Net's scores, loss and gradients, compared to the reference in naive.py."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from torch.testing import assert_close

from spacy_jre.architectures import bridge
from spacy_jre.architectures.candidates import all_spans
from spacy_jre.architectures.lainet import module
from spacy_jre.architectures.lainet.input import candidate_graphs, find_readable
from spacy_jre.types import Candidates, Labels

from ...conftest import STORY
from .helpers import (
    EXACT,
    LABELS,
    LEVITATED,
    NO_DROPOUT,
    WIDTH,
    all_scores,
    build_model,
    gradients,
    inside,
    learn,
    make_gold,
    scores_by_tokens,
    story_gold,
)
from .naive import Naive, naive_decision, naive_loss, naive_of

# logits of a span that was not classified
NONE = [0.0, -np.inf, -np.inf, -np.inf]
SETTINGS = [
    {},
    {"mask": "visible"},
    {"mask": "full"},
    {"text_sees_markers": False},
    {"markers_see": "pair"},
    {"text_sees_markers": False, "markers_see": "pair"},
    {"shared_encoder": True},
    {"annotate": False},
    {"entity_layers": 0, "relation_layers": 0},
    {"filter": False, "agreement": "mean"},
    {"agreement": "forward"},
    {"agreement": "threshold"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_scores_equal_reference_without_packing(wide_bert, docs, settings):
    model = build_model(wide_bert, **settings)
    naive = naive_of(model, settings)
    labels = LABELS if settings.get("annotate", True) else Labels((), ())
    with torch.no_grad():
        scores = model.predict((docs, WIDTH))
        entities, relations = scores_by_tokens(docs, scores)
        n_entities = n_related = 0
        for number, doc in enumerate(docs):
            if not len(doc):
                continue
            words = [token.text for token in doc]
            wanted = naive.entities(words, labels.entities)
            assert {k[1:] for k in entities if k[0] == number} == set(wanted)
            best = {}
            for (start, end), logits in wanted.items():
                actual = entities[number, start, end]
                if logits is None:
                    assert actual.tolist() == NONE
                    continue
                np.testing.assert_allclose(actual, logits.numpy(), atol=1e-5)
                if int(logits.argmax()):
                    best[start, end] = float(logits.softmax(0).max())
            n_entities += len(best)
            # the entities with the best scores are paired, at most one per token
            kept = sorted(sorted(best, key=best.get, reverse=True)[: len(doc)])
            logits = naive.relation_logits(words, kept, labels.relations)
            mine = {k: v for k, v in relations.items() if k[0][0] == number}
            assert {(h[1:], t[1:]) for h, t in mine} == set(permutations(kept, 2))
            for (head, tail), row in mine.items():
                label, score = naive_decision(
                    inside(model).network.relation.inverses,
                    logits[head[1:], tail[1:]],
                    logits[tail[1:], head[1:]],
                    settings.get("agreement", "both"),
                )
                expected = np.zeros(4)
                if label is not None:
                    expected[label] = score
                    n_related += 1
                np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)
                assert ((row > 0.0) == (expected > 0.0)).all()
    assert n_entities > 5
    assert n_related > 0


def every_candidate(model, docs, gold) -> Candidates:
    """All spans of the batch, and both orders of all pairs of gold spans."""
    windows = inside(model).read(docs).windows
    spans = all_spans(windows, WIDTH).spans
    rows = {tuple(span): row for row, span in enumerate(spans.tolist())}
    pairs = [
        (rows[tuple(gold.spans[i])], rows[tuple(gold.spans[j])])
        for i, j in permutations(range(len(gold.spans)), 2)
        if gold.windows[i] == gold.windows[j]
    ]
    return Candidates(spans, np.asarray(pairs))


def test_given_pairs_are_scored_for_any_entities(model, docs):
    candidates = every_candidate(model, docs, story_gold())
    texts = inside(model).read(docs)
    scores = model.get_ref("network").predict((texts, candidates, None))
    assert scores.pairs.tolist() == candidates.pairs.tolist()
    assert scores.n_truncated == 0
    _, actual = scores_by_tokens(docs, scores)
    naive, sentence = Naive(model), STORY[1]
    entities = [(start, end) for start, end, _ in sentence["entities"]]
    with torch.no_grad():
        logits = naive.relation_logits(sentence["words"], entities)
    assert len(logits) == 6
    for head, tail in logits:
        label, score = naive_decision(
            inside(model).network.relation.inverses,
            logits[head, tail],
            logits[tail, head],
            "both",
        )
        wanted = np.zeros(4)
        if label is not None:
            wanted[label] = score
        row = actual[(1, *head), (1, *tail)]
        np.testing.assert_allclose(row, wanted, rtol=1e-5, atol=1e-6)


def test_number_of_paired_entities_of_a_window_is_limited(wide_bert, docs, monkeypatch):
    model = build_model(wide_bert, filter=False)
    inside(model).network.entity.classify.bias.data[0] = -100.0
    monkeypatch.setattr(bridge, "MAX_PAIRED_ENTITIES", 3)
    scores = model.predict((docs, WIDTH))
    assert len(scores.pairs) == 5 * 3 * 2
    assert scores.n_truncated == 5
    # the entities with the best scores
    best_scores = torch.from_numpy(scores.entity_logits).softmax(1).amax(1).numpy()
    windows = scores.windows.token_window[scores.spans[:, 0]]
    for window in range(5):
        members = np.flatnonzero(windows == window)
        best = members[np.argsort(-best_scores[members])[:3]]
        mine = scores.pairs[windows[scores.pairs[:, 0]] == window]
        assert set(mine.ravel().tolist()) == set(best.tolist())


# training -----------------------------------------------------------------------------


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize(
    "settings",
    [{}, {"mask": "visible"}, {"shared_encoder": True}, {"filter_weight": 7.0}],
)
def test_loss_and_gradients_equal_reference_without_packing(
    wide_bert, docs, settings, cold
):
    model = build_model(
        wide_bert,
        encoder=EXACT,
        **NO_DROPOUT,
        cold_start=1 if cold else 0,
        **settings,
    )
    gold = story_gold()
    step = learn(model, docs, gold)
    actual = gradients(model)
    inside(model).zero_grad(set_to_none=True)
    loss = naive_loss(model, docs, gold, cold=cold, settings=settings)
    loss.backward()
    assert step.loss.value == pytest.approx(float(loss.detach()), abs=1e-5)
    wanted = gradients(model)
    assert actual.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert_close(actual[name], gradient, atol=1e-4, rtol=1e-3)


@pytest.fixture
def exact_model(wide_bert):
    return build_model(wide_bert, encoder=EXACT, **NO_DROPOUT, cold_start=0)


@pytest.mark.parametrize(("spans", "pairs"), [(5, 1), (0, 0), (None, 0), (3, None)])
def test_loss_of_sampled_candidates_equals_reference_without_packing(
    exact_model, docs, spans, pairs
):
    gold = story_gold()
    step = learn(exact_model, docs, gold, spans=spans, pairs=pairs)
    every = learn(exact_model, docs, gold).candidates
    assert len(step.candidates.spans) <= len(every.spans)
    assert len(step.candidates.pairs) <= len(every.pairs)
    loss = naive_loss(exact_model, docs, gold, step.candidates, cold=False)
    assert step.loss.value == pytest.approx(float(loss.detach()), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_order_of_candidates_changes_neither_loss_nor_gradient(exact_model, docs, seed):
    rng = np.random.default_rng(seed)

    def shuffle(candidates):
        order = rng.permutation(len(candidates.spans))
        pairs = np.argsort(order)[rng.permutation(candidates.pairs)]
        return Candidates(candidates.spans[order], pairs)

    gold = story_gold()
    wanted = learn(exact_model, docs, gold, pairs=2).loss
    first = gradients(exact_model)
    inside(exact_model).zero_grad(set_to_none=True)
    actual = learn(exact_model, docs, gold, pairs=2, arrange=shuffle).loss
    assert actual.value == pytest.approx(wanted.value, abs=1e-5)
    for name, gradient in gradients(exact_model).items():
        assert_close(gradient, first[name], atol=1e-5, rtol=1e-3)


def test_every_parameter_except_the_pooler_has_a_gradient(model, docs):
    learn(model, docs, story_gold())
    idle = {
        name
        for name, parameter in inside(model).named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    assert {name for name in idle if "pooler" not in name} == set()
    assert any(name.startswith("encoder.0.") for name in idle)
    assert any(name.startswith("encoder.1.") for name in idle)


def test_gradient_of_the_loss_scales_all_gradients(exact_model, docs):
    learn(exact_model, docs, story_gold())
    wanted = gradients(exact_model)
    inside(exact_model).zero_grad(set_to_none=True)
    learn(exact_model, docs, story_gold(), gradient=0.5)
    for name, gradient in gradients(exact_model).items():
        assert_close(gradient, 0.5 * wanted[name], atol=1e-6, rtol=1e-3)


# stages -------------------------------------------------------------------------------


def test_stages_divide_the_parameters(model):
    named = {id(p): name for name, p in inside(model).named_parameters()}
    entity, relation = (
        {named[id(parameter)] for parameter in stage}
        for stage in inside(model).stages()
    )
    assert not entity & relation
    assert entity | relation == set(named.values())
    assert {n.split(".")[1] for n in entity} == {"0", "entity"}
    assert {n.split(".")[1] for n in relation} == {"1", "relation"}


def test_shared_encoder_is_not_divided_into_stages(wide_bert):
    assert inside(build_model(wide_bert, shared_encoder=True)).stages() == ()


# ablations ----------------------------------------------------------------------------

ALL = ["entity", "relation", "decision"]


def outputs_of(model, docs) -> dict[str, torch.Tensor]:
    """Predicted logits of all candidates, logits of the gold pairs, and the scores
    that are decoded from them."""
    transformer, gold = inside(model).eval(), story_gold()
    texts = transformer.read(docs)
    with torch.no_grad():
        outputs = transformer(texts, every_candidate(model, docs, gold), None)
        decision = transformer.relation_scores(outputs)
    return {
        "entity": outputs.entity_logits,
        "relation": outputs.relation_logits,
        "decision": decision,
    }


@pytest.mark.parametrize(
    ("settings", "changes", "removed"),
    [
        ({"filter": False}, ["entity"], "network.entity.filter."),
        ({"filter_threshold": 0.6}, ["entity"], None),
        ({"mask": "visible"}, ALL, None),
        ({"mask": "full"}, ALL, None),
        ({"text_sees_markers": False}, ALL, None),
        ({"markers_see": "pair"}, ALL, None),
        ({"annotate": False}, ALL, ("network.entity.interact.", "network.relation.i")),
        ({"annotations": {"PER": "rain fell"}}, ["entity"], None),
        ({"annotations": {"spouse": "rain fell"}}, ["relation", "decision"], None),
        ({"shared_encoder": True}, ["relation", "decision"], "encoder.1."),
        ({"agreement": "mean"}, ["decision"], None),
        ({"agreement": "forward"}, ["decision"], None),
        ({"agreement": "threshold"}, ["decision"], None),
        ({"entity_layers": 0}, ["entity"], "network.entity.interact."),
        ({"relation_layers": 0}, ["relation", "decision"], "network.relation.i"),
    ],
    ids=str,
)
def test_setting_changes_only_the_expected_outputs(
    wide_bert, docs, settings, changes, removed
):
    reference, model = build_model(wide_bert), build_model(wide_bert, **settings)
    state = inside(reference).state_dict()
    generator = torch.Generator().manual_seed(2)
    for name, rows in state.items():
        if name.startswith("encoder.1."):  # initially equal to encoder.0
            rows += 0.1 * torch.randn(rows.shape, generator=generator)
    own = inside(model).state_dict().keys()
    assert own <= state.keys()
    assert state.keys() - own == {n for n in state if removed and n.startswith(removed)}
    inside(model).load_state_dict(state, strict=False)
    before, after = outputs_of(reference, docs), outputs_of(model, docs)
    for name in ALL:
        if name in changes:
            assert not torch.allclose(after[name], before[name], atol=1e-3), name
        else:
            assert torch.equal(after[name], before[name]), name


# packing ------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_packing_does_not_change_scores_if_markers_see_only_their_pair(
    wide_bert, docs, limit
):
    wanted = all_scores(build_model(wide_bert, **LEVITATED), docs)
    actual = all_scores(build_model(wide_bert, **LEVITATED, max_candidates=limit), docs)
    np.testing.assert_allclose(actual[0], wanted[0], atol=1e-5)
    assert actual[1].tolist() == wanted[1].tolist()
    np.testing.assert_allclose(actual[2], wanted[2], atol=1e-5)


def test_packing_changes_scores_with_the_mask_of_the_paper(wide_bert, docs):
    wanted = all_scores(build_model(wide_bert, filter=False), docs)
    actual = all_scores(build_model(wide_bert, filter=False, max_candidates=10), docs)
    assert not np.allclose(actual[0], wanted[0], atol=1e-3)


@pytest.mark.parametrize("budget", [1, 500])
def test_size_of_batches_does_not_change_scores(wide_bert, docs, budget):
    wanted = all_scores(build_model(wide_bert), docs)
    actual = all_scores(
        build_model(wide_bert, encoder={"max_batch_pieces": budget}), docs
    )
    for one, other in zip(actual, wanted):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("size", [1, 100])
def test_size_of_chunks_does_not_change_scores(model, docs, monkeypatch, size):
    wanted = all_scores(model, docs)
    monkeypatch.setattr(module, "ROWS_PER_CHUNK", size)
    for one, other in zip(all_scores(model, docs), wanted):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_scores_do_not_depend_on_other_docs_of_the_batch(model, docs):
    entities, relations = scores_by_tokens(docs, model.predict((docs, WIDTH)))
    n_pairs = 0
    for number, doc in enumerate(docs):
        if not len(doc):
            continue
        alone, pairs = scores_by_tokens([doc], model.predict(([doc], WIDTH)))
        n_pairs += len(pairs)
        for (_, *span), logits in alone.items():
            actual = entities[(number, *span)]
            np.testing.assert_allclose(actual, logits, atol=1e-5)
        for ((_, *head), (_, *tail)), scores in pairs.items():
            actual = relations[(number, *head), (number, *tail)]
            np.testing.assert_allclose(actual, scores, atol=1e-5)
    assert n_pairs == len(relations) > 10


def test_positions_of_many_candidates_are_within_the_limit(nlp, wide_bert):
    model = build_model(wide_bert, max_candidates=150, filter=False)
    doc = Doc(nlp.vocab, words=["rain"] * 40)
    texts = inside(model).read([doc])
    spans = all_spans(texts.windows, 12).spans
    assert len(spans) == 414
    rows = find_readable(texts, spans)
    graphs = candidate_graphs(texts, spans[rows])
    passes, numbers = graphs.passes(inside(model).forms[0], 150)
    assert [len(p.spans) for p in passes] == [150, 150, 114]
    assert set(numbers.tolist()) == {0}
    limit = inside(model).encoder[0].config.max_position_embeddings
    assert limit == 160
    assert max(int(p.positions.max()) for p in passes) < limit
    # passes may be longer than the maximum number of positions
    assert max(len(p.ids) for p in passes) > 300
    scores = model.predict(([doc], 12))
    assert len(scores.entity_logits) == 414
    assert np.isfinite(scores.entity_logits).all()


def test_long_window_is_split_to_fit_beside_annotations(nlp, model):
    max_pieces = inside(model).max_pieces
    assert 60 < max_pieces < 150
    doc = Doc(nlp.vocab, words=["x"] * (2 * max_pieces + 1))
    with pytest.warns(UserWarning, match=rf"J901.*{max_pieces} wordpieces"):
        windows = inside(model).read([doc]).windows
    assert windows.counts.tolist() == [max_pieces, max_pieces, 1]


# whitespace and short Docs ------------------------------------------------------------

SPACED = ["\n", "Oslo", " ", "rain", "\t"]


def test_spans_with_whitespace_at_an_end_are_not_entities(nlp, wide_bert):
    model = build_model(wide_bert, filter=False)
    doc = Doc(nlp.vocab, words=SPACED)
    entities, _ = scores_by_tokens([doc], model.predict(([doc], WIDTH)))
    assert len(entities) == 15
    classified = {(1, 2), (1, 4), (3, 4)}
    for (_, *span), logits in entities.items():
        if tuple(span) in classified:
            assert np.isfinite(logits).all()
        else:
            assert logits.tolist() == NONE


def test_tokens_without_pieces_do_not_change_scores(nlp, wide_bert):
    model = build_model(wide_bert, filter=False)
    plain = Doc(nlp.vocab, words=["Oslo", "rain"])
    spaced = Doc(nlp.vocab, words=SPACED)
    wanted, _ = scores_by_tokens([plain], model.predict(([plain], WIDTH)))
    actual, _ = scores_by_tokens([spaced], model.predict(([spaced], WIDTH)))
    same = {(0, 1): (1, 2), (0, 2): (1, 4), (1, 2): (3, 4)}
    for span, other in same.items():
        np.testing.assert_allclose(actual[(0, *other)], wanted[(0, *span)], atol=1e-5)


@pytest.mark.parametrize(
    ("words", "count"), [(["\n"], 0), (["Oslo"], 1), ([" ", "\t", " "], 0)]
)
def test_short_docs_have_valid_scores(nlp, wide_bert, words, count):
    model = build_model(wide_bert, filter=False)
    doc = Doc(nlp.vocab, words=words)
    scores = model.predict(([doc], WIDTH))
    assert np.isfinite(scores.entity_logits).all(1).sum() == count
    assert not np.isnan(scores.entity_logits).any()
    assert scores.relation_scores.shape == (0, 4)


# partially annotated batches ----------------------------------------------------------


def test_unannotated_batch_has_no_loss_and_no_gradients(model, docs):
    gold = story_gold(unknown_entities=range(5))
    assert learn(model, docs, gold).loss.value == 0.0
    assert gradients(model) == {}


def test_unannotated_relations_have_no_gradients(model, docs):
    gold = story_gold(unknown_relations=range(5))
    assert learn(model, docs, gold).loss.value > 0.0
    assert not any("relation" in n or "encoder.1" in n for n in gradients(model))


def test_unannotated_windows_do_not_change_the_loss(exact_model, docs):
    gold = story_gold(unknown_entities=(0, 2))
    filled = [doc for doc in docs if len(doc)]
    wanted = learn(exact_model, docs, gold).loss.value
    other = [
        Doc(doc.vocab, words=["rain"] * len(doc)) if i in (0, 2) else doc
        for i, doc in enumerate(filled)
    ]
    actual = learn(exact_model, other, gold).loss.value
    assert actual == pytest.approx(wanted, abs=1e-5)


def test_single_entity_has_no_relation_gradients(nlp, model):
    doc = Doc(nlp.vocab, words=STORY[2]["words"])
    assert learn(model, [doc], make_gold([(3, 4)], [1])).loss.value > 0.0
    assert not any("relation" in n for n in gradients(model))


# gold spans wider than the limit ------------------------------------------------------


@pytest.mark.parametrize("cold", [True, False])
def test_gold_span_wider_than_the_limit_is_candidate_and_argument(
    wide_bert, docs, cold
):
    model = build_model(
        wide_bert, encoder=EXACT, **NO_DROPOUT, cold_start=1 if cold else 0
    )
    gold = story_gold()
    wide = gold.spans[:, 1] - gold.spans[:, 0] > 1
    assert wide.sum() == 5
    step = learn(model, docs, gold, width=1)
    wanted = naive_loss(model, docs, gold, cold=cold, width=1)
    assert step.loss.value == pytest.approx(float(wanted.detach()), abs=1e-5)


def test_whitespace_around_an_argument_does_not_change_relations(nlp, wide_bert):
    model = build_model(wide_bert)
    doc = Doc(nlp.vocab, words=SPACED)

    def related(*spans):
        pairs = Candidates(np.array(spans), np.array([(0, 1), (1, 0)]))
        with torch.no_grad():
            texts = inside(model).read([doc])
            return inside(model).eval()(texts, pairs, None).relation_logits

    wanted = related((1, 2), (3, 4))
    assert_close(related((0, 3), (2, 5)), wanted)
    assert not torch.allclose(related((1, 2), (1, 4)), wanted, atol=1e-3)


# several relations of two entities ----------------------------------------------------


def test_pairs_with_several_relations_are_counted(model, docs):
    gold = story_gold()
    more = np.concatenate([gold.relations, [[0, 1, 0], [1, 0, 1]]])
    assert learn(model, docs, replace(gold, relations=more)).loss.n_multi_label == 1


def backwards(candidates):
    """Reverse the order of the spans."""
    pairs = len(candidates.spans) - 1 - candidates.pairs
    return Candidates(candidates.spans[::-1], pairs)


@pytest.mark.parametrize("arrange", [None, backwards])
def test_two_directions_of_a_label_are_trained_as_the_first(exact_model, docs, arrange):
    """The order of the text is decisive, not the order of the candidates."""
    gold = story_gold()
    works = LABELS.relation_columns["works_for"]
    # "Nils Dahl", "Fjordline", "Bergen": the last comes first in the text
    person, firm, place = 5, 6, 4

    def loss(*relations):
        rows = np.array([(h, t, works) for h, t in relations])
        some = replace(gold, relations=rows)
        return learn(exact_model, docs, some, arrange=arrange).loss.value

    wanted = loss((person, firm), (place, person))
    both = loss((person, firm), (firm, person), (person, place), (place, person))
    assert both == pytest.approx(wanted, abs=1e-6)
    assert loss((firm, person), (person, place)) != pytest.approx(wanted, abs=1e-3)


# cold start ---------------------------------------------------------------------------


def test_cold_start_is_counted_in_updates(wide_bert, docs, monkeypatch):
    model = build_model(wide_bert, cold_start=2)
    seen = []
    stage = inside(model).network.entity
    original = stage.forward

    def spy(marked, gold=None, *, cold=False):
        seen.append(cold)
        return original(marked, gold, cold=cold)

    monkeypatch.setattr(stage, "forward", spy)
    for _ in range(3):
        # each update has two batches
        learn(model, docs, story_gold())
        learn(model, docs, story_gold())
        inside(model).count_update()
    assert seen == [True] * 4 + [False] * 2
    assert int(inside(model).network.updates) == 3


def test_update_without_a_gradient_is_not_counted(model, docs):
    learn(model, docs, story_gold(unknown_entities=range(5)))
    inside(model).count_update()
    assert int(inside(model).network.updates) == 0


def test_cold_start_does_not_change_predictions(wide_bert, docs):
    cold = all_scores(build_model(wide_bert, cold_start=9), docs)
    warm = all_scores(build_model(wide_bert, cold_start=0), docs)
    for one, other in zip(cold, warm):
        np.testing.assert_array_equal(one, other)
