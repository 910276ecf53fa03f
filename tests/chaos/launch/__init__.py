"""`python -m tests.chaos.launch`: a platform for faults, with the options of `deploy.local.launch`."""
