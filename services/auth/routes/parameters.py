"""What auth's routes are given."""

from typing import Annotated

from fastapi import Depends, Request

from libs.common.app import provided
from libs.common.client import Client, client_of
from services.auth.service import AuthService

PREFIX = "/api/auth/v1"

Service = Annotated[AuthService, Depends(provided(AuthService))]


def client(request: Request, service: Service) -> Client:
    """Return the technical data of the request."""
    return client_of(request, service.settings.client_ip_header)


CallingClient = Annotated[Client, Depends(client)]
