"""`make chaos`: people use the platform, faults are put in, and what is left is held against what was promised."""
