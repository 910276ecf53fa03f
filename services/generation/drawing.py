"""What runs inside a rendering process. Nothing heavy is imported until then."""

from functools import cache
from pkgutil import resolve_name

from services.generation.backends.base import Backend, Rendered, Spec


@cache
def backend_of(path: str) -> Backend:
    """Return the backend that an import path such as `package.module:Class` names, made once a process."""
    made: Backend = resolve_name(path)()
    return made


def draw(path: str, spec: Spec) -> Rendered:
    """Draw one picture. Raises ValueError: this backend cannot draw it."""
    return backend_of(path).render(spec)


def identity(path: str) -> str:
    """Return the backend's name and version, as the generation log keeps them."""
    backend = backend_of(path)
    return f"{backend.name} {backend.version}"
