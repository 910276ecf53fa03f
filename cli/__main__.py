"""`pixera`, or `python -m cli`."""

import os
import sys

from cli.app import app
from cli.output import UNKNOWN, complain
from cli.platform import Unanswered


def main() -> None:
    """Run the command. Nobody who uses it is shown where in the code something went wrong."""
    try:
        app(prog_name="pixera")
    except Unanswered as error:
        complain(str(error))
        sys.exit(error.code)
    except Exception as error:
        if os.environ.get("PIXERA_DEBUG"):
            raise
        complain(f"pixera itself failed ({type(error).__name__}): a bug. PIXERA_DEBUG=1 shows where.")
        sys.exit(UNKNOWN)


if __name__ == "__main__":
    main()
