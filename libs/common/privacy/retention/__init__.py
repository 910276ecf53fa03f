"""Ends what is kept for a time, keeps account of it, and tells how that stands."""
