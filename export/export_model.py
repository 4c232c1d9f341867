"""The command `acmix export` for those who look for it here; see docs/export.md."""

import sys

from acmix.cli import main

sys.exit(main(["export", *sys.argv[1:]]))
