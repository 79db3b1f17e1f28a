"""The rules. Services take a unit of work, change rows, and never send, render or commit."""
