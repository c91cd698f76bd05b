"""A simple LAI-Net without packing, as reference: one window at a time."""

from itertools import permutations

import numpy as np
import torch
import torch.nn.functional as F
import transformers

from spacy_jre.networks.lainet import MarkedSpans

from .helpers import LABELS, WIDTH, inside


class Naive:
    """Encodes one window and one list of spans at a time."""

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
        """Whether a token attends to another. viewer, seen (tuple): Kind and pair."""
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
        """The hidden rows of each span, each annotation and the subject."""
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
        # transformers 5 takes a mask with a dimension for the heads
        new = int(transformers.__version__.split(".")[0]) >= 5
        mask = seen[None, None] if new else seen[None].long()
        encoder = self.module.encoder[stage if len(self.module.encoder) > 1 else 0]
        hidden = encoder(
            input_ids=torch.tensor([ids]),
            position_ids=torch.tensor([positions]),
            attention_mask=mask,
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
        """The same rows as input of the network: one pass, one graph."""
        rows, annotations, subject = self.read(*args)
        width = len(rows[0][0])
        return MarkedSpans(
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

    def candidates(self, words, width=WIDTH):
        count = len(words)
        return [
            (s, e)
            for s in range(count)
            for e in range(s + 1, min(s + width, count) + 1)
        ]

    def entities(self, words, labels=LABELS.entities):
        """Logits of each span; None if the filter drops it."""
        spans = self.candidates(words)
        outputs = self.module.network.entity(self.marked(0, words, spans, labels))
        result = dict.fromkeys(spans)
        for node, logits in zip(outputs.nodes.tolist(), outputs.entity_logits):
            result[spans[node]] = logits
        return result

    def relation_logits(self, words, entities, labels=LABELS.relations):
        """Logits of all ordered pairs of some entities."""
        return self.pair_logits(words, list(permutations(entities, 2)), labels)

    def pair_logits(self, words, pairs, labels=LABELS.relations):
        """Logits of the pairs; each subject is encoded with its objects."""
        result = {}
        for subject in sorted({head for head, _ in pairs}):
            others = [tail for head, tail in pairs if head == subject]
            marked = self.marked(1, words, others, labels, subject)
            for other, row in zip(others, self.module.network.relation(marked)):
                result[subject, other] = row
        return result


def naive_of(model, settings):
    """The reference implementation of a model with some settings."""
    return Naive(
        model,
        mask=settings.get("mask", "invisible"),
        text=settings.get("text_sees_markers", True),
        markers=settings.get("markers_see", "all"),
    )


def naive_decision(inverses, ahead, back, agreement):
    """The label of an ordered pair and its score."""
    p, q = ahead.softmax(0).tolist(), back.softmax(0).tolist()
    inverses = inverses.tolist()
    columns = range(len(p))
    if agreement == "threshold":
        lower = [min(p[c], q[inverses[c]]) for c in columns]
        best = max(columns[1:], key=lower.__getitem__)
        return (best - 1, lower[best]) if best <= 4 else (None, 0.0)
    if agreement == "mean":
        best = max(columns, key=lambda c: np.log(p[c]) + np.log(q[inverses[c]]))
    else:
        best = max(columns, key=p.__getitem__)
    if agreement == "both" and max(columns, key=q.__getitem__) != inverses[best]:
        return None, 0.0
    if not 1 <= best <= 4:
        return None, 0.0
    score = p[best] if agreement == "forward" else (p[best] + q[inverses[best]]) / 2
    return best - 1, score


def naive_loss(model, docs, gold, candidates=None, *, cold, settings=None, width=WIDTH):
    """The loss of a batch, computed one window at a time.

    candidates (Candidates | None): The spans and pairs; by default the paper's: all
        spans up to the width and the gold, all pairs of gold entities.
    """
    settings = settings or {}
    naive = naive_of(model, settings)
    network = inside(model).network
    inverses = network.relation.inverses.tolist()
    filtered, filter_targets, spans, span_targets = [], [], [], []
    rows, columns = [], []
    first = 0
    for number, doc in enumerate(doc for doc in docs if len(doc)):
        words = [token.text for token in doc]
        members = [i for i in range(len(gold.spans)) if gold.windows[i] == number]
        gold_rows = {
            (int(s) - first, int(e) - first): i
            for i, (s, e) in zip(members, gold.spans[members])
        }
        if candidates is None:
            own, pairs = [], []
            if gold.knows_entities[number]:
                own = sorted({*naive.candidates(words, width), *gold_rows})
            if gold.knows_relations[number]:
                pairs = list(permutations(sorted(gold_rows), 2))
        else:
            every = [(int(s) - first, int(e) - first) for s, e in candidates.spans]
            own = [(s, e) for s, e in every if 0 <= s < len(words)]
            pairs = [(every[i], every[j]) for i, j in candidates.pairs]
            pairs = [(head, tail) for head, tail in pairs if head in own]
        first += len(words)
        if own:
            targets = torch.tensor(
                [gold.labels[gold_rows[c]] if c in gold_rows else 0 for c in own]
            )
            marked = naive.marked(0, words, own, LABELS.entities)
            outputs = network.entity(marked, targets > 0, cold=cold)
            filtered.append(outputs.filter_logits)
            filter_targets.append((targets > 0).long())
            spans.append(outputs.entity_logits)
            span_targets.append(targets[outputs.nodes])
        for (head, tail), row in naive.pair_logits(words, pairs).items():
            matches = []
            for h, t, label in gold.relations.tolist():
                if (h, t) == (gold_rows[head], gold_rows[tail]):
                    matches.append(1 + label)
                # the label of the reverse pair applies if that is a candidate, too
                other = (t, h) == (gold_rows[head], gold_rows[tail])
                if other and (tail, head) in pairs:
                    matches.append(inverses[1 + label])
            rows.append(row)
            columns.append(matches[0] if matches else 0)
    weight = settings.get("filter_weight", 1.0)
    loss = F.cross_entropy(torch.cat(spans), torch.cat(span_targets))
    loss = loss + weight * F.cross_entropy(
        torch.cat(filtered), torch.cat(filter_targets)
    )
    return loss + F.cross_entropy(torch.stack(rows), torch.tensor(columns))
