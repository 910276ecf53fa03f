"""The log handed to a consumer group again: told first, done on demand, exact by the inbox (ADR 0024)."""
