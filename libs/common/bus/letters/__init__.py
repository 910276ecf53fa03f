"""Dead letters in a service's database: what failed, what waits behind it, and what becomes of both."""
