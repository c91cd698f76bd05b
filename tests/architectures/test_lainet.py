"""LAI-Net as a model: against a reading without packing, and in all its corners."""

import copy
from itertools import permutations

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from spacy.util import registry
from torch.testing import assert_close

from spacy_jre.architectures import lainet as module
from spacy_jre.architectures.header import read_header
from spacy_jre.architectures.lainet import NEVER, count_update, pack_alike
from spacy_jre.architectures.lainet_input import (
    candidate_graphs,
    find_candidates,
    pair_entities,
    relation_graphs,
)
from spacy_jre.architectures.lainet_vocabulary import FAMILIES, MARKERS
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.networks.lainet import Marked, mean_loss
from spacy_jre.types import GoldArrays, LabelNames, Windows

from ..conftest import STORY, save_tiny_bert

LABELS = LabelNames(
    ("LOC", "ORG", "PER"),
    ("based_in", "lives_in", "spouse", "works_for"),
    frozenset({"spouse"}),
)
ENTITY_COLUMN = {"LOC": 1, "ORG": 2, "PER": 3}
RELATION_COLUMN = {name: i for i, name in enumerate(LABELS.relations)}
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 1,
    "embed_size": 100,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
EXACT = {
    "transformer_config": {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
}
NO_DROPOUT = {"dropout": 0.0, "graph_dropout": 0.0}


def make_model(name, *, tok2vec=None, encoder=None, **settings):
    block = {
        "@architectures": "spacy-jre.TransformerEncoder.v1",
        "name": name,
        **(encoder or {}),
    }
    config = {
        "@architectures": "spacy-jre.LAINet.v1",
        "tok2vec": tok2vec or block,
        "max_length": 150,
        **settings,
    }
    return registry.resolve({"model": config})["model"]


def build_model(name, labels=LABELS, *, spread=True, **settings):
    """An initialized model whose network has weights large enough to matter."""
    torch.manual_seed(0)
    model = make_model(name, **settings)
    model.attrs["build"](model, labels)
    model.attrs["max_span_width"] = 8
    if spread:
        generator = torch.Generator().manual_seed(1)
        for parameter in inside(model).network.parameters():
            parameter.data.normal_(0, 0.2, generator=generator)
    return model


def inside(model):
    return get_module(model.get_ref("network"))


@pytest.fixture
def docs(nlp):
    docs = [Doc(nlp.vocab, words=s["words"]) for s in STORY]
    docs.insert(2, Doc(nlp.vocab))
    return docs


@pytest.fixture
def model(wide_bert):
    return build_model(wide_bert)


def gold_of(unknown_entities=(), unknown_relations=()) -> GoldArrays:
    """The story's gold as arrays, window by window."""
    spans, labels, windows, relations, first = [], [], [], [], 0
    for number, sentence in enumerate(STORY):
        offset = len(spans)
        if number not in unknown_entities:
            for start, end, label in sentence["entities"]:
                spans.append((first + start, first + end))
                labels.append(ENTITY_COLUMN[label])
                windows.append(number)
            for head, tail, label in sentence["relations"]:
                row = (offset + head, offset + tail, RELATION_COLUMN[label])
                relations.append(row)
        first += len(sentence["words"])
    numbers = np.arange(len(STORY))
    knows = ~np.isin(numbers, unknown_entities)
    return GoldArrays(
        spans=np.asarray(spans, dtype=np.int64).reshape(-1, 2),
        labels=np.asarray(labels, dtype=np.int64),
        windows=np.asarray(windows, dtype=np.int64),
        relations=np.asarray(relations, dtype=np.int64).reshape(-1, 3),
        knows_entities=knows,
        knows_relations=knows & ~np.isin(numbers, unknown_relations),
    )


# a reading without packing, written from the description ------------------------------


class Naive:
    """One window, one span list, one row of the encoder at a time."""

    def __init__(
        self, model, *, mask="invisible", text=True, markers="all", words=None
    ):
        self.module = inside(model)
        self.tokenizer = self.module.tokenizer
        self.settings = (mask, text, markers)
        self.words = words or {}

    def pieces(self, words):
        return [
            self.tokenizer.convert_tokens_to_ids(self.tokenizer.tokenize(w))
            for w in words
        ]

    def sees(self, viewer, seen):
        """viewer, seen: (kind, pair)"""
        mask, text_sees_markers, markers_see = self.settings
        if mask == "full":
            return True
        if viewer[0] == "text":
            return {
                "text": True,
                "annotation": mask == "visible",
                "marker": text_sees_markers,
            }[seen[0]]
        if viewer[0] == "annotation":
            return {
                "text": mask == "visible",
                "annotation": True,
                "marker": False,
            }[seen[0]]
        return seen[0] != "marker" or markers_see == "all" or viewer[1] == seen[1]

    def read(self, stage, words, spans, labels, subject=None):
        """Hidden rows of each span, label annotation and the subject."""
        vocabulary = self.tokenizer.get_vocab()
        cls, sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
        markers = [vocabulary[m] for m in ("[ENT]", "[/ENT]")]
        if stage:
            markers = [vocabulary[m] for m in ("[OBJ]", "[/OBJ]")]
        solid = [vocabulary[m] for m in ("[SUBJ]", "[/SUBJ]")]
        ids, kinds, token_columns = [cls], [("text", None)], []
        own = []
        for number, pieces in enumerate(self.pieces(words)):
            if subject and number == subject[0]:
                own.append(len(ids))
                ids.append(solid[0])
            token_columns.append(list(range(len(ids), len(ids) + len(pieces))))
            ids += pieces
            if subject and number == subject[1] - 1:
                own.append(len(ids))
                ids.append(solid[1])
        ids.append(sep)
        kinds += [("text", None)] * (len(ids) - 1)
        anno_columns = []
        for label in labels:
            text = self.words.get(label, label.replace("_", " ").lower())
            pieces = [p for group in self.pieces(text.split()) for p in group]
            anno_columns.append((len(ids), len(ids) + len(pieces) - 1))
            ids += pieces
        if labels:
            ids.append(sep)
        kinds += [("annotation", None)] * (len(ids) - len(kinds))
        positions = list(range(len(ids)))
        ends = [(token_columns[s][0], token_columns[e - 1][-1]) for s, e in spans]
        marker_columns = []
        for side in (0, 1):
            for number, pair in enumerate(ends):
                marker_columns.append(len(ids))
                ids.append(markers[side])
                positions.append(pair[side])
                kinds.append(("marker", number))
        seen = torch.tensor([[self.sees(v, s) for s in kinds] for v in kinds])
        encoder = self.module.encoder[stage if len(self.module.encoder) > 1 else 0]
        hidden = encoder(
            input_ids=torch.tensor([ids]),
            position_ids=torch.tensor([positions]),
            attention_mask=seen.long().unsqueeze(0),
            token_type_ids=torch.zeros((1, len(ids)), dtype=torch.long),
        ).last_hidden_state[0]
        count = len(spans)
        rows = [
            [
                hidden[first],
                hidden[last],
                hidden[marker_columns[i]],
                hidden[marker_columns[count + i]],
            ]
            for i, (first, last) in enumerate(ends)
        ]
        annotations = [[hidden[first], hidden[last]] for first, last in anno_columns]
        subject_rows = []
        if subject:
            first = token_columns[subject[0]][0]
            last = token_columns[subject[1] - 1][-1]
            subject_rows = [hidden[first], hidden[last], hidden[own[0]], hidden[own[1]]]
        return rows, annotations, subject_rows

    def marked(self, *args):
        """The same as the network wants it: one pass, one graph."""
        rows, annotations, subject = self.read(*args)
        width = len(rows[0][0])
        return Marked(
            spans=torch.stack([torch.stack(row) for row in rows]),
            passes=torch.zeros(len(rows), dtype=torch.long),
            pass_graphs=torch.zeros(1, dtype=torch.long),
            n_graphs=1,
            annotations=(
                torch.stack([torch.stack(a) for a in annotations])[None]
                if annotations
                else torch.zeros(1, 0, 2, width)
            ),
            subjects=(
                torch.stack(subject)[None] if subject else torch.zeros(1, 0, width)
            ),
        )

    def candidates(self, words, width=8):
        count = len(words)
        return [
            (s, e)
            for s in range(count)
            for e in range(s + 1, min(s + width, count) + 1)
        ]

    def entities(self, words, labels=LABELS.entities):
        """Logits of each span; None where the filter stops it."""
        spans = self.candidates(words)
        outputs = self.module.network.entity(self.marked(0, words, spans, labels))
        found = dict.fromkeys(spans)
        for node, logits in zip(outputs.nodes.tolist(), outputs.entity_logits):
            found[spans[node]] = logits
        return found

    def relation_logits(self, words, entities, labels=LABELS.relations):
        found = {}
        for subject in entities:
            others = [e for e in entities if e != subject]
            marked = self.marked(1, words, others, labels, subject)
            for other, row in zip(others, self.module.network.relation(marked)):
                found[subject, other] = row
        return found


def scores_by_place(docs, scores):
    """Entity logits and relation logits of a JointScores by Doc and tokens."""
    windows = scores.windows
    offset = (windows.start - windows.first_token)[
        windows.token_window[scores.spans[:, 0]]
    ]
    number = windows.doc[windows.token_window[scores.spans[:, 0]]]
    keys = [
        (int(d), int(s + o), int(e + o))
        for d, o, (s, e) in zip(number, offset, scores.spans)
    ]
    entities = dict(zip(keys, scores.entity_logits))
    relations = {
        (keys[i], keys[j]): row
        for (i, j), row in zip(scores.pairs, scores.relation_logits)
    }
    return entities, relations


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
]


