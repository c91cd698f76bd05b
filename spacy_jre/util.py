"""Small helpers of no particular floor."""

import hashlib
from pathlib import Path


def md5_of(path: Path) -> str:
    """RETURNS (str): The MD5 checksum of a file, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
