"""Presigned addresses, signed for the gateway's host, hold at the object store behind it."""

import io
import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from minio import Minio
from minio.datatypes import PostPolicy

from deploy.local.spawn import RunningStack

BUCKET = "pixera-gallery"
SOON = timedelta(minutes=5)


def client_of(stack: RunningStack, endpoint: str) -> Minio:
    keys = stack.env["PIXERA_S3_ACCESS_KEY"], stack.env["PIXERA_S3_SECRET_KEY"]
    return Minio(urlsplit(stack.env[endpoint]).netloc, *keys, secure=False, region="us-east-1")


@pytest.fixture
def inside(bare_stack: RunningStack) -> Minio:
    """As services see the store."""
    return client_of(bare_stack, "PIXERA_S3_ENDPOINT")


@pytest.fixture
def outside(bare_stack: RunningStack) -> Minio:
    """Signs for the address that people see."""
    return client_of(bare_stack, "PIXERA_S3_PUBLIC_ENDPOINT")


def post(stack: RunningStack, outside: Minio, name: str, content: bytes) -> httpx.Response:
    policy = PostPolicy(BUCKET, datetime.now(UTC) + SOON)
    policy.add_equals_condition("key", name)
    policy.add_equals_condition("Content-Type", "image/jpeg")
    policy.add_content_length_range_condition(1, 1_000)
    form = {**outside.presigned_post_policy(policy), "key": name, "Content-Type": "image/jpeg"}
    return httpx.post(f"{stack.gateway}/{BUCKET}", data=form, files={"file": content})


def test_public_endpoint_is_the_gateway(bare_stack: RunningStack) -> None:
    assert bare_stack.env["PIXERA_S3_PUBLIC_ENDPOINT"] == bare_stack.gateway


def test_presigned_post_and_get_pass_the_gateway(
    bare_stack: RunningStack, inside: Minio, outside: Minio
) -> None:
    uploaded = post(bare_stack, outside, "a/b.jpg", b"picture")
    assert uploaded.status_code in {200, 201, 204}, uploaded.text
    assert inside.stat_object(BUCKET, "a/b.jpg").content_type == "image/jpeg"
    got = httpx.get(outside.presigned_get_object(BUCKET, "a/b.jpg", expires=SOON))
    assert (got.status_code, got.content) == (200, b"picture")
    assert "sandbox" in got.headers["content-security-policy"]


def test_store_refuses_what_the_policy_does_not_allow(bare_stack: RunningStack, outside: Minio) -> None:
    assert post(bare_stack, outside, "big.jpg", b"x" * 2_000).status_code == 400


def test_nothing_passes_unsigned_or_changed(bare_stack: RunningStack, inside: Minio, outside: Minio) -> None:
    inside.put_object(BUCKET, "private.jpg", io.BytesIO(b"mine"), 4)
    assert httpx.get(f"{bare_stack.gateway}/{BUCKET}/private.jpg").status_code == 403
    assert httpx.get(f"{bare_stack.gateway}/{BUCKET}?list-type=2").status_code == 403
    signed = outside.presigned_get_object(BUCKET, "other.jpg", expires=SOON)
    assert httpx.get(signed.replace("other.jpg", "private.jpg")).status_code == 403
    assert httpx.delete(f"{bare_stack.gateway}/{BUCKET}/private.jpg").status_code == 403


def test_upload_beyond_thirty_megabytes_is_refused_before_it_is_read(bare_stack: RunningStack) -> None:
    head = f"POST /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30000001\r\n\r\n"
    with socket.create_connection(("127.0.0.1", bare_stack.ports["gateway"]), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(4_096).decode()
    assert answer.startswith("HTTP/1.1 413")
    assert "body-too-large" in answer


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_upload_that_does_not_say_its_length_is_refused_before_it_is_read(
    bare_stack: RunningStack, method: str
) -> None:
    head = f"{method} /{BUCKET}/x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", bare_stack.ports["gateway"]), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(4_096).decode()
    assert answer.startswith("HTTP/1.1 411")
    assert "length-required" in answer


def test_a_body_under_another_method_is_not_passed_on_without_end(bare_stack: RunningStack) -> None:
    body = (bytes(100_000) for _ in range(20))
    answer = httpx.request("DELETE", f"{bare_stack.gateway}/{BUCKET}/x", content=body)
    assert answer.status_code == 413


def test_private_bucket_is_not_reachable(bare_stack: RunningStack) -> None:
    assert httpx.get(f"{bare_stack.gateway}/pixera-privacy/x").status_code == 404


@pytest.mark.parametrize("bucket", ["pixera-gallery", "pixera-generation", "pixera-privacy"])
def test_every_bucket_keeps_no_versions_and_starts_empty(inside: Minio, bucket: str) -> None:
    assert inside.get_bucket_versioning(bucket).status != "Enabled"
    found = inside.list_objects(bucket, prefix=".probe", include_version=True)
    assert not list(found)
