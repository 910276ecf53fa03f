"""Where a request came from: only what the gateway wrote is believed."""

import pytest
from starlette.requests import Request

from libs.common.client import Client, client_of


def request(headers: dict[str, str], peer: str = "192.0.2.1") -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "client": (peer, 1234)})


@pytest.mark.parametrize(
    ("header", "headers", "expected"),
    [
        ("x-forwarded-for", {"X-Forwarded-For": "198.51.100.1"}, "198.51.100.1"),
        ("x-forwarded-for", {"X-Forwarded-For": "10.9.9.9, 198.51.100.1"}, "198.51.100.1"),
        ("x-forwarded-for", {"X-Forwarded-For": "2001:db8::1"}, "2001:db8::1"),
        ("x-forwarded-for", {"X-Forwarded-For": "<script>"}, "192.0.2.1"),
        ("x-forwarded-for", {"X-Envoy-External-Address": "198.51.100.1"}, "192.0.2.1"),
        ("x-envoy-external-address", {"X-Envoy-External-Address": "198.51.100.1"}, "198.51.100.1"),
        ("x-envoy-external-address", {"X-Forwarded-For": "198.51.100.1"}, "192.0.2.1"),
        ("x-forwarded-for", {}, "192.0.2.1"),
    ],
)
def test_the_last_hop_of_the_trusted_header_counts(
    header: str, headers: dict[str, str], expected: str
) -> None:
    assert client_of(request(headers), header).ip == expected


def test_the_device_is_cut_to_a_length() -> None:
    assert client_of(request({"User-Agent": "a" * 1000}), "x-forwarded-for").user_agent == "a" * 256
    assert client_of(request({}), "x-forwarded-for").user_agent == ""


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::7", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("", ""),
    ],
)
def test_an_address_is_recognised_by_its_network(ip: str, network: str) -> None:
    assert Client(ip, "").network == network
