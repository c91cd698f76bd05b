"""Compare the annotation of a faulty file with what a reader gives and reports."""

import json
import random
from typing import NamedTuple


class Counts(NamedTuple):
    records: int
    entities: int
    relations: int


def read_and_reported(read, path) -> Counts:
    """Count what is in the records of a file and what is reported as lost."""
    skipped = []
    records = list(read(path, skip=skipped.append))
    left_out = [*skipped, *(left for record in records for left in record.left_out)]
    kinds = [left.kind for left in left_out]
    for left in left_out:
        assert left.reason
        assert left.cause or left.kind == "record"
    return Counts(
        len(records) + kinds.count("record"),
        sum(len(record.entities) for record in records)
        + kinds.count("entity")
        + sum(left.entities for left in left_out),
        sum(len(record.relations) for record in records)
        + kinds.count("relation")
        + sum(left.relations for left in left_out),
    )


def with_faults(rng, records, faults, count):
    """Copy records and apply random faults, each to a random record.

    faults (dict[str, Callable]): Name -> function that takes the random generator and
        a record, and changes the record in place.
    """
    # unlike with deepcopy, no two parts of the copies are the same object
    records = [json.loads(json.dumps(record)) for record in records]
    for _ in range(count):
        rng.choice(list(faults.values()))(rng, rng.choice(records))
    return records


def assert_corrupted_file_is_read_or_coded(read, path, data, seed, *, changes, code):
    """Change random bytes of a file, and check that the reader raises no error without
    a code.

    data (bytes): The content of the file.
    changes (int): Number of bytes to change.
    code (str): Start of the codes of errors that end the reading of the file.
    """
    rng = random.Random(seed)
    corrupted = bytearray(data)
    for _ in range(changes):
        corrupted[rng.randrange(len(corrupted))] = rng.randrange(256)
    path.write_bytes(corrupted)
    skipped = []
    error = None
    try:
        list(read(path, skip=skipped.append))
    except ValueError as raised:
        error = str(raised)
    assert error is None or error.startswith(f"[{code}")
    assert all(left.reason.startswith("[J") for left in skipped)
