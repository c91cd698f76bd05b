"""Checks of settings, with errors that name the setting and the mend."""

from ..errors import Errors, JREError


def check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """RAISES (ValueError): J202 for a value that is not among the allowed ones."""
    if value not in allowed:
        names = ", ".join("null" if a is None else str(a) for a in allowed)
        raise JREError(Errors.J202.format(name=name, allowed=names, value=value))


def check_range(name: str, value: float, good: bool, expected: str) -> None:
    """RAISES (ValueError): J203 for a value that is not good."""
    if not good:
        raise JREError(Errors.J203.format(name=name, expected=expected, value=value))


def check_heads(width: int, n_heads: int) -> None:
    """RAISES (ValueError): J201 for heads that do not divide the width."""
    if n_heads < 1 or width % n_heads:
        raise JREError(Errors.J201.format(width=width, heads=n_heads))
