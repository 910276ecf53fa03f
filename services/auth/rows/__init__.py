"""The collections of auth, one subject a module; `repository.py` puts them together."""
