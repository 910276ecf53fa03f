"""Read models thrown away and rebuilt from the log, beside the live ones that go on serving (ADR 0024)."""
