"""A BERT with random weights and a vocabulary of its own, so nothing is downloaded."""

import logging
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertModel, BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# the size of BERT-base, and a size for a CPU
BASE = {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


def save_random_bert(
    folder: Path, texts: Iterable[str], size: dict[str, int], *, n_pieces: int = 8000
) -> Path:
    """Save a BERT with random weights and a tokenizer trained on some texts.

    folder (Path): The output folder.
    texts (Iterable[str]): The texts for the vocabulary.
    size (dict[str, int]): The size of the transformer, for example BASE.
    n_pieces (int): Maximum size of the vocabulary.
    RETURNS (Path): The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained = Tokenizer(WordPiece(unk_token="[UNK]"))
    trained.normalizer = BertNormalizer(lowercase=True)
    trained.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(
        vocab_size=n_pieces, special_tokens=SPECIAL, show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    pieces = trained.get_vocab()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(sorted(pieces, key=pieces.get)), encoding="utf8")
    tokenizer = BertTokenizerFast(
        str(vocabulary), do_lower_case=True, model_max_length=512
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(pieces), **size)).save_pretrained(folder)
    # transformers reports that it has no weights of a pooling layer, for example
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return folder
