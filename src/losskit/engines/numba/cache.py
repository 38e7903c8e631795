"""Where generated kernels live: a folder of the user's own, or a private temporary one."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import platformdirs


@cache
def kernel_folder() -> Path:
    """``$LOSSKIT_CACHE_DIR``, else the user's cache, with mode 0700; where that cannot be written, a
    temporary folder that goes away with the process.

    Code is imported from there, so it must be writable by nobody else.
    """
    chosen = os.environ.get("LOSSKIT_CACHE_DIR") or platformdirs.user_cache_dir("losskit")
    folder = Path(chosen) / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            folder.chmod(0o700)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError:
        pass
    private = tempfile.mkdtemp(prefix="losskit-")
    atexit.register(_remove, private, os.getpid())
    return Path(private)


def _remove(folder: str, owner: int) -> None:
    """Remove a temporary folder, but not from a forked child whose parent still uses it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Write ``path`` unless it is there; another process never sees half of it.

    A file that is there is left alone: Numba's compiled code is keyed by its time stamp.
    """
    if path.exists():
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
