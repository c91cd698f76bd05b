"""Checks of settings. The errors name the setting and the allowed values."""

from ..errors import Errors, JREError


def check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """RAISES (ValueError): J202 if the value is not one of the allowed ones."""
    if value not in allowed:
        names = ", ".join("null" if a is None else str(a) for a in allowed)
        raise JREError(Errors.J202.format(name=name, allowed=names, value=value))


def check_range(name: str, value: float, good: bool, expected: str) -> None:
    """RAISES (ValueError): J203 if the value is out of range."""
    if not good:
        raise JREError(Errors.J203.format(name=name, expected=expected, value=value))


def check_heads(width: int, n_heads: int) -> None:
    """RAISES (ValueError): J201 if the width is not divisible by the heads."""
    if n_heads < 1 or width % n_heads:
        raise JREError(Errors.J201.format(width=width, heads=n_heads))
