"""Modify JSON values."""

import copy

ABSENT = object()


def changed(original, path, value):
    """Copy with another value at a path of keys. ABSENT removes the key."""
    result = copy.deepcopy(original)
    target = result
    for key in path[:-1]:
        target = target[key]
    if value is ABSENT:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return result


def containers(value):
    """All lists and objects in a JSON value."""
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


def put_unexpected_value(rng, values, odd):
    """Replace a random item of the values with an unexpected value. Works in place."""
    target = rng.choice([c for value in values for c in containers(value) if c])
    key = rng.choice(list(target) if isinstance(target, dict) else range(len(target)))
    target[key] = rng.choice(odd)
