"""`python -m deploy.local.launch`: start the platform and keep it running until told to stop."""
