"""Auth's HTTP API, under /api/auth/v1."""

from services.auth.routes import agreements, consents, identity, me, published, sessions, staff, users

ROUTERS = (
    users.router,
    sessions.router,
    identity.router,
    me.router,
    agreements.router,
    consents.router,
    published.router,
    staff.router,
)
