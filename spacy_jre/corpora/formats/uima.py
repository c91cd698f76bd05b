"""The layers of INCEpTION and WebAnno, in all formats that they export."""

from collections.abc import Callable, Hashable, Mapping, Sequence

from ...errors import Errors, JREError
from ..rows import Rows
from ..sources import Location

NO_LABEL = "the annotation has no label"
SEVERAL_FEATURES = "the layer has several features that can be the label"
NOT_AN_ENTITY = "an argument is not an entity"
NO_TEXT = "the annotation covers no text"
CHAIN = "records have no chains"
SLOT = "records have no links to slots"

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
# tokens, lemmas, dependencies, PDF and HTML layout ...: not user-defined layers
_BUILT_IN = ("uima.", "de.tudarmstadt.ukp.", "org.dkpro.core.")


def is_annotated(layer: str) -> bool:
    """Whether the annotations of a layer are entities or relations: whether it is the
    layer of named entities or a custom layer.

    layer (str): The name with its package.
    """
    return layer == NAMED_ENTITY or not layer.startswith(_BUILT_IN)


def check_features(
    location: object, layers: Mapping[str, Sequence[str]], chosen: Sequence[str]
) -> None:
    """Check that each chosen feature is in a layer.

    location (object): The location of the document.
    layers (Mapping[str, Sequence[str]]): Name of a layer -> its features that can be
        the label.
    chosen (Sequence[str]): The features that are chosen as labels, such as "role" or
        "Event=role".
    RAISES (ValueError): J650 for a feature that no layer has.
    """
    for choice in chosen:
        if not any(_chosen(layer, layers[layer], [choice]) for layer in layers):
            known = "; ".join(
                f"{_short(layer)}: {', '.join(names) or 'none'}"
                for layer, names in layers.items()
            )
            raise JREError(
                Errors.J650.format(path=location, feature=choice, known=known or "none")
            )


def find_label(
    rows: Rows,
    kind: str,
    here: Location,
    layer: str,
    features: Sequence[str],
    value_of: Callable[[str], object],
    chosen: Sequence[str],
    key: Hashable = None,
) -> str | None:
    """Find the label of an annotation. If there is none, report the annotation.

    The label is the chosen feature, or ``value`` or ``label``, or the only feature. If
    the layer has no features, it is the name of the layer.

    rows (Rows): The annotations of the document.
    kind (str): "entity" or "relation".
    here (Location): The location of the annotation.
    layer (str): The name of the layer.
    features (Sequence[str]): The features of the layer that can be the label.
    value_of (Callable): Returns the value of a feature.
    chosen (Sequence[str]): See ``check_features``.
    key (Hashable): The id of an entity.
    RETURNS (str | None): The label.
    """
    if not features:
        return _short(layer)
    names = _chosen(layer, features, chosen) or [
        name for name in ("value", "label") if name in features
    ]
    if not names and len(features) > 1:
        reason = (
            f"{here}: the layer {_short(layer)} has several features: "
            f"{', '.join(features)}. Choose the label, for example with --feature "
            f"{_short(layer)}={features[0]}"
        )
        rows.leave_out(kind, reason, SEVERAL_FEATURES, key=key)
        return None
    for name in names or features:
        label = value_of(name)
        if isinstance(label, str) and label:
            return label
    name = "span" if kind == "entity" else kind
    rows.leave_out(kind, f"{here}: the {name} has no label", NO_LABEL, key=key)
    return None


def _chosen(layer: str, features: Sequence[str], chosen: Sequence[str]) -> list[str]:
    """The chosen feature of a layer. Choices with the name of a layer come first."""
    for choice in sorted(chosen, key=lambda choice: "=" not in choice):
        wanted, _, feature = choice.rpartition("=")
        if feature in features and wanted in ("", layer, _short(layer)):
            return [feature]
    return []


def _short(layer: str) -> str:
    return layer.rpartition(".")[2]
