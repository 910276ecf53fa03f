"""The contact form and a request's conversation as pages, for people without an account."""
