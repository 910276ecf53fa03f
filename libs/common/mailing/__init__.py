"""Mails: how they are composed, and the way to the mail server."""
