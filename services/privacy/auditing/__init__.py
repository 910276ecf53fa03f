"""The audit ledger: who did what to whose data on what ground, so that nobody can change it unseen (ADR 0021)."""
