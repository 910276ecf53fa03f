"""Auth's own metrics. Labels are bounded and never personal."""

from prometheus_client import Counter, Histogram

SIGN_INS = Counter("pixera_auth_sign_ins", "Attempts to sign in.", ("outcome",))
STAFF_SIGN_INS = Counter("pixera_auth_staff_sign_ins", "Attempts of operators to sign in.", ("outcome",))
REGISTRATIONS = Counter("pixera_auth_registrations", "Registrations that were answered.", ("outcome",))
VERIFICATIONS = Counter("pixera_auth_verifications", "Verification tokens that came back.", ("outcome",))
REFRESHES = Counter("pixera_auth_refreshes", "Refresh tokens that were presented.", ("outcome",))
REFRESH_REUSE = Counter("pixera_auth_refresh_reuse", "Sessions ended because a refresh token came twice.")
DELETIONS = Counter("pixera_auth_deletions", "Accounts closed.", ("reason",))
HIDINGS = Counter("pixera_auth_hidings", "Accounts hidden until they are erased.", ("reason",))
RETURNS = Counter("pixera_auth_returns", "People who came back before they were erased.")
IDENTITY_PROOFS = Counter(
    "pixera_auth_identity_proofs", "Codes that came back to prove who asks.", ("outcome",)
)
ARGON2_SECONDS = Histogram(
    "pixera_auth_argon2_seconds",
    "Time of one password hash, waiting for a thread included.",
    ("operation",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
POLICY_NOTICES = Counter("pixera_auth_policy_notices", "People told of a significant version.", ("document",))
DECISIONS = Counter(
    "pixera_auth_consent_decisions", "Decisions that people took in their accounts.", ("purpose", "state")
)
