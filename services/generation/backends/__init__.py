"""The things that draw: one seam (`base`), one built-in backend that needs no weights (`procedural`)."""
