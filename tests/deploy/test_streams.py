"""What a service answers bit by bit, the gateway lets last: it cuts any other answer after some seconds."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from deploy.local.gateway_routes import SERVICES, STREAMS


def streams(route: APIRoute) -> bool:
    """Tell whether a route's answer comes bit by bit: its class does, or one that its code makes."""
    known = route.endpoint.__globals__
    made = [route.response_class, *(known.get(name) for name in route.endpoint.__code__.co_names)]
    return any(isinstance(each, type) and issubclass(each, StreamingResponse) for each in made)


def streaming() -> Iterator[tuple[str, str]]:
    """Yield the service and path of every route that streams."""
    for service in SERVICES:
        package = import_module(f"services.{service}")
        names = [found.name for found in walk_packages(package.__path__, f"{package.__name__}.")]
        for module in (import_module(name) for name in names if "routes" in name):
            routers = [each for each in vars(module).values() if isinstance(each, APIRouter)]
            for route in (route for router in routers for route in router.routes):
                if isinstance(route, APIRoute) and streams(route):
                    yield service, re.sub(r"{[^}]+}", "any", route.path)


def test_there_are_such_routes() -> None:
    assert {service for service, _ in streaming()} == set(STREAMS)


@pytest.mark.parametrize(("service", "path"), sorted({*streaming()}))
def test_the_gateway_lets_it_last(service: str, path: str) -> None:
    assert re.fullmatch(STREAMS[service], path)
