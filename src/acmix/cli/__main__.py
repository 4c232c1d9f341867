"""``python -m acmix.cli``."""

import sys

from acmix.cli import main

sys.exit(main())
