"""What the vault measures: time by what is done, how many fields went through it, and what its KMS answers."""

from prometheus_client import Counter, Histogram

VAULT_SECONDS = Histogram(
    "pixera_vault_seconds",
    "Time of a call to the vault, the wait for its thread included.",
    ("operation", "outcome"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15),
)
FIELDS = Counter(
    "pixera_vault_fields", "Fields sealed, opened, or asked for after their key was gone.", ("outcome",)
)
KMS_SECONDS = Histogram(
    "pixera_kms_seconds",
    "Time of one attempt to have the KMS wrap or unwrap a key, with the wait before a repeated one.",
    ("outcome",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 10),
)
