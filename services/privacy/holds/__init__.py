"""Holds: what is not erased for now, on an item or on a whole account, by whose order and on what ground."""
