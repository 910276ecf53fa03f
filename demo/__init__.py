"""The whole story on the real platform: sign up, upload, generate, pay, delete, and prove it is gone."""
