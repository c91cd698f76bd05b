"""Titles for the figures of a report, in the console and on the page."""

SCORES = {
    "ents": "Entities",
    "rel": "Relations",
    "rel_strict": "Relations with entity types (strict)",
}
# title, and what the names of the buckets count
BUCKETS = {
    "ents_length": ("Entities by length", "Tokens"),
    "ents_text_length": ("Entities by length of the text", "Tokens"),
    "ents_nested": ("Entities, nested or not", ""),
    "rel_strict_text_length": ("Strict relations by length of the text", "Tokens"),
    "rel_strict_distance": (
        "Strict relations by distance of the arguments",
        "Tokens between",
    ),
    "rel_strict_nested": ("Strict relations with nested arguments or not", ""),
}


def title_of_cause(kind: str, cause: str) -> str:
    """RETURNS (str): The cause of an error. It is equal to the kind if a wrong entity
    overlaps no wrong entity of the other side."""
    return "no overlap" if cause == kind else cause


def given_warning(count: int) -> str:
    """RETURNS (str): The warning about gold entities that were not given."""
    return (
        f"{count} gold entities do not match the tokens of the pipeline. "
        "Relations with them are missed."
    )
