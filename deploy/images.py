"""`make images`: build the image of every service, with whichever builder is there.

Settings: BUILDER (docker, podman or buildah; the first that is there), BASE (another base image, by digest),
TAG (dev), REGISTRY (what comes before `pixera/auth`), BUILDFLAGS (more flags for the builder).
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from deploy.local.gateway_routes import SERVICES
from deploy.local.home import ROOT

BUILDERS: Mapping[str, tuple[str, ...]] = {"docker": ("build",), "podman": ("build",), "buildah": ("bud",)}
STACK = "stack"
"""The servers of `make run` as an image, for overlays/dev."""


class NoBuilder(RuntimeError):
    """There is nothing that builds images."""


def builder(env: Mapping[str, str]) -> str:
    """Return the builder to use. Raises: NoBuilder."""
    asked = env.get("BUILDER")
    for name in (asked,) if asked else BUILDERS:
        if name in BUILDERS and shutil.which(name) and _works(name):
            return name
    raise NoBuilder(
        f"none of {', '.join(BUILDERS)} works here" if not asked else f"{asked} does not work here"
    )


def _works(name: str) -> bool:
    """Tell whether it can build: docker's client is often there without its engine."""
    return subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0


def command(name: str, image: str, env: Mapping[str, str], revision: str) -> list[str]:
    """Return what builds one image. Args: image: a service, or the servers."""
    prefix = f"{env['REGISTRY']}/" if env.get("REGISTRY") else ""
    arguments = [f"SERVICE={image}", f"REVISION={revision}"]
    arguments += [f"BASE={env['BASE']}"] if env.get("BASE") else []
    file = "deploy/k8s/stack.Dockerfile" if image == STACK else "Dockerfile"
    return [
        *(
            name,
            *BUILDERS[name],
            "--file",
            file,
            "--tag",
            f"{prefix}pixera/{image}:{env.get('TAG') or 'dev'}",
        ),
        *(part for argument in arguments for part in ("--build-arg", argument)),
        *shlex.split(env.get("BUILDFLAGS", "")),
        ".",
    ]


def revision() -> str:
    """Return the commit that is built, marked where files differ from it."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; 0 when every image is there."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images", description=__doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", default=[*SERVICES, STACK])
    asked = parser.parse_args(arguments)
    try:
        name = builder(os.environ)
    except NoBuilder as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    commit = revision()
    for image in asked.images:
        print(f"images: {image} with {name}", flush=True)
        if code := subprocess.run(command(name, image, os.environ, commit), cwd=ROOT, check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
