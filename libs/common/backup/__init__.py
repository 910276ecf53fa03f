"""Backups of the whole platform, encrypted, of one moment; and restored ones that still forget (ADR 0025)."""