def naive_of(model, settings):
    return Naive(
        model,
        mask=settings.get("mask", "invisible"),
        text=settings.get("text_sees_markers", True),
        markers=settings.get("markers_see", "all"),
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_scores_are_those_of_a_reading_without_packing(wide_bert, docs, settings):
    model = build_model(wide_bert, **settings)
    model.attrs["max_span_width"] = 8
    naive = naive_of(model, settings)
    labels = (
        LABELS if settings.get("annotate", True) else LabelNames((), (), frozenset())
    )
    with torch.no_grad():
        scores = model.predict(docs)
        entities, relations = scores_by_place(docs, scores)
        n_entities = n_related = 0
        for number, doc in enumerate(docs):
            if not len(doc):
                continue
            words = [token.text for token in doc]
            wanted = naive.entities(words, labels.entities)
            assert {k[1:] for k in entities if k[0] == number} == set(wanted)
            best = {}
            for (start, end), logits in wanted.items():
                found = entities[number, start, end]
                if logits is None:
                    assert found.tolist() == [0.0, NEVER, NEVER, NEVER]
                    continue
                np.testing.assert_allclose(found, logits.numpy(), atol=1e-5)
                if int(logits.argmax()):
                    best[start, end] = float(logits.softmax(0).max())
            n_entities += len(best)
            # as many entities as tokens are paired, the best-scored
            kept = sorted(sorted(best, key=best.get, reverse=True)[: len(doc)])
            logits = naive.relation_logits(words, kept, labels.relations)
            mine = {k: v for k, v in relations.items() if k[0][0] == number}
            assert {(h[1:], t[1:]) for h, t in mine} == set(permutations(kept, 2))
            for (head, tail), row in mine.items():
                label, score = model_decision(
                    inside(model).network.relation.mirrors,
                    logits[head[1:], tail[1:]],
                    logits[tail[1:], head[1:]],
                    settings.get("agreement", "both"),
                )
                expected = np.full(4, NEVER)
                if label is not None:
                    expected[label] = np.log(score / (1 - score))
                    n_related += 1
                np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)
    assert n_entities > 5
    assert n_related > 0


