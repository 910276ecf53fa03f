"""Exports: the archive that a person gets of everything that is held of them."""
