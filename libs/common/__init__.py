"""The shared house: one builder, one bus, one way to hold and to erase personal data."""
