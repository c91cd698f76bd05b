"""An encoder that returns the index of each token, to check results by hand."""

import numpy as np
from thinc.api import Model


def fake_encoder(width: int) -> Model:
    """Row i of a Doc is i, i + 0.1, ...; backprop returns the gradient unchanged."""
    return Model("fake", _forward, attrs={"width": width})


def _forward(model, docs, is_train):
    columns = np.arange(model.attrs["width"]) / 10
    vectors = [
        (np.arange(len(doc))[:, None] + columns).astype("float32") for doc in docs
    ]
    return vectors, lambda gradients: gradients
