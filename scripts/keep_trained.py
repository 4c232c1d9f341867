"""Put a run's best weights into the package: python scripts/keep_trained.py RUN NAME RECIPE."""

import sys

from acmix.errors import UserError
from acmix.tools.keep_trained import keep_trained

if len(sys.argv) != 4:
    sys.exit(__doc__)
try:
    print(keep_trained(*sys.argv[1:]))
except UserError as error:
    sys.exit(str(error))
