"""The process that captures e-mails and shows them, and the API documentation."""

from collections.abc import Mapping

from deploy.local.home import Home
from deploy.local.serve import WebProcess

NAME = "desk"


def process(home: Home, ports: Mapping[str, int]) -> WebProcess:
    """It listens for e-mail on `smtp` and for the gateway on `desk`."""
    arguments = (str(home.mail), str(ports["smtp"]))
    return WebProcess(NAME, "deploy.local.desk.app:create_app", ports["desk"], arguments)
