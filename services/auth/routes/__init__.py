"""Auth's HTTP API, under /api/auth/v1."""

from services.auth.routes import me, published, sessions, staff, users

ROUTERS = (users.router, sessions.router, me.router, published.router, staff.router)
