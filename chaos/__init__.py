"""What Muster survives, measured: the real program under load, and what goes wrong around it."""
