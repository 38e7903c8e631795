"""Files with a network's weights: safetensors only, since other formats can run code when they are read."""

from pathlib import Path


def weight_file(path: str | Path) -> Path:
    """The path of a safetensors file that is there.

    Raises ValueError for another kind of file, FileNotFoundError where there is none.

    >>> weight_file("model.pt")
    Traceback (most recent call last):
        ...
    ValueError: weights must be a .safetensors file, got 'model.pt': other formats can run code
    """
    if not str(path).endswith(".safetensors"):
        raise ValueError(
            f"weights must be a .safetensors file, got {str(path)!r}: other formats can run code"
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"weights: there is no file {str(path)!r}")
    return Path(path)
