"""Auth's HTTP API, under /api/auth/v1."""

from services.auth.routes import agreements, consents, me, published, sessions, staff, users

ROUTERS = (
    users.router,
    sessions.router,
    me.router,
    agreements.router,
    consents.router,
    published.router,
    staff.router,
)
