"""Count the floating-point operations of a prediction."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from spacy.language import Language
from spacy.tokens import Doc
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..architectures.hf_encoder import eager_attention
from ..pipeline.joint_extractor import JointRelationExtractor
from .parts import transformers_of
from .stages import run_stages


def count_flops(
    nlp: Language,
    component: JointRelationExtractor,
    docs: Sequence[Doc],
    batch_size: int = 1,
) -> dict[str, int]:
    """Count the floating-point operations of each stage.

    docs (Sequence[Doc]): Docs without annotations, which get the predictions.
    batch_size (int): Number of Docs per batch. With 1, no padding counts.
    RETURNS (dict[str, int]): By the stages of ``run_stages``. See ``counting`` for what
        counts.
    """
    transformers = torch.nn.ModuleList(transformers_of(component.model))
    with counting(transformers) as read:
        stages = run_stages(nlp, component, docs, batch_size, read)
    return {name: int(count) for name, count in stages.items()}


@contextmanager
def counting(transformers: torch.nn.Module) -> Iterator[Callable[[], int]]:
    """Count the operations of torch in the context.

    Matrix products and convolutions count: a multiplication and an addition are two
    operations. Kernels that combine several operations (attention, recurrent networks)
    are switched off, because torch does not count them all. Pooling, activations,
    normalization and the layers of thinc do not count.

    transformers (Module): The transformers that run in the context.
    YIELDS (Callable): Returns the number of operations so far.
    """
    counter = FlopCounterMode(display=False)
    with ExitStack() as stack:
        stack.enter_context(eager_attention(transformers))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        with warnings.catch_warnings():
            # about TF32, which is not changed
            warnings.filterwarnings("ignore", message="TF32 acceleration")
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(counter)
        yield counter.get_total_flops
