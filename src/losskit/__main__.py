"""``python -m losskit`` is the command ``losskit``."""

from losskit.cli import main

if __name__ == "__main__":
    main()
