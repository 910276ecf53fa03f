"""The vault: a key for each person, in a database apart; without it nothing that it sealed is readable (ADR 0026)."""