def model_decision(mirrors, ahead, back, agreement):
    """The label of an ordered pair and its score, as the description has it."""
    p, q = ahead.softmax(0).tolist(), back.softmax(0).tolist()
    mirrors = mirrors.tolist()
    columns = range(len(p))
    if agreement == "mean":
        best = max(columns, key=lambda c: np.log(p[c]) + np.log(q[mirrors[c]]))
    else:
        best = max(columns, key=p.__getitem__)
    if agreement == "both" and max(columns, key=q.__getitem__) != mirrors[best]:
        return None, 0.0
    if not 1 <= best <= 4:
        return None, 0.0
    score = p[best] if agreement == "forward" else (p[best] + q[mirrors[best]]) / 2
    return best - 1, score


def naive_loss(model, docs, gold, *, cold, settings=None):
    """One loss over the batch, from readings of one window each."""
    naive = naive_of(model, settings or {})
    network = inside(model).network
    filtered, filter_targets, spans, span_targets = [], [], [], []
    pairs, pair_columns = [], []
    mirrors = network.relation.mirrors.tolist()
    filled = [doc for doc in docs if len(doc)]
    first = 0
    for number, doc in enumerate(filled):
        words = [token.text for token in doc]
        members = [i for i in range(len(gold.spans)) if gold.windows[i] == number]
        places = {
            (int(s) - first, int(e) - first): i
            for i, (s, e) in zip(members, gold.spans[members])
        }
        if gold.knows_entities[number]:
            candidates = naive.candidates(words, model.attrs["max_span_width"])
            targets = torch.tensor(
                [gold.labels[places[c]] if c in places else 0 for c in candidates]
            )
            marked = naive.marked(0, words, candidates, LABELS.entities)
            outputs = network.entity(marked, targets > 0, cold=cold)
            filtered.append(outputs.filter_logits)
            filter_targets.append((targets > 0).long())
            spans.append(outputs.entity_logits)
            span_targets.append(targets[outputs.nodes])
        if gold.knows_relations[number] and len(places) > 1:
            logits = naive.relation_logits(words, sorted(places))
            for (head, tail), row in logits.items():
                columns = []
                for h, t, label in gold.relations.tolist():
                    if (h, t) == (places[head], places[tail]):
                        columns.append(1 + label)
                    if (t, h) == (places[head], places[tail]):
                        columns.append(mirrors[1 + label])
                pairs.append(row)
                pair_columns.append(columns[0] if columns else 0)
        first += len(doc)
    entity = mean_loss(torch.cat(filtered), torch.cat(filter_targets))
    entity = (settings or {}).get("filter_weight", 1.0) * entity
    entity = entity + mean_loss(torch.cat(spans), torch.cat(span_targets))
    return entity + mean_loss(torch.stack(pairs), torch.tensor(pair_columns))


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize(
    "settings",
    [{}, {"mask": "visible"}, {"shared_encoder": True}, {"filter_weight": 7.0}],
)
def test_loss_and_gradients_are_those_of_a_reading_without_packing(
    wide_bert, docs, settings, cold
):
    model = build_model(
        wide_bert,
        encoder=EXACT,
        **NO_DROPOUT,
        cold_start=1 if cold else 0,
        **settings,
    )
    gold = gold_of()
    learnt = model.attrs["learn"](model, docs, lambda windows: gold)
    learnt.backprop()
    torso = inside(model)
    found = {
        n: p.grad.clone() for n, p in torso.named_parameters() if p.grad is not None
    }
    torso.zero_grad(set_to_none=True)
    loss = naive_loss(model, docs, gold, cold=cold, settings=settings)
    loss.backward()
    assert learnt.loss == pytest.approx(float(loss.detach()), abs=1e-5)
    wanted = {n: p.grad for n, p in torso.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert_close(found[name], gradient, atol=1e-4, rtol=1e-3)


def test_every_parameter_but_the_pooler_gets_a_gradient(model, docs):
    learnt = model.attrs["learn"](model, docs, lambda windows: gold_of())
    learnt.backprop()
    idle = {
        name
        for name, parameter in inside(model).named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    assert {name for name in idle if "pooler" not in name} == set()
    assert any(name.startswith("encoder.0.") for name in idle)
    assert any(name.startswith("encoder.1.") for name in idle)


# ablations ----------------------------------------------------------------------------

ALL = {"entity", "relation", "decision"}


def outputs_of(model, docs) -> dict[str, torch.Tensor]:
    """Logits of all candidates as predicted, logits of the gold pairs, and labels and
    scores that are read off these."""
    torso, gold = inside(model).eval(), gold_of()
    pairs, mirrors = pair_entities(gold.windows)
    graphs = relation_graphs(torso.read(docs), gold.spans, gold.windows, pairs)
    with torch.no_grad():
        logits = torso.network.relation(torso.encode(1, graphs))
        mirrored = logits[torch.from_numpy(mirrors)]
        decision = torch.stack(torso.network.decide(logits, mirrored))
    entity = torch.from_numpy(model.predict(docs).entity_logits)
    return {"entity": entity, "relation": logits, "decision": decision}


@pytest.mark.parametrize(
    ("settings", "changes", "vanish"),
    [
        ({"filter": False}, {"entity"}, "network.entity.filter."),
        ({"filter_threshold": 0.6}, {"entity"}, None),
        ({"mask": "visible"}, ALL, None),
        ({"mask": "full"}, ALL, None),
        ({"text_sees_markers": False}, ALL, None),
        ({"markers_see": "pair"}, ALL, None),
        ({"annotate": False}, ALL, ("network.entity.interact.", "network.relation.i")),
        ({"annotations": {"PER": "rain fell"}}, {"entity"}, None),
        ({"annotations": {"spouse": "rain fell"}}, {"relation", "decision"}, None),
        ({"shared_encoder": True}, {"relation", "decision"}, "encoder.1."),
        ({"agreement": "mean"}, {"decision"}, None),
        ({"agreement": "forward"}, {"decision"}, None),
        ({"entity_layers": 0}, {"entity"}, "network.entity.interact."),
        ({"relation_layers": 0}, {"relation", "decision"}, "network.relation.i"),
    ],
    ids=str,
)
def test_switch_changes_what_it_should_and_spares_the_rest_to_the_bit(
    wide_bert, docs, settings, changes, vanish
):
    reference, model = build_model(wide_bert), build_model(wide_bert, **settings)
    state = inside(reference).state_dict()
    generator = torch.Generator().manual_seed(2)
    for name, rows in state.items():
        if name.startswith("encoder.1."):  # they start alike
            rows += 0.1 * torch.randn(rows.shape, generator=generator)
    own = inside(model).state_dict().keys()
    assert own <= state.keys()
    assert state.keys() - own == {n for n in state if vanish and n.startswith(vanish)}
    inside(model).load_state_dict(state, strict=False)
    before, after = outputs_of(reference, docs), outputs_of(model, docs)
    for name in ALL - changes:
        assert torch.equal(after[name], before[name]), name
    for name in changes:
        assert not torch.allclose(after[name], before[name], atol=1e-3), name


# packing ------------------------------------------------------------------------------

LEVITATED = {"text_sees_markers": False, "markers_see": "pair"}


def all_scores(model, docs, width=8):
    model.attrs["max_span_width"] = width
    scores = model.predict(docs)
    return scores.entity_logits, scores.pairs, scores.relation_logits


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_packing_changes_nothing_where_nobody_sees_other_markers(
    wide_bert, docs, limit
):
    wanted = all_scores(build_model(wide_bert, **LEVITATED), docs)
    found = all_scores(build_model(wide_bert, **LEVITATED, max_candidates=limit), docs)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-5)
    assert found[1].tolist() == wanted[1].tolist()
    np.testing.assert_allclose(found[2], wanted[2], atol=1e-5)


def test_packing_changes_something_with_the_papers_mask(wide_bert, docs):
    wanted = all_scores(build_model(wide_bert, filter=False), docs)
    found = all_scores(build_model(wide_bert, filter=False, max_candidates=10), docs)
    assert not np.allclose(found[0], wanted[0], atol=1e-3)


@pytest.mark.parametrize("budget", [1, 500])
def test_size_of_the_forwards_changes_nothing(wide_bert, docs, budget):
    wanted = all_scores(build_model(wide_bert), docs)
    found = all_scores(
        build_model(wide_bert, encoder={"max_batch_pieces": budget}), docs
    )
    for one, other in zip(found, wanted):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("size", [1, 100])
def test_size_of_the_chunks_changes_nothing(model, docs, monkeypatch, size):
    wanted = all_scores(model, docs)
    monkeypatch.setattr(module, "ROWS_PER_CHUNK", size)
    for one, other in zip(all_scores(model, docs), wanted):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_docs_of_a_batch_do_not_read_each_other(model, docs):
    entities, relations = scores_by_place(docs, model.predict(docs))
    n_pairs = 0
    for number, doc in enumerate(docs):
        if not len(doc):
            continue
        alone, pairs = scores_by_place([doc], model.predict([doc]))
        n_pairs += len(pairs)
        for (_, *place), logits in alone.items():
            found = entities[(number, *place)]
            np.testing.assert_allclose(found, logits, atol=1e-5)
        for ((_, *head), (_, *tail)), logits in pairs.items():
            found = relations[(number, *head), (number, *tail)]
            np.testing.assert_allclose(found, logits, atol=1e-5)
    assert n_pairs == len(relations) > 10


def test_four_hundred_candidates_stay_within_the_positions(nlp, wide_bert):
    model = build_model(wide_bert, max_candidates=150, filter=False)
    model.attrs["max_span_width"] = 12
    doc = Doc(nlp.vocab, words=["rain"] * 40)
    texts = inside(model).read([doc])
    spans = find_candidates(texts, 12)
    assert len(spans) == 414
    graphs = candidate_graphs(texts, spans)
    passes, numbers = graphs.passes(inside(model).forms[0], 150)
    assert [len(p.spans) for p in passes] == [150, 150, 114]
    assert set(numbers.tolist()) == {0}
    limit = inside(model).encoder[0].config.max_position_embeddings
    assert limit == 160
    assert max(int(p.positions.max()) for p in passes) < limit
    # longer than the encoder has positions
    assert max(len(p.ids) for p in passes) > 300
    scores = model.predict([doc])
    assert len(scores.entity_logits) == 414
    assert (scores.entity_logits[:, 1:] > NEVER).all()


def test_passes_of_much_the_same_length_are_read_together():
    lengths = np.array([100, 10, 95, 85, 9, 79, 8])
    batches = [lengths[batch].tolist() for batch in pack_alike(lengths, 1000)]
    assert batches == [[100, 95, 85], [79], [10, 9, 8]]
    batches = [lengths[batch].tolist() for batch in pack_alike(lengths, 200)]
    assert batches == [[100, 95], [85, 79], [10, 9, 8]]


def test_long_window_is_cut_where_the_annotations_leave_room(nlp, model):
    room = inside(model).max_pieces
    assert 60 < room < 150
    doc = Doc(nlp.vocab, words=["x"] * (2 * room + 1))
    with pytest.warns(UserWarning, match=rf"J901.*{room} wordpieces"):
        windows = inside(model).read([doc]).windows
    assert windows.counts.tolist() == [room, room, 1]


# little or nothing --------------------------------------------------------------------


def test_tokens_without_pieces_begin_and_end_no_candidate(nlp, model):
    doc = Doc(nlp.vocab, words=["\n", "Oslo", " ", "rain", "\t"])
    entities, _ = scores_by_place([doc], model.predict([doc]))
    assert {place[1:] for place in entities} == {(1, 2), (1, 4), (3, 4)}


def test_tokens_without_pieces_change_no_score(nlp, wide_bert):
    model = build_model(wide_bert, filter=False)
    plain = Doc(nlp.vocab, words=["Oslo", "rain"])
    spaced = Doc(nlp.vocab, words=["\n", "Oslo", " ", "rain", "\t"])
    wanted, _ = scores_by_place([plain], model.predict([plain]))
    found, _ = scores_by_place([spaced], model.predict([spaced]))
    same = {(0, 1): (1, 2), (0, 2): (1, 4), (1, 2): (3, 4)}
    for place, other in same.items():
        np.testing.assert_allclose(found[(0, *other)], wanted[(0, *place)], atol=1e-5)


@pytest.mark.parametrize(
    ("words", "count"), [(["\n"], 0), (["Oslo"], 1), ([" ", "\t", " "], 0)]
)
def test_docs_of_little_are_read(nlp, model, words, count):
    doc = Doc(nlp.vocab, words=words)
    scores = model.predict([doc])
    assert len(scores.spans) == count
    assert np.isfinite(scores.entity_logits).all()
    assert np.isfinite(scores.relation_logits).all()


def learn(model, docs, gold):
    learnt = model.attrs["learn"](model, docs, lambda windows: gold)
    learnt.backprop()
    return learnt


def gradients(model):
    return {n for n, p in inside(model).named_parameters() if p.grad is not None}


def test_batch_that_nobody_annotated_teaches_nothing(model, docs):
    gold = gold_of(unknown_entities=range(5))
    assert learn(model, docs, gold).loss == 0.0
    assert gradients(model) == set()


def test_unknown_relations_teach_no_relation(model, docs):
    gold = gold_of(unknown_relations=range(5))
    assert learn(model, docs, gold).loss > 0.0
    assert not any("relation" in n or "encoder.1" in n for n in gradients(model))


def test_windows_that_nobody_annotated_change_nothing(wide_bert, docs):
    model = build_model(wide_bert, encoder=EXACT, **NO_DROPOUT, cold_start=0)
    gold = gold_of(unknown_entities=(0, 2))
    filled = [doc for doc in docs if len(doc)]
    wanted = learn(model, docs, gold).loss
    other = [
        Doc(doc.vocab, words=["rain"] * len(doc)) if i in (0, 2) else doc
        for i, doc in enumerate(filled)
    ]
    assert learn(model, other, gold).loss == pytest.approx(wanted, abs=1e-5)


def test_one_entity_is_no_relation_to_learn(nlp, model):
    doc = Doc(nlp.vocab, words=STORY[2]["words"])
    gold = GoldArrays(
        spans=np.array([[3, 4]]),
        labels=np.array([1]),
        windows=np.array([0]),
        relations=np.zeros((0, 3), dtype=np.int64),
        knows_entities=np.array([True]),
        knows_relations=np.array([True]),
    )
    assert learn(model, [doc], gold).loss > 0.0
    assert not any("relation" in n for n in gradients(model))


def test_gold_wider_than_the_limit_is_no_candidate_but_an_argument(wide_bert, docs):
    model = build_model(wide_bert, encoder=EXACT, **NO_DROPOUT, cold_start=9)
    model.attrs["max_span_width"] = 1
    loss = learn(model, docs, gold_of()).loss
    wanted = naive_loss(model, docs, gold_of(), cold=True)
    assert loss == pytest.approx(float(wanted.detach()), abs=1e-5)


# gold that is not learnt --------------------------------------------------------------


def test_gold_wider_than_the_limit_is_counted(model, docs):
    model.attrs["max_span_width"] = 1
    gold = gold_of()
    wide = int((gold.spans[:, 1] - gold.spans[:, 0] > 1).sum())
    assert wide == 5
    assert learn(model, docs, gold).unreached == wide


def gold_of_blanks() -> GoldArrays:
    """Of the tokens: blank, "Oslo", blank, "rain"."""
    return GoldArrays(
        spans=np.array([[1, 3], [0, 2], [0, 1], [3, 4]]),
        labels=np.array([1, 1, 2, 3]),
        windows=np.zeros(4, dtype=np.int64),
        relations=np.array([[0, 3, 1], [1, 3, 1], [2, 3, 1], [3, 2, 0]]),
        knows_entities=np.array([True]),
        knows_relations=np.array([True]),
    )


def test_gold_that_begins_or_ends_without_pieces_is_counted(nlp, model):
    doc = Doc(nlp.vocab, words=["\n", "Oslo", " ", "rain"])
    learnt = learn(model, [doc], gold_of_blanks())
    # the blank alone cannot be read, so that two relations are lost
    assert (learnt.unreached, learnt.unread) == (3, 2)


def test_gold_of_blanks_alone_teaches_nothing_and_is_counted(nlp, model):
    doc = Doc(nlp.vocab, words=["\n", " "])
    gold = GoldArrays(
        **{
            **vars(gold_of_blanks()),
            "spans": np.array([[0, 1], [1, 2], [0, 2], [0, 1]]),
        }
    )
    learnt = learn(model, [doc], gold)
    assert (learnt.loss, learnt.unreached, learnt.unread) == (0.0, 4, 4)


def test_pairs_with_several_relations_are_counted(model, docs):
    gold = gold_of()
    more = np.concatenate([gold.relations, [[0, 1, 0], [1, 0, 1]]])
    gold = GoldArrays(**{**vars(gold), "relations": more})
    assert learn(model, docs, gold).doubled == 1


def test_two_directions_of_a_label_are_learnt_as_the_first(wide_bert, docs):
    """The gold lists entities in any order; the text decides which comes first."""
    model = build_model(wide_bert, encoder=EXACT, **NO_DROPOUT)
    gold = gold_of()
    works = RELATION_COLUMN["works_for"]
    # "Nils Dahl", "Fjordline", "Bergen": the last comes first in the text
    person, firm, place = 5, 6, 4

    def loss(*relations):
        rows = np.array([(h, t, works) for h, t in relations])
        return learn(model, docs, GoldArrays(**{**vars(gold), "relations": rows})).loss

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
        # two batches make an update
        learn(model, docs, gold_of())
        learn(model, docs, gold_of())
        count_update(model)
    assert seen == [True] * 4 + [False] * 2
    assert model.attrs["updates"] == 3


def test_update_without_a_gradient_is_none(model, docs):
    learn(model, docs, gold_of(unknown_entities=range(5)))
    count_update(model)
    assert model.attrs["updates"] == 0


def test_updates_are_saved_and_begin_anew_when_initialized(wide_bert, docs):
    model = build_model(wide_bert)
    learn(model, docs, gold_of())
    count_update(model)
    twin = make_model(wide_bert).from_bytes(model.to_bytes())
    assert twin.attrs["updates"] == 1
    twin.attrs["build"](twin, LABELS)
    assert twin.attrs["updates"] == 0


# making and saving --------------------------------------------------------------------


def test_weights_carry_everything_but_the_folder(wide_bert, docs):
    model = build_model(wide_bert)
    data = model.to_bytes()
    assert wide_bert.encode() not in data
    twin = make_model("/no/such/folder").from_bytes(data)
    for one, other in zip(all_scores(twin, docs), all_scores(model, docs)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_annotations_of_the_weights_hold_whatever_the_config_says(wide_bert, docs):
    model = build_model(wide_bert, annotations={"PER": "a person"})
    twin = make_model(wide_bert).from_bytes(model.to_bytes())
    for one, other in zip(all_scores(twin, docs), all_scores(model, docs)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_annotations_are_read(wide_bert, docs):
    words = {"PER": "rain fell", "spouse": "married both"}
    first = all_scores(build_model(wide_bert, filter=False), docs)
    model = build_model(wide_bert, filter=False, annotations=words)
    second = all_scores(model, docs)
    assert not np.allclose(first[0], second[0], atol=1e-3)
    naive = Naive(model, words=words)
    found, _ = scores_by_place(docs, model.predict(docs))
    with torch.no_grad():
        wanted = naive.entities(STORY[0]["words"])
    for (start, end), logits in wanted.items():
        np.testing.assert_allclose(found[0, start, end], logits.numpy(), atol=1e-5)


def test_two_encoders_start_alike_and_share_nothing(model):
    first, second = inside(model).encoder
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


def test_shared_encoder_is_one(wide_bert):
    one = build_model(wide_bert, shared_encoder=True)
    assert len(inside(one).encoder) == 1
    assert len(one.to_bytes()) < 0.7 * len(build_model(wide_bert).to_bytes())


def test_initialized_again_it_keeps_its_transformers(wide_bert, docs):
    model = build_model(wide_bert)
    inside(model).encoder[1].embeddings.word_embeddings.weight.data[7] = 7.0
    loaded = make_model("/no/such/folder").from_bytes(model.to_bytes())
    labels = LabelNames(("X",), ("y",), frozenset())
    loaded.attrs["build"](loaded, labels)
    module = inside(loaded)
    assert (module.encoder[1].embeddings.word_embeddings.weight[7] == 7.0).all()
    assert module.forms[0].markers == inside(model).forms[0].markers
    assert module.network.entity.classify.out_features == 2
    assert loaded.predict(docs).entity_logits.shape[1] == 2


def test_markers_are_added_where_the_vocabulary_has_none_to_spare(model, wide_bert):
    tokenizer = inside(model).tokenizer
    forms = inside(model).forms
    ids = [*forms[0].markers, *forms[1].solid, *forms[1].markers]
    assert tokenizer.convert_ids_to_tokens(ids) == list(MARKERS)
    embeddings = inside(model).encoder[0].get_input_embeddings().weight
    assert len(embeddings) == len(tokenizer)
    vocabulary = tokenizer.get_vocab()
    first_piece = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("entity"))[0]
    for start, end in zip(ids[::2], ids[1::2]):
        assert torch.equal(embeddings[start], embeddings[vocabulary["[MASK]"]])
        assert torch.equal(embeddings[end], embeddings[first_piece])


def test_unused_pieces_become_markers(tmp_path):
    folder = save_tiny_bert(tmp_path / "bert", positions=160)
    vocabulary = (folder / "vocab.txt").read_text().split("\n")
    spare = [f"[unused{n}]" for n in range(8)]
    letters = [i for i, piece in enumerate(vocabulary) if piece.startswith("##")][:8]
    for index, piece in zip(letters, spare):
        vocabulary[index] = piece
    for file in folder.glob("tokenizer*"):
        file.unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    model = build_model(str(folder))
    tokenizer = inside(model).tokenizer
    forms = inside(model).forms
    ids = [*forms[0].markers, *forms[1].solid, *forms[1].markers]
    assert tokenizer.convert_ids_to_tokens(ids) == spare[:6]
    embeddings = inside(model).encoder[0].get_input_embeddings().weight
    assert len(embeddings) == len(tokenizer)


def test_parameters_of_the_transformers_can_be_named(model):
    names = [name for name, _ in inside(model).named_parameters()]
    assert all(n.startswith(("encoder.0.", "encoder.1.", "network.")) for n in names)


def test_header_holds_labels_and_what_stands_around_a_text(model):
    data = model.get_ref("network").shims[0].to_bytes()
    fields = read_header(_weights(data)).fields
    assert fields["n_entity_labels"] == 3
    assert fields["n_relation_labels"] == 4
    assert fields["symmetric"] == [2]
    assert len(fields["markers"]) == 6
    assert [len(labels) for labels in fields["annotations"]] == [3, 4]


def _weights(data):
    import srsly

    return srsly.msgpack_loads(data)["state"]


def test_twin_of_a_model_has_weights_of_its_own(model, docs):
    wanted = all_scores(model, docs)[0]
    twin = copy.deepcopy(model)
    for parameter in inside(model).parameters():
        parameter.data += 0.1
    np.testing.assert_allclose(all_scores(twin, docs)[0], wanted, atol=1e-6)


def test_half_precision_stays_close_and_learns(wide_bert, docs):
    full = build_model(wide_bert, filter=False)
    half = build_model(wide_bert, filter=False, encoder={"mixed_precision": True})
    first, second = all_scores(full, docs)[0], all_scores(half, docs)[0]
    assert second.dtype == np.float32
    assert not np.array_equal(first, second)
    assert np.abs(first - second).mean() < 0.2
    assert np.isfinite(learn(half, docs, gold_of()).loss)
    grads = [p.grad for p in inside(half).parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in grads)


# what is refused ----------------------------------------------------------------------


def test_tok2vec_is_refused(wide_bert):
    with pytest.raises(ValueError, match=r"J311.*TransformerEncoder"):
        make_model("x", tok2vec=TOK2VEC)


@pytest.mark.parametrize(
    "block",
    [
        {"@architectures": "spacy-jre.SharedTransformer.v1"},
        {"@architectures": "spacy.Tok2VecListener.v1", "width": 8},
    ],
)
def test_listener_is_refused(block):
    with pytest.raises(ValueError, match=r"J311.*listen"):
        make_model("x", tok2vec=block)


def test_annotations_that_leave_no_room_are_refused_with_the_numbers(wide_bert):
    # three special tokens, a word of one letter and 150 of another, and four letters
    words = {"LOC": "a", "PER": "q " * 150, "ORG": "zyxw"}
    with pytest.raises(ValueError, match=r"J312.*158 and.*max_length = 150.*160"):
        build_model(wide_bert, annotations=words)


def test_annotation_without_pieces_is_refused(wide_bert):
    with pytest.raises(ValueError, match=r"J313.*'PER', ' '"):
        build_model(wide_bert, annotations={"PER": " "})


def test_annotation_of_an_unknown_label_is_refused(wide_bert):
    with pytest.raises(ValueError, match=r"J314.*'PERSON'"):
        build_model(wide_bert, annotations={"PERSON": "a person"})


@pytest.mark.parametrize(("name", "value"), [("max_candidates", 0), ("cold_start", -1)])
def test_setting_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"J203.*{name}.*{value}"):
        make_model("x", **{name: value})


def test_scores_take_no_gradient(model, docs):
    _, backprop = model(docs, True)
    with pytest.raises(NotImplementedError, match="J315"):
        backprop(None)


def test_model_that_is_not_initialized_says_so(wide_bert, docs):
    model = make_model(wide_bert)
    with pytest.raises(ValueError, match="J301"):
        model.predict(docs)
    with pytest.raises(ValueError, match="J301"):
        model.attrs["learn"](model, docs, lambda windows: gold_of())


def save_family(family, folder, vocabulary, **settings):
    """A random transformer of a family on the tiny vocabulary."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(vocabulary)
    tokenizer.save_pretrained(folder)
    positions = 160 if family in ("bert", "electra", "distilbert") else 163
    sizes = {
        "hidden_size": 16,
        "embedding_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    if family == "distilbert":
        sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
        **settings,
    )
    transformer = AutoModel.from_config(config)
    for parameter in transformer.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.3)
    transformer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_family_obeys_mask_and_positions(tmp_path, wide_bert, docs, family):
    """Scores do not depend on packing only if both are taken as they are given."""
    name = save_family(family, tmp_path, wide_bert)
    settings = {**LEVITATED, "filter": False}
    wanted = all_scores(build_model(name, **settings), docs)
    found = all_scores(build_model(name, **settings, max_candidates=7), docs)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    assert len(np.unique(wanted[0][:, 1].round(4))) > 50
    # and with the paper's mask they do
    seen = all_scores(build_model(name, filter=False), docs)
    assert not np.allclose(seen[0], wanted[0], atol=1e-3)


@pytest.mark.parametrize(
    ("family", "settings"),
    [("distilbert", {}), ("bert", {"position_embedding_type": "relative_key"})],
)
def test_family_that_cannot_be_fed_so_is_refused(tmp_path, wide_bert, family, settings):
    name = save_family(family, tmp_path, wide_bert, **settings)
    with pytest.raises(ValueError, match=rf"J316.*{family}"):
        build_model(name)


def test_windows_type_is_what_gold_is_asked_for(model, docs):
    asked = []

    def find(windows):
        asked.append(windows)
        return gold_of()

    model.attrs["learn"](model, docs, find)
    assert isinstance(asked[0], Windows)
    assert asked[0].doc.tolist() == [0, 1, 3, 4, 5]
