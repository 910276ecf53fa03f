"""`python -m deploy.local.launch`. A module named `__main__` is not imported again by the forked services."""

import sys

from deploy.local.launcher import main

if __name__ == "__main__":
    sys.exit(main())
