"""``python -m acmix.cli``, the same as ``python -m acmix``."""

import sys

from acmix.cli import main

if __name__ == "__main__":  # worker processes import this module, too
    sys.exit(main())
