"""``python -m coro_magic``: see `notebook.command`."""

import sys

from .notebook.command import main

if __name__ == "__main__":
    sys.exit(main())
