"""A payment provider to try Pixera with. All but `client.py` runs as a process of its own, with its own database."""
