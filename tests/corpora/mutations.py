"""JSON values with something wrong in them."""

import copy

ABSENT = object()


def changed(original, place, value):
    """A copy with a value put in a place, or a key dropped there if it is ABSENT."""
    found = copy.deepcopy(original)
    target = found
    for key in place[:-1]:
        target = target[key]
    if value is ABSENT:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return found


def containers(value):
    """The lists and objects in a JSON value."""
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


def put_odd_value(rng, values, odd):
    """Replace something somewhere in the values, in place."""
    target = rng.choice([c for value in values for c in containers(value) if c])
    key = rng.choice(list(target) if isinstance(target, dict) else range(len(target)))
    target[key] = rng.choice(odd)
