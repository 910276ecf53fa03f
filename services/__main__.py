"""`python -m services SERVICE ROLE`: one process of a service, as the images run it.

The roles `api`, `worker` and `all` serve until SIGTERM. `prepare` makes what a release needs before it is rolled out
(collections, indexes, the topics of the service's consumers), says nothing where all is there, and ends.
"""

import argparse
import asyncio
import importlib
import sys

from libs.common.assembling import put_together
from libs.common.serving import prepare, serve
from libs.common.settings import Role

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - in a container, whose network says who gets there
PORT = 8000


def main() -> int:
    """Be one process; return its exit code."""
    parser = argparse.ArgumentParser(prog="services", description=__doc__)
    parser.add_argument("service", help="a package of services/")
    parser.add_argument("role", type=Role, choices=list(Role))
    parser.add_argument("--host", default=ALL_ADDRESSES)
    parser.add_argument("--port", type=int, default=PORT)
    arguments = parser.parse_args()
    with put_together():
        app = importlib.import_module(f"services.{arguments.service}.main").create_app(arguments.role)
    if arguments.role is Role.PREPARE:
        asyncio.run(prepare(app))
        return 0
    return serve(app, arguments.host, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
